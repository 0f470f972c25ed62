"""The relay directory's configuration: `directory.json` in the documented shape, times in milliseconds.

Precedence: file < environment < command line. Every key is documented in docs/operations/settings.md; those that the original
had are also read from its `RELAY_DIRECTORY__…` variables.
"""

import re
from collections import Counter
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from vox.directory.relays.relay import is_relay_url
from vox.directory.relays.url_keys import url_key
from vox.errors import UsageError
from vox.runtime.settings import Env, Loaded, Settings, load_settings
from vox.security.http_signatures import fingerprint
from vox.security.urls import split_authority

MAX_COUNT = 2**31 - 1  # what the documented INTEGER columns hold on every database
RELAY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SIGNING_MODES = frozenset({"signed", "token", "approval"})
PRIVATE_NETWORKS = ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10"]


def _authority(url: str) -> str:
    return url.partition("://")[2].partition("/")[0] if "://" in url else url


class Listening(Settings):
    """Where the directory listens."""

    host: Annotated[str, Env("VOX_DIRECTORY_HOST", "RELAY_DIRECTORY__SERVER__HOST")] = "0.0.0.0"  # noqa: S104  documented
    """Bind address; empty for all interfaces"""
    port: Annotated[int, Env("VOX_DIRECTORY_PORT", "RELAY_DIRECTORY__SERVER__PORT")] = Field(
        default=8090, ge=0, le=65535
    )
    """Bind port; 0 picks a free one"""
    drain_timeout_ms: Annotated[int, Env("VOX_DIRECTORY_DRAIN_TIMEOUT_MS")] = Field(default=5000, ge=0)
    """How long requests in progress may go on after SIGTERM"""
    public_url: Annotated[str, Env("VOX_DIRECTORY_PUBLIC_URL")] = ""
    """Address that relays use, as https://HOST or HOST:PORT: signed requests are made out to it; empty: only those to localhost and to the address that they come in on are taken"""

    @field_validator("public_url")
    @classmethod
    def _is_authority(cls, value: str) -> str:
        if value and not split_authority(_authority(value))[0]:
            raise ValueError("use https://HOST, HOST or HOST:PORT")
        return value

    @property
    def authority(self) -> str:
        """Host and port of the public URL, as clients sign them."""
        return _authority(self.public_url)


class Database(Settings):
    """Where relays are kept."""

    path: Annotated[str, Env("VOX_DIRECTORY_DATABASE_PATH", "RELAY_DIRECTORY__DATABASE__PATH")] = "./data/relays.db"
    """SQLite file; its folder is made where it is missing"""
    url: Annotated[SecretStr, Env("VOX_DIRECTORY_DATABASE_URL")] = SecretStr("")
    """PostgreSQL by URL, for several directories on one database; goes before the path"""
    signing_key_file: Annotated[str, Env("VOX_DIRECTORY_SIGNING_KEY_FILE")] = ""
    """File with the key that signs lists, made where it is missing; empty: beside the SQLite file, or in the PostgreSQL database"""


class HealthCheck(Settings):
    """How relays are probed."""

    enabled: Annotated[bool, Env("VOX_DIRECTORY_HEALTH_CHECK_ENABLED", "RELAY_DIRECTORY__HEALTH_CHECK__ENABLED")] = True
    """Whether relays are probed; without, a registered relay is listed at once"""
    interval_ms: Annotated[
        int, Env("VOX_DIRECTORY_HEALTH_CHECK_INTERVAL_MS", "RELAY_DIRECTORY__HEALTH_CHECK__INTERVAL_MS")
    ] = Field(default=30_000, ge=100)
    """Time between two probes of a relay; each is moved by up to a tenth"""
    timeout_ms: Annotated[
        int, Env("VOX_DIRECTORY_HEALTH_CHECK_TIMEOUT_MS", "RELAY_DIRECTORY__HEALTH_CHECK__TIMEOUT_MS")
    ] = Field(default=5000, ge=50)
    """How long a probe may take"""
    failure_threshold: Annotated[
        int,
        Env(
            "VOX_DIRECTORY_HEALTH_CHECK_FAILURE_THRESHOLD",
            "RELAY_DIRECTORY__HEALTH_CHECK__FAILURE_THRESHOLD",
            "RELAY_DIRECTORY__HEALTH_CHECK__UNHEALTHY_THRESHOLD",
        ),
    ] = Field(default=3, ge=1, validation_alias=AliasChoices("failure_threshold", "unhealthy_threshold"))
    """Failed probes in a row until a relay is no longer listed (also `unhealthy_threshold`)"""
    removal_threshold: Annotated[
        int, Env("VOX_DIRECTORY_HEALTH_CHECK_REMOVAL_THRESHOLD", "RELAY_DIRECTORY__HEALTH_CHECK__REMOVAL_THRESHOLD")
    ] = Field(default=10, ge=1)
    """Failed probes in a row until a relay is removed; bootstrap relays never are"""
    removal_after_ms: Annotated[int, Env("VOX_DIRECTORY_HEALTH_CHECK_REMOVAL_AFTER_MS")] = Field(
        default=3_600_000, ge=0
    )
    """And for at least this long, so that a short interval removes no relay too early"""
    max_concurrent: Annotated[int, Env("VOX_DIRECTORY_HEALTH_CHECK_MAX_CONCURRENT")] = Field(default=64, ge=1, le=1024)
    """Probes in flight at once"""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.removal_threshold < self.failure_threshold:
            raise ValueError("removal_threshold is below failure_threshold")
        return self


