"""The settings of a call worker, all from the environment or `.env`; those of its agents are the agent server's.

The documented names come first; every key is documented in docs/operations/settings.md.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from vox.runtime.settings import Env, Loaded, Settings, load_settings

BASE_PORT: Final = 8001
MOST_WORKERS: Final = 1024
_WORKER_ID: Final = re.compile(r"[a-z0-9-]{1,64}")
_PORTS: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")

BusyAnswer = Literal["reject", "say", "wait"]


class WorkerOptions(Settings):
    """One worker."""

    max_concurrent_calls: Annotated[int, Env("MAX_CONCURRENT_CALLS", "VOXRAY_MAX_CONCURRENT_CALLS")] = Field(
        default=5, ge=1, le=100_000
    )
    """Calls that this worker holds at most; the adaptive limit may lower it"""
    workers: Annotated[int, Env("VOXCORE_WORKERS")] = Field(default=4, ge=1, le=MOST_WORKERS)
    """How many workers this machine has, for the totals that are reported without a bridge"""
    port: Annotated[int, Env("VOXCORE_PORT")] = Field(default=BASE_PORT, ge=0, le=65535)
    """Bind port; 0 picks a free one"""
    ports: Annotated[str, Env("VOX_WORKER_PORTS")] = ""
    """Ports of the workers on this machine, as in 8001-8004 or 8001,8003; empty: VOXCORE_WORKERS ports from 8001 on"""
    secret: Annotated[SecretStr, Env("VOXCORE_SECRET")] = SecretStr("")
    """What bridge and dialler send as X-VoxCore-Secret; of several, separated by commas, the first is sent and all are taken. Empty: the fleet's routes answer this machine only"""
    bridge: Annotated[str, Env("VOXBRIDGE_URL")] = ""
    """Address of the bridge, which knows bots and takes results; of several, separated by commas, the first is asked. Empty: the agents of the configuration, and no results"""
    config_url: Annotated[str, Env("VOXBRIDGE_CONFIG_URL")] = ""
    """Address of bots' configurations elsewhere than at the bridge; /BOT_ID follows"""
    worker_id: Annotated[str, Env("VOX_WORKER_ID")] = ""
    """Name of this worker, of a-z, 0-9 and -; empty: host name and port"""
    token: Annotated[SecretStr, Env("VOX_WORKER_TOKEN")] = SecretStr("")
    """Token by which the bridge knows this worker; empty: it does not register"""
    region: Annotated[str, Env("VOX_WORKER_REGION")] = Field(default="", max_length=64)
    """Where this worker stands, for placement near the caller"""
    relay_region: Annotated[str, Env("VOX_WORKER_RELAY_REGION")] = Field(default="", max_length=64)
    """Region of the relays that are near this worker, for placement"""
    model_region: Annotated[str, Env("VOX_WORKER_MODEL_REGION")] = Field(default="", max_length=64)
    """Region of the models that are near this worker, for placement"""
    url: Annotated[str, Env("VOX_WORKER_URL")] = ""
    """Address at which carriers and the bridge reach this very worker, as https://HOST; empty: http://HOST:PORT"""
    inbound_reserve: Annotated[float, Env("VOX_WORKER_INBOUND_RESERVE")] = Field(default=0.2, ge=0, le=1)
    """Share of the slots that outbound and campaign calls leave to inbound ones, rounded down"""
    drain_deadline_secs: Annotated[float, Env("VOX_DRAIN_DEADLINE_SECS")] = Field(default=3600.0, ge=0, le=7 * 86_400)
    """How long running calls may go on once the worker drains"""
    busy_answer: Annotated[BusyAnswer, Env("VOX_WORKER_BUSY_ANSWER")] = "reject"
    """What a carrier's webhook is answered with while the fleet is full: busy tone, spoken busy_message, or the message again and again until a slot is free"""
    busy_message: Annotated[str, Env("VOX_WORKER_BUSY_MESSAGE")] = Field(
        default="All our lines are busy. Please call again in {wait}.", max_length=1_000
    )
    """What is said then; {wait} becomes the expected time, as in 3 minutes"""
    busy_wait_secs: Annotated[int, Env("VOX_WORKER_BUSY_WAIT_SECS")] = Field(default=120, ge=10, le=3600)
    """With busy_answer wait: how long a caller waits at most before the call ends"""
    results_folder: Annotated[str, Env("VOX_WORKER_RESULTS_FOLDER")] = "results"
    """Folder of results that the bridge has not confirmed yet; each worker has a folder of its name in it"""

    @field_validator("worker_id")
    @classmethod
    def _is_id(cls, value: str) -> str:
        if value and not _WORKER_ID.fullmatch(value):
            raise ValueError("use 1 to 64 of a-z, 0-9 and -")
        return value

    @field_validator("bridge")
    @classmethod
    def _are_urls(cls, value: str) -> str:
        return ",".join(cls._is_url(one.strip()) for one in value.split(",") if one.strip())

    @field_validator("config_url", "url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not _is_base_url(value):
            raise ValueError("use http://HOST:PORT or https://HOST")
        return value.rstrip("/")

    @field_validator("ports")
    @classmethod
    def _are_ports(cls, value: str) -> str:
        port_list(value)
        return value

    @property
    def secrets(self) -> tuple[str, ...]:
        """The shared secrets; the first is sent, all are taken."""
        return tuple(one for part in self.secret.get_secret_value().split(",") if (one := part.strip()))

    @property
    def bridge_urls(self) -> list[str]:
        """The addresses of all bridges."""
        return self.bridge.split(",") if self.bridge else []

    @property
    def bridge_url(self) -> str:
        """The address of the bridge that is asked."""
        return self.bridge.partition(",")[0]

    @property
    def labels(self) -> dict[str, str]:
        """What placement may go by, besides the region."""
        given = {"relay_region": self.relay_region, "model_region": self.model_region}
        return {name: value for name, value in given.items() if value}

    @property
    def bridge_base(self) -> str:
        """The bridge's scheme and host: its address, or where the bots' configurations are."""
        if self.bridge_url or not self.config_url:
            return self.bridge_url
        parts = urlsplit(self.config_url)
        return f"{parts.scheme}://{parts.netloc}"

    def sibling_ports(self) -> list[int]:
        """The ports of this machine's workers, its own included unless it is chosen by the system."""
        listed = port_list(self.ports) or list(range(BASE_PORT, min(BASE_PORT + self.workers, 65536)))
        return listed if self.port in listed or not self.port else [*listed, self.port]


class WorkerSettings(Settings):
    """All settings of the command, under one name, so that their keys are apart from those of the other parts."""

    worker: WorkerOptions = Field(default_factory=WorkerOptions)
    """The worker"""


def _is_base_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_one and not (parts.query or parts.fragment or "@" in parts.netloc)


def port_list(text: str) -> list[int]:
    """The ports that a text such as `8001-8004,8010` names, in order.

    Raises:
        ValueError: it names none, or too many.
    """
    found: dict[int, None] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = _PORTS.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 0 < first <= last < 65536 or last - first >= MOST_WORKERS:  # noqa: PLR2004  port numbers have 16 bits
            raise ValueError("write ports as in 8001-8004 or 8001,8003")
        found |= dict.fromkeys(range(first, last + 1))
    if len(found) > MOST_WORKERS:
        raise ValueError(f"name {MOST_WORKERS} ports at most")
    return list(found)


def worker_id(given: str, host_name: str, port: int) -> str:
    """The worker's name: the given one, else host name and port."""
    if given:
        return given
    host = re.sub(r"[^a-z0-9]+", "-", host_name.lower().partition(".")[0]).strip("-") or "worker"
    return f"{host[:57]}-{port}"


def load(environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Loaded[WorkerOptions]:
    """Reads the settings; the command line wins over the environment.

    Args:
        environment: with what `.env` adds to it.
        overrides: from the command line; None means not given.

    Raises:
        UsageError: a value is wrong.
    """
    given = {"worker": dict(overrides or {})}
    loaded = load_settings(WorkerSettings, file=None, environment=environment, overrides=given)
    return Loaded(loaded.settings.worker, [*loaded.warnings, *_warnings(loaded.settings.worker)])


def _warnings(options: WorkerOptions) -> Iterator[str]:
    """What works, but not as the operator may believe."""
    if options.bridge and not options.token.get_secret_value():
        yield (
            "VOX_WORKER_TOKEN is not set: this worker does not register with the bridge, which gives it calls only where its"
            " setting voxcore_fleet lists this server"
        )
    if options.bridge and not options.secrets:
        yield (
            "VOXCORE_SECRET is not set: the bridge cannot tell this worker from others, and reserves slots only from this machine"
        )
    if options.bridge and not options.url:
        yield (
            "VOX_WORKER_URL is not set: media streams of outbound calls are sent to this machine's own address; set it to one at"
            " which carriers reach this worker"
        )
