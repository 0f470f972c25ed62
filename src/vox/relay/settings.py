"""The relay's configuration: `relay.json`, and variables of the environment.

Precedence: file < environment < command line. Every key is documented in docs/operations/settings.md.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from vox.errors import UsageError
from vox.runtime.settings import Env, Loaded, Settings, load_settings

DEV_KEY: Final = "devkey"
DEV_SECRET: Final = "secret"  # noqa: S105  the pair that SDKs' documentation uses; only with `dev`, and never on a public address unasked
SECRET_MIN_CHARS: Final = 32
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
MAX_COUNT: Final = 2**31 - 1


class Listening(Settings):
    """Where the relay takes signalling and requests of servers."""

    host: Annotated[str, Env("VOX_RELAY_HOST")] = ""
    """Bind address; empty for all interfaces"""
    port: Annotated[int, Env("VOX_RELAY_PORT")] = Field(default=7880, ge=0, le=65535)
    """Bind port for signalling over WebSocket and for RoomService; 0 picks a free one"""
    public_url: Annotated[str, Env("VOX_RELAY_PUBLIC_URL")] = ""
    """Address at which clients reach this relay, such as wss://relay.example.com; it is what the directory lists"""
    tls_cert_file: Annotated[str, Env("VOX_RELAY_TLS_CERT_FILE")] = ""
    """PEM file with the certificate chain; a renewed one is read within a minute; empty: plain HTTP, for a proxy in front"""
    tls_key_file: Annotated[str, Env("VOX_RELAY_TLS_KEY_FILE")] = ""
    """PEM file with the certificate's key"""
    trusted_proxies: Annotated[list[str], Env("VOX_RELAY_TRUSTED_PROXIES")] = Field(
        default_factory=lambda: ["127.0.0.1", "::1"]
    )
    """Addresses of proxies whose X-Forwarded headers are believed"""
    drain_timeout_ms: Annotated[int, Env("VOX_RELAY_DRAIN_TIMEOUT_MS")] = Field(default=30_000, ge=0)
    """How long after SIGTERM clients have to move to another relay until what is left is cut"""

    @field_validator("public_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not value.startswith(("wss://", "ws://", "https://", "http://")):
            raise ValueError("use wss://HOST")
        return value.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        return [str(ip_network(one, strict=False)) if "/" in one else str(ip_address(one)) for one in value]

    @model_validator(mode="after")
    def _both_files(self) -> Self:
        if bool(self.tls_cert_file) is not bool(self.tls_key_file):
            raise ValueError("listen.tls_cert_file and listen.tls_key_file go together")
        return self


class Media(Settings):
    """Where media travels."""

    host: Annotated[str, Env("VOX_RELAY_MEDIA_HOST")] = ""
    """Bind address of the media ports; empty: as listen.host"""
    udp_port: Annotated[int, Env("VOX_RELAY_UDP_PORT")] = Field(default=7882, ge=0, le=65535)
    """First UDP port for media: each media thread takes one, counted up from here; 0 picks free ones"""
    tcp_port: Annotated[int, Env("VOX_RELAY_TCP_PORT")] = Field(default=7881, ge=-1, le=65535)
    """TCP port for media of clients whose UDP is blocked; 0 picks a free one, -1 is none"""
    threads: Annotated[int, Env("VOX_RELAY_THREADS")] = Field(default=0, ge=0, le=256)
    """Media threads; 0: one for each core but one, at least one"""
    public_addresses: Annotated[list[str], Env("VOX_RELAY_PUBLIC_ADDRESSES")] = Field(default_factory=list[str])
    """IP addresses at which clients reach the media ports, where those are not the machine's own (NAT of a cloud); empty: all of the machine's"""
    top_speakers: Annotated[int, Env("VOX_RELAY_TOP_SPEAKERS")] = Field(default=0, ge=0, le=64)
    """In rooms with many open microphones only this many loudest are forwarded; 0: all"""

    @field_validator("public_addresses")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        return [str(ip_address(one)) for one in value]


class RoomBounds(Settings):
    """What rooms may be."""

    auto_create: Annotated[bool, Env("VOX_RELAY_AUTO_CREATE")] = True
    """Whether the first participant's join makes the room; otherwise it must have been made by CreateRoom"""
    empty_timeout_s: Annotated[int, Env("VOX_RELAY_EMPTY_TIMEOUT_S")] = Field(default=300, ge=0, le=86_400)
    """How long a room that was made waits for its first participant"""
    departure_timeout_s: Annotated[int, Env("VOX_RELAY_DEPARTURE_TIMEOUT_S")] = Field(default=20, ge=0, le=86_400)
    """How long a room stays after its last participant has left"""
    max_participants: Annotated[int, Env("VOX_RELAY_MAX_PARTICIPANTS")] = Field(default=0, ge=0, le=100_000)
    """Most participants of a room that sets no number of its own; 0: no limit"""
    max_rooms: Annotated[int, Env("VOX_RELAY_MAX_ROOMS")] = Field(default=10_000, ge=1, le=1_000_000)
    """Most rooms at a time"""
    max_tracks: Annotated[int, Env("VOX_RELAY_MAX_TRACKS")] = Field(default=64, ge=1, le=1000)
    """Most tracks that one participant publishes"""
    max_metadata_bytes: Annotated[int, Env("VOX_RELAY_MAX_METADATA_BYTES")] = Field(default=64_000, ge=0, le=1_000_000)
    """Longest metadata of a room or a participant, and longest attributes together"""


class Turn(Settings):
    """TURN servers that clients are told of, for networks that let nothing else through."""

    urls: Annotated[list[str], Env("VOX_RELAY_TURN_URLS")] = Field(default_factory=list[str])
    """Addresses as turns:HOST:443?transport=tcp or turn:HOST:3478; empty: none"""
    secret: Annotated[SecretStr, Env("VOX_RELAY_TURN_SECRET")] = SecretStr("")
    """Secret shared with the TURN server (coturn's static-auth-secret): each client gets credentials that expire"""
    ttl_s: Annotated[int, Env("VOX_RELAY_TURN_TTL_S")] = Field(default=14_400, ge=60, le=7 * 86_400)
    """How long such credentials hold"""
    stun_urls: Annotated[list[str], Env("VOX_RELAY_STUN_URLS")] = Field(default_factory=list[str])
    """STUN servers that clients are told of, as stun:HOST:3478; the relay itself needs none"""

    @field_validator("urls")
    @classmethod
    def _are_turn(cls, value: list[str]) -> list[str]:
        if any(not one.startswith(("turn:", "turns:")) for one in value):
            raise ValueError("use turn:HOST:PORT or turns:HOST:PORT")
        return value

    @field_validator("stun_urls")
    @classmethod
    def _are_stun(cls, value: list[str]) -> list[str]:
        if any(not one.startswith("stun:") for one in value):
            raise ValueError("use stun:HOST:PORT")
        return value

    @model_validator(mode="after")
    def _has_secret(self) -> Self:
        if self.urls and not self.secret.get_secret_value():
            raise ValueError("turn.urls needs turn.secret, the static-auth-secret of the TURN server")
        return self


class Webhooks(Settings):
    """Who is told what happens in rooms."""

    urls: Annotated[list[str], Env("VOX_RELAY_WEBHOOK_URLS")] = Field(default_factory=list[str])
    """Addresses that every event is posted to"""
    api_key: Annotated[str, Env("VOX_RELAY_WEBHOOK_API_KEY")] = ""
    """The key of `keys` whose secret signs the events; empty: the only one, or the first"""
    allowed_private: Annotated[list[str], Env("VOX_RELAY_WEBHOOK_ALLOWED_PRIVATE")] = Field(default_factory=list[str])
    """Private networks that the addresses may lead into, such as 10.0.0.0/8; empty: public addresses only"""
    max_tries: Annotated[int, Env("VOX_RELAY_WEBHOOK_MAX_TRIES")] = Field(default=8, ge=1, le=20)
    """How often an event is sent until it is given up; with the growing pauses 8 are about a minute"""
    queue_size: Annotated[int, Env("VOX_RELAY_WEBHOOK_QUEUE_SIZE")] = Field(default=1000, ge=1, le=100_000)
    """Events that wait for one address; beyond, the oldest is dropped and counted in `num_dropped` of the next"""

    @field_validator("urls")
    @classmethod
    def _are_urls(cls, value: list[str]) -> list[str]:
        if any(not one.startswith(("https://", "http://")) for one in value):
            raise ValueError("use https://HOST/PATH")
        return value

    @field_validator("allowed_private")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        return [str(ip_network(one)) for one in value]


class AgentServer(Settings):
    """The agent server that sends the agents which rooms ask for."""

    url: Annotated[str, Env("VOX_RELAY_AGENT_URL")] = ""
    """Address of the agent server, such as http://10.0.0.7:8080; empty: dispatches are kept, and others carry them out"""
    allowed_private: Annotated[list[str], Env("VOX_RELAY_AGENT_ALLOWED_PRIVATE")] = Field(default_factory=list[str])
    """Private networks that the address may lead into, such as 10.0.0.0/8; empty: public addresses only"""

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("use https://HOST")
        return value.rstrip("/")

    @field_validator("allowed_private")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        return [str(ip_network(one)) for one in value]


class DirectoryLink(Settings):
    """The relay directory that sends clients here."""

    url: Annotated[str, Env("VOX_RELAY_DIRECTORY_URL")] = ""
    """Address of the directory, such as https://directory.example.com; empty: the relay stands alone"""
    api_key: Annotated[SecretStr, Env("VOX_RELAY_DIRECTORY_KEY")] = SecretStr("")
    """API key of the directory, where it wants one"""
    join_token: Annotated[SecretStr, Env("VOX_RELAY_JOIN_TOKEN")] = SecretStr("")
    """Token with which this relay joins once, as `vox directory token create` prints it"""
    key_file: Annotated[str, Env("VOX_RELAY_KEY_FILE")] = "./data/relay.key"
    """File with the Ed25519 key that signs requests to the directory; made, readable by its owner only, where it is missing"""
    name: Annotated[str, Env("VOX_RELAY_NAME")] = Field(default="", max_length=100)
    """Name that people see; empty: the host of listen.public_url"""
    region: Annotated[str, Env("VOX_RELAY_REGION")] = Field(default="unknown", min_length=1, max_length=50)
    """Region code, such as eu-west"""
    latitude: Annotated[float, Env("VOX_RELAY_LATITUDE")] = Field(default=0.0, ge=-90, le=90, allow_inf_nan=False)
    """Where the relay stands, in degrees"""
    longitude: Annotated[float, Env("VOX_RELAY_LONGITUDE")] = Field(default=0.0, ge=-180, le=180, allow_inf_nan=False)
    """Where the relay stands, in degrees"""
    capacity: Annotated[int, Env("VOX_RELAY_CAPACITY")] = Field(default=1000, ge=1, le=MAX_COUNT)
    """Participants that this relay takes, in all rooms together; the directory sends no more"""
    heartbeat_ms: Annotated[int, Env("VOX_RELAY_HEARTBEAT_MS")] = Field(default=10_000, ge=1000, le=300_000)
    """Time between two heartbeats"""

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("use https://HOST")
        return value.rstrip("/")


class Logs(Settings):
    """What is written to standard error."""

    level: Annotated[str, Env("VOX_RELAY_LOG_LEVEL")] = "info"
    """debug, info, warn or error"""
    json_lines: Annotated[bool, Env("VOX_RELAY_JSON_LOGS")] = False
    """One JSON object a line"""


class RelaySettings(Settings):
    """Everything in `relay.json`."""

    listen: Listening = Field(default_factory=Listening)
    """Where the relay takes signalling and requests of servers"""
    media: Media = Field(default_factory=Media)
    """Where media travels"""
    keys: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])
    """Secrets by API key: servers sign their clients' tokens with them; each secret has at least 32 characters"""
    api_key: Annotated[str, Env("VOX_RELAY_API_KEY", "LIVEKIT_API_KEY")] = ""
    """One more API key, whose secret is api_secret"""
    api_secret: Annotated[SecretStr, Env("VOX_RELAY_API_SECRET", "LIVEKIT_API_SECRET")] = SecretStr("")
    """The secret of api_key"""
    dev: Annotated[bool, Env("VOX_RELAY_DEV")] = False
    """Also takes the well-known key `devkey` with the secret `secret`, for trying out; listens on loopback only unless listen.host is set"""
    rooms: RoomBounds = Field(default_factory=RoomBounds)
    """What rooms may be"""
    turn: Turn = Field(default_factory=Turn)
    """TURN servers that clients are told of"""
    webhooks: Webhooks = Field(default_factory=Webhooks)
    """Who is told what happens in rooms"""
    agents: AgentServer = Field(default_factory=AgentServer)
    """The agent server that sends the agents which rooms ask for"""
    directory: DirectoryLink = Field(default_factory=DirectoryLink)
    """The relay directory that sends clients here"""
    logs: Logs = Field(default_factory=Logs)
    """What is written to standard error"""

    @field_validator("keys")
    @classmethod
    def _are_long(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in value.items():
            _check_secret(name, secret)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.api_key) is not bool(self.api_secret.get_secret_value()):
            raise ValueError("api_key and api_secret go together")
        if self.api_key:
            _check_secret(self.api_key, self.api_secret)
        key = self.webhooks.api_key
        if key and key not in self.secrets():
            raise ValueError(f"webhooks.api_key names {key!r}, which is none of keys")
        if self.directory.url and not self.listen.public_url:
            raise ValueError("directory.url needs listen.public_url: the directory tells clients that address")
        return self

    def secrets(self) -> dict[str, str]:
        """All secrets by API key; the first is that of webhooks where none is named."""
        found = {name: secret.get_secret_value() for name, secret in self.keys.items()}
        if self.api_key:
            found[self.api_key] = self.api_secret.get_secret_value()
        if self.dev:
            found.setdefault(DEV_KEY, DEV_SECRET)
        return found

    @property
    def bind_host(self) -> str:
        """Where to listen: in `dev` without an address of its own, loopback, because its secret is known to all."""
        if self.dev and not self.listen.host:
            return "127.0.0.1"
        return self.listen.host

    @property
    def media_host(self) -> str:
        """Where the media ports are bound."""
        return self.media.host or self.bind_host or "0.0.0.0"  # noqa: S104  documented: clients come from anywhere


def _check_secret(name: str, secret: SecretStr) -> None:
    if not name:
        raise ValueError("an API key has no name")
    if len(secret.get_secret_value()) < SECRET_MIN_CHARS:
        raise ValueError(
            f"the secret of {name!r} has fewer than {SECRET_MIN_CHARS} characters; use `openssl rand -hex 32`"
        )


def load(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Loaded[RelaySettings]:
    """Reads the layers.

    Raises:
        UsageError: what `vox.runtime.settings.load_settings` raises; relay_keys_missing without any key.
    """
    loaded = load_settings(RelaySettings, file=file, environment=environment, overrides=overrides or {})
    settings = loaded.settings
    if not settings.secrets():
        raise UsageError(
            "the relay has no API key, so it could let no client in",
            code="relay_keys_missing",
            hint="set VOX_RELAY_API_KEY and VOX_RELAY_API_SECRET, write `keys` into relay.json, or try it out with --dev",
        )
    warnings = [*loaded.warnings]
    if settings.dev and settings.bind_host not in LOOPBACK:
        warnings.append("dev is on: everyone who reaches this relay can enter every room")
    return Loaded(settings, warnings)