class BootstrapRelay(Settings):
    """A relay that the operator vouches for: loaded at the start, never removed."""

    id: str
    """1 to 64 of letters, digits, `.`, `_` and `-`"""
    url: str
    """Where clients connect (wss://…)"""
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False)
    """Latitude in degrees"""
    lon: float = Field(ge=-180, le=180, allow_inf_nan=False)
    """Longitude in degrees"""
    region: str = Field(default="unknown", min_length=1, max_length=50)
    """Region code"""
    capacity: int = Field(default=1000, ge=1, le=MAX_COUNT)
    """Most connections"""
    public_key: str = ""
    """Key for end-to-end encryption, base64"""
    name: str = ""
    """Name for people; empty: the id"""
    signing_key: str = ""
    """Ed25519 key (base64) that the relay signs its requests with; empty: outside the mode `open` only administrators change it"""

    @field_validator("id")
    @classmethod
    def _is_id(cls, value: str) -> str:
        if not RELAY_ID.fullmatch(value):
            raise ValueError("use 1 to 64 letters, digits, dots, dashes and underscores")
        return value

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if not is_relay_url(value):
            raise ValueError("use wss://host, or ws, https or http")
        return value

    @field_validator("signing_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        try:
            if value:
                fingerprint(value)
        except UsageError:
            raise ValueError("it is no Ed25519 public key in base64") from None
        return value


class ApiKey(Settings):
    """One key of an operator or of a relay's owner."""

    name: str
    """Who it belongs to; relays registered with it can be changed with it only"""
    key: SecretStr
    """The key itself; at least 16 characters"""
    admin: bool = False
    """Whether it may change every relay"""

    @field_validator("key")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 16:  # noqa: PLR2004  a key must not be guessable
            raise ValueError("a key has at least 16 characters")
        return value


class Access(Settings):
    """Who may register and change relays."""

    mode: Annotated[Literal["open", "keys", "signed", "token", "approval"], Env("VOX_DIRECTORY_ACCESS_MODE")] = "open"
    """`open`: any host inside open_networks; `keys`: an API key is needed; `signed`: a key, or a signature by the relay's own key; `token`: as `signed`, and a new relay brings a join token; `approval`: as `signed`, and a new relay waits for an operator"""
    open_networks: Annotated[list[str], Env("VOX_DIRECTORY_OPEN_NETWORKS")] = Field(
        default_factory=lambda: list(PRIVATE_NETWORKS)
    )
    """Networks that may change relays without a key in the mode `open`"""
    api_keys: list[ApiKey] = Field(default_factory=list[ApiKey])
    """Keys that are accepted in every mode"""
    admin_key: Annotated[SecretStr, Env("VOX_DIRECTORY_ADMIN_KEY")] = SecretStr("")
    """One more key that may change every relay"""
    changes_per_minute: Annotated[int, Env("VOX_DIRECTORY_CHANGES_PER_MINUTE")] = Field(default=600, ge=1)
    """Changes that one address may make in a minute to each relay, and registrations together"""

    @field_validator("open_networks")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        return [str(ip_network(one)) for one in value]


class Probing(Settings):
    """Where probes may go."""

    allowed_private: Annotated[list[str], Env("VOX_DIRECTORY_ALLOWED_PRIVATE")] = Field(default_factory=list[str])
    """Private networks that relays may live in, such as 10.0.0.0/8; empty: public addresses only"""
    allowed_ports: Annotated[list[int], Env("VOX_DIRECTORY_ALLOWED_PORTS")] = Field(default_factory=list[int])
    """Ports that relays may use; empty: all"""
    relays_per_address: Annotated[int, Env("VOX_DIRECTORY_RELAYS_PER_ADDRESS")] = Field(default=2, ge=0)
    """Relays that may register at one public address (IPv6: one /64), administrators' and bootstrap relays aside; 0: any number"""

    @field_validator("allowed_private")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        return [str(ip_network(one)) for one in value]


class Logs(Settings):
    """What is written to standard error."""

    level: Annotated[str, Env("VOX_DIRECTORY_LOG_LEVEL")] = "info"
    """debug, info, warn or error"""
    json_lines: Annotated[bool, Env("VOX_DIRECTORY_JSON_LOGS")] = False
    """One JSON object a line"""


class DirectorySettings(Settings):
    """Everything in `directory.json`."""

    server: Listening = Field(default_factory=Listening)
    """Where the directory listens"""
    database: Database = Field(default_factory=Database)
    """Where relays are kept"""
    health_check: HealthCheck = Field(default_factory=HealthCheck)
    """How relays are probed"""
    bootstrap_relays: list[BootstrapRelay] = Field(default_factory=list[BootstrapRelay])
    """Relays that are loaded at the start and never removed"""
    access: Access = Field(default_factory=Access)
    """Who may register and change relays"""
    outbound: Probing = Field(default_factory=Probing)
    """Where probes may go"""
    logs: Logs = Field(default_factory=Logs)
    """What is written to standard error"""

    @model_validator(mode="after")
    def _ids_once(self) -> Self:
        for what, values in (
            ("id", [one.id for one in self.bootstrap_relays]),
            ("url", [url_key(one.url) for one in self.bootstrap_relays]),
        ):
            twice = [value for value, times in Counter(values).items() if times > 1]
            if twice:
                raise ValueError(f"bootstrap_relays has the same {what} twice: {', '.join(sorted(twice))}")
        return self


def load(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Loaded[DirectorySettings]:
    """Reads the layers; see `vox.runtime.settings.load_settings` for what it raises."""
    loaded = load_settings(DirectorySettings, file=file, environment=environment, overrides=overrides or {})
    settings = loaded.settings
    if settings.server.public_url or settings.access.mode not in SIGNING_MODES:
        return loaded
    warning = (
        f"server.public_url is not set in the mode {settings.access.mode}: requests that relays sign are taken only where they are made out to "
        "localhost or to the address that they come in on; set it to the address that relays use"
    )
    return Loaded(settings, [*loaded.warnings, warning])
