"""The bridge's configuration: `bridge.json`, and variables of the environment.

Precedence: file < environment < command line. What changes while the bridge runs (bots, keys, the list of workers) is not here but in
the database.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator

from vox.runtime.settings import Env, Loaded, Settings, load_settings


class Listening(Settings):
    """Where the bridge listens, and how carriers reach it."""

    host: Annotated[str, Env("VOX_BRIDGE_HOST")] = "127.0.0.1"
    """Bind address; empty for all interfaces"""
    port: Annotated[int, Env("VOX_BRIDGE_PORT")] = Field(default=8100, ge=0, le=65535)
    """Bind port; 0 picks a free one"""
    public_url: Annotated[str, Env("VOX_BRIDGE_PUBLIC_URL")] = ""
    """Address at which carriers reach the bridge, such as https://bridge.example.com: they ask there what to do with an answered call and tell what becomes of it; empty: the address that the bridge listens on"""
    drain_timeout_ms: Annotated[int, Env("VOX_BRIDGE_DRAIN_TIMEOUT_MS")] = Field(default=10_000, ge=0)
    """How long requests and dial attempts in progress may go on after SIGTERM; calls are with the carrier and the worker and go on without the bridge"""

    @field_validator("public_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("use https://HOST")
        return value.rstrip("/")


class Storage(Settings):
    """Where calls, bots and keys are kept."""

    url: Annotated[SecretStr, Env("VOX_BRIDGE_DATABASE_URL")] = SecretStr("sqlite:///vox-bridge.db")
    """SQLite file as sqlite:///PATH, for one bridge; postgresql://… for several"""
    retention_days: Annotated[int, Env("VOX_BRIDGE_RETENTION_DAYS")] = Field(default=0, ge=0)
    """Calls that ended longer ago are deleted with their logs, results and events; 0 keeps them"""


class Logging(Settings):
    """What is written to standard error."""

    level: Annotated[str, Env("VOX_BRIDGE_LOG_LEVEL")] = "info"
    """debug, info, warn or error"""
    json_lines: Annotated[bool, Env("VOX_BRIDGE_JSON_LOGS")] = False
    """One JSON object a line"""


class Webhooks(Settings):
    """How the events of calls are sent to their owners."""

    secret: Annotated[SecretStr, Env("VOX_BRIDGE_WEBHOOK_SECRET")] = SecretStr("")
    """Signs every event (HMAC-SHA256); empty: a secret of its own is made and kept in the database"""
    allowed_private: Annotated[list[str], Env("VOX_BRIDGE_WEBHOOK_ALLOWED_PRIVATE")] = Field(default_factory=list[str])
    """Private networks that webhook URLs may lead into, such as 10.0.0.0/8; empty: public addresses only"""
    max_tries: Annotated[int, Env("VOX_BRIDGE_WEBHOOK_MAX_TRIES")] = Field(default=12, ge=1, le=100)
    """How often an event is sent until it is given up as undeliverable; with the growing pauses 12 are about 5 hours"""

    @field_validator("allowed_private")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        return [str(ip_network(one)) for one in value]


class Carrier(Settings):
    """What a carrier lets one do."""

    calls_per_second: float = Field(default=1.0, gt=0, le=1000)
    """Calls that may be begun in a second, as the carrier's contract says"""
    max_concurrent: int = Field(default=0, ge=0)
    """Calls at the same time; 0: no limit of the carrier's"""
    from_number: str = ""
    """Caller id of calls that name none, as +15551234567"""
    options: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Options of the carrier's dialler, as listed under `diallers`"""


class BridgeSettings(Settings):
    """Everything in `bridge.json`."""

    listen: Listening = Field(default_factory=Listening)
    """Where the bridge listens"""
    storage: Storage = Field(default_factory=Storage)
    """Where calls are kept, and how long"""
    worker_secret: Annotated[SecretStr, Env("VOXCORE_SECRET")] = SecretStr("")
    """The secret that bridge and workers show each other in the header X-VoxCore-Secret; empty: workers cannot fetch bots or deliver results"""
    voxcore_fleet: Annotated[list[str], Env("VOXCORE_FLEET")] = Field(default_factory=list[str])
    """Base URLs of workers, such as http://10.0.0.5:8001; taken where the setting voxcore_fleet in the database was never written"""
    default_provider: Annotated[str, Env("VOX_BRIDGE_PROVIDER")] = "twilio"
    """The carrier of calls that name none: twilio, telnyx, plivo, exotel or livekit_sip"""
    carriers: dict[str, Carrier] = Field(default_factory=dict[str, Carrier])
    """Limits and caller id by carrier"""
    webhooks: Webhooks = Field(default_factory=Webhooks)
    """How the events of calls are sent to their owners"""
    logging: Logging = Field(default_factory=Logging)
    """What is written to standard error"""

    @field_validator("voxcore_fleet")
    @classmethod
    def _are_urls(cls, value: list[str]) -> list[str]:
        for url in value:
            if not url.startswith(("http://", "https://")):
                raise ValueError("use http://HOST:PORT")
        return [url.rstrip("/") for url in value]


def load(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Loaded[BridgeSettings]:
    """Reads the layers; see `vox.runtime.settings.load_settings` for what it raises."""
    return load_settings(BridgeSettings, file=file, environment=environment, overrides=overrides or {})
