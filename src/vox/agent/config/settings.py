"""The agent server's configuration: the flat `config.json` of one agent, or several agents by name.

Precedence: file < environment < command line. A key of the file that stands outside `agents` holds for every agent, unless
the agent says otherwise. Every key is documented in docs/operations/settings.md.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from vox.agent.config.doors import Doors, bind_host
from vox.agent.config.plugins import plugins_without_effect
from vox.agent.config.profile import AgentProfile, or_default
from vox.agent.config.rooms import RoomLine
from vox.agent.config.webrtc import IceServerSetting, port_range
from vox.agent.recording.settings import Recording
from vox.agent.transcripts.settings import Transcripts
from vox.errors import UsageError
from vox.media.webrtc.contract import DriverName
from vox.runtime.settings import Env, Loaded, load_settings

Runner = Literal["", "webrtc", "daily", "twilio", "telnyx", "plivo", "exotel", "vonage", "genesys"]


DEFAULT_PORT = 8080
PORT_VARIABLES = ("VOXRAY_PORT", "PORT")
DEFAULT_AGENT = "default"
_AGENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_RESERVED_NAMES = {"ws"}  # /telephony/ws is the stream, /telephony/<agent> an agent's webhook


class AgentSettings(AgentProfile):
    """The whole file: the server's own keys, and the profile that is the only agent or the base of all."""

    host: Annotated[str, Env("VOXRAY_HOST", "HOST")] = Field(
        default="", description="Bind address; empty: all with server_api_key, 127.0.0.1 without"
    )
    port: Annotated[int, Env(*PORT_VARIABLES)] = Field(
        default=DEFAULT_PORT,
        ge=0,
        le=65535,
        description="Bind port; 0 picks a free one, but in the file it means 8080",
    )
    transport: Literal["websocket", "smallwebrtc", "both", ""] = Field(
        default="websocket",
        description="Ways in beside the phone: `smallwebrtc` and `both` add WebRTC; `/ws` is always there",
    )
    runner_transport: Runner = Field(default="", description="The carrier whose webhook is answered at `/`")
    runner_port: int = Field(default=0, ge=0, le=65535, description="Overrides port when a runner_transport is set")
    proxy_host: str = Field(
        default="", description="Public host name, without scheme, for the carrier's stream address"
    )
    agents: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Named agents: any profile key each")
    default_agent: str = Field(default="", description="The agent for calls that name none; empty: the first")

    server_api_key: Annotated[SecretStr, Env("VOXRAY_SERVER_API_KEY")] = Field(
        default=SecretStr(""), description="Key for calls, sessions, recordings and transcripts; empty: open"
    )
    cors_allowed_origins: Annotated[list[str] | None, Env("VOXRAY_CORS_ORIGINS")] = Field(
        default=None,
        description="Browser origins that may call; absent: only pages of this server and localhost on /ws",
    )
    allowed_hosts: Annotated[list[str], Env("VOXRAY_ALLOWED_HOSTS")] = Field(
        default_factory=list[str],
        description="Names of this server beside localhost, proxy_host and host, for its own pages without a key",
    )
    trusted_proxies: Annotated[list[str], Env("VOXRAY_TRUSTED_PROXIES")] = Field(
        default=["127.0.0.1", "::1"],
        description="Addresses or networks of proxies whose X-Forwarded-For is believed; limits are counted by it",
    )
    max_request_body_bytes: Annotated[int, Env("VOXRAY_MAX_BODY_BYTES")] = Field(
        default=262_144, ge=0, description="Largest request body; 0: 262144"
    )
    api_keys: dict[str, str] = Field(
        default_factory=dict, description="Vendors' keys by name; better in the environment"
    )
    allow_client_context: bool = Field(
        default=False, description="Whether clients may rewrite the conversation over the JSON protocol"
    )
    verify_signatures: bool = Field(
        default=True,
        description="Whether phone calls need the carrier's secret or server_api_key; false: anyone may open a stream",
    )

    max_concurrent_calls: Annotated[int, Env("VOXRAY_MAX_CONCURRENT_CALLS", "MAX_CONCURRENT_CALLS")] = Field(
        default=0, ge=0, description="Calls held at once; one more gets 503 and Retry-After. 0: only the adaptive limit"
    )
    max_calls_per_address: Annotated[int, Env("VOXRAY_MAX_CALLS_PER_ADDRESS")] = Field(
        default=0,
        ge=0,
        description="Calls that one address (IPv6: one 64-bit prefix) may hold, verified carriers aside. 0: a public address half of max_concurrent_calls",
    )
    max_starts_per_minute: Annotated[int, Env("VOXRAY_MAX_STARTS_PER_MINUTE")] = Field(
        default=120,
        ge=0,
        description="Sessions that one public address may make by `POST /start`, a private one 50 times as many; 0: any number",
    )
    adaptive_limit: bool = Field(default=True, description="Whether late frames and load lower the limit by themselves")
    retry_after_secs: int = Field(default=5, ge=1, le=3600, description="Retry-After of a refused call")
    drain_timeout_secs: Annotated[float, Env("VOXRAY_DRAIN_TIMEOUT_SECS")] = Field(
        default=25.0,
        ge=0,
        description="How long running calls may go on after SIGTERM; 5 s less than the least grace period documented",
    )
    drain_closes_port: Annotated[bool, Env("VOXRAY_DRAIN_CLOSES_PORT")] = Field(
        default=False,
        description="Close the port when the drain begins, so that a proxy asks the next server, and hand it to the next"
        " generation under systemd; otherwise answer 503 there until the drain is over",
    )
    rtc_max_duration_secs: Annotated[float, Env("VOXRAY_RTC_MAX_DURATION_SECS")] = Field(
        default=0.0, ge=0, description="Longest call, from the first audio on; 0: no limit"
    )
    session_inactivity_secs: float = Field(
        default=300.0, ge=0, description="A call without any message from the other side ends after so long; 0: never"
    )
    playout_lead_ms: float = Field(
        default=40.0, ge=0, le=1000, description="How far audio is sent ahead of real time, against jitter"
    )
    pipeline_input_queue_cap: Annotated[int, or_default(256), Env("VOXRAY_PIPELINE_INPUT_QUEUE_CAP")] = Field(
        default=256,
        le=100_000,
        description="Pieces of a caller's audio that wait where the recogniser or detector is behind; then reading pauses. 0: 256",
    )
    ws_write_coalesce_ms: Annotated[int, Env("VOXRAY_WS_WRITE_COALESCE_MS")] = Field(
        default=0,
        ge=0,
        le=1000,
        description="Messages to one client or carrier within so many ms go out in one write, later by as much; 0: each at once",
    )
    ws_write_coalesce_max_frames: Annotated[int, or_default(10), Env("VOXRAY_WS_WRITE_COALESCE_MAX_FRAMES")] = Field(
        default=10, le=1000, description="So many messages are written without waiting longer; 0: 10"
    )

    tls_enable: Annotated[bool, Env("VOXRAY_TLS_ENABLE")] = Field(default=False, description="Serve TLS")
    tls_cert_file: Annotated[str, Env("VOXRAY_TLS_CERT_FILE")] = Field(default="", description="Certificate, PEM")
    tls_key_file: Annotated[str, Env("VOXRAY_TLS_KEY_FILE")] = Field(default="", description="Private key, PEM")
    log_level: Annotated[Literal["debug", "info", "warn", "error"], Env("VOXRAY_LOG_LEVEL")] = Field(
        default="info", description="Least level that is logged"
    )
    json_logs: Annotated[bool, Env("VOXRAY_JSON_LOGS")] = Field(default=False, description="One JSON object a line")
    log_transcripts: Annotated[bool, Env("VOXRAY_LOG_TRANSCRIPTS")] = Field(
        default=False, description="Whether each utterance is logged at level info, with call, role and text"
    )
    metrics_enabled: bool | None = Field(default=True, description="Whether /metrics has anything to say")
    metrics: dict[str, Any] = Field(default_factory=dict, description="Accepted for compatibility")
    otlp_endpoint: Annotated[str, Env("VOXRAY_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")] = Field(
        default="", description="OpenTelemetry collector for traces (extra `tracing`); empty: none"
    )

    session_store: Annotated[Literal["memory", "redis"], Env("VOXRAY_SESSION_STORE")] = Field(
        default="memory",
        description="Where `POST /start` keeps sessions: in this process, or for all instances in Redis",
    )
    redis_url: Annotated[SecretStr, Env("VOXRAY_REDIS_URL")] = Field(
        default=SecretStr(""), description="Redis of the session store: redis://, rediss:// (TLS) or unix://"
    )
    session_ttl_secs: Annotated[int, or_default(3600), Env("VOXRAY_SESSION_TTL_SECS")] = Field(
        default=3600, le=30 * 86_400, description="How long a session waits for its offer; 0: 3600"
    )
    handover_store: Annotated[SecretStr, Env("VOX_HANDOVER_STORE")] = Field(
        default=SecretStr(""),
        description="Where the state of calls is kept, so that another server goes on with them when this one ends: a SQLite file, for servers on one machine, or redis://HOST:6379/0; empty: calls end with their server",
    )
    handover_lead_secs: Annotated[float, Env("VOX_HANDOVER_LEAD_SECS")] = Field(
        default=30.0,
        ge=5,
        le=3600,
        description="So long before the deadline of a drain the calls that are left begin to be handed over",
    )
    transcripts: Transcripts = Field(default_factory=Transcripts, description="What was said, in a database")
    recording: Recording = Field(default_factory=Recording, description="Whether and where calls are recorded")
    shutdown_upload_timeout_secs: Annotated[float, Env("VOXRAY_SHUTDOWN_UPLOAD_TIMEOUT_SECS")] = Field(
        default=30.0,
        ge=0,
        description="How long a server that ends goes on storing recordings; the rest waits on the disk",
    )
    tool_private_networks: Annotated[list[str], Env("VOXRAY_TOOL_PRIVATE_NETWORKS")] = Field(
        default_factory=list[str],
        description="Networks of your own that http_tools may reach, as in 10.20.0.0/16; others must be public",
    )
    webrtc_ice_servers: list[IceServerSetting] | None = Field(
        default=None,
        description="STUN and TURN servers for clients and for this server: URLs, or objects with `urls`, `username` and `credential`; absent: Google's public STUN server",
    )
    webrtc_turn_secret: Annotated[SecretStr, Env("VOXRAY_WEBRTC_TURN_SECRET")] = Field(
        default=SecretStr(""),
        description="Secret shared with TURN servers that have no username here: each client gets credentials that expire",
    )
    webrtc_turn_ttl_secs: int = Field(
        default=7200, ge=60, le=7 * 86_400, description="How long such credentials hold; at least as long as a call"
    )
    webrtc_udp_ports: Annotated[str, Env("VOXRAY_WEBRTC_UDP_PORTS")] = Field(
        default="",
        description="UDP ports for media, as in 40000-40999: one for each call and network interface; empty: any",
    )
    webrtc_public_address: Annotated[str, Env("VOXRAY_WEBRTC_PUBLIC_ADDRESS")] = Field(
        default="", description="IPv4 address under which a NAT passes the same UDP ports on to this machine"
    )
    webrtc_driver: Annotated[DriverName, Env("VOXRAY_WEBRTC_DRIVER")] = Field(
        default="auto",
        description="What carries WebRTC calls; auto: native where it is built and clients need no STUN to reach it",
    )
    webrtc_reconnect_secs: float = Field(
        default=10.0, ge=0, le=300, description="How long a call waits for a client that lost its network"
    )
    dialin: bool = Field(
        default=False, description="With runner_transport daily: a room for each call at /daily-dialin-webhook"
    )
    daily_dialin_webhook_secret: Annotated[SecretStr, Env("VOXRAY_DAILY_DIALIN_WEBHOOK_SECRET")] = Field(
        default=SecretStr(""), description="What Daily sends as X-Webhook-Secret; empty: server_api_key is asked for"
    )
    media_key: Annotated[str, Env("VOX_MEDIA_KEY")] = Field(
        default="", description="API key that relays, the chat server and this server share; empty: no voice rooms"
    )
    media_secret: Annotated[SecretStr, Env("VOX_MEDIA_SECRET")] = Field(
        default=SecretStr(""), description="Its secret: invitations of agents into rooms are checked by it"
    )
    media_networks: Annotated[list[str], Env("VOX_MEDIA_NETWORKS")] = Field(
        default_factory=list[str],
        description="Networks of your own that relays and the chat server may be in, as in 10.20.0.0/16; others must be public",
    )
    rooms_chat_url: Annotated[str, Env("VOX_ROOMS_CHAT_URL")] = Field(
        default="",
        description="Chat server that knows which voice rooms telephone numbers lead to, as in http://127.0.0.1:8000",
    )
    room_line: RoomLine = Field(default_factory=RoomLine, description="Telephone numbers that lead into voice rooms")
    folder: Path = Field(default=Path(), description="Where relative paths of the file begin; set by the loader")

    @field_validator("runner_transport", mode="before")
    @classmethod
    def _not_livekit(cls, value: object) -> object:
        if value == "livekit":
            raise ValueError(
                "livekit is not supported: browsers reach this server by `webrtc` itself, rooms are Daily's (`daily`)"
            )
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _trim_level(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("write a collector's address as http://HOST:4318 or https://HOST")
        return value

    @field_validator("rooms_chat_url")
    @classmethod
    def _is_chat_server(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("write a chat server's address as http://HOST:8000 or https://HOST")
        return value

    @field_validator("tool_private_networks", "trusted_proxies", "media_networks")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for network in value:
            ip_network(network, strict=False)
        return value

    @field_validator("webrtc_udp_ports")
    @classmethod
    def _are_ports(cls, value: str) -> str:
        port_range(value)
        return value

    @field_validator("webrtc_public_address")
    @classmethod
    def _is_ipv4(cls, value: str) -> str:
        if value:
            IPv4Address(value)
        return value

    @field_validator("agents", mode="before")
    @classmethod
    def _without_comments(cls, value: object) -> object:
        """Keys that begin with `_` are comments, and null means not set, as in the rest of the file."""
        return _without_comments(value, levels=2)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tls_enable and not (self.tls_cert_file and self.tls_key_file):
            raise ValueError("tls_enable needs both tls_cert_file and tls_key_file")
        if (self.tls_cert_file or self.tls_key_file) and "tls_enable" not in self.model_fields_set:
            raise ValueError(
                "tls_cert_file and tls_key_file need tls_enable; set it to true, or to false to serve http"
            )
        names = self.agents or {DEFAULT_AGENT: {}}
        if self.default_agent and self.default_agent not in names:
            raise ValueError(f"default_agent {self.default_agent!r} is not one of the agents: {', '.join(names)}")
        for name in self.agents:
            if not _AGENT_NAME.fullmatch(name) or name in _RESERVED_NAMES:
                raise ValueError(
                    f"agents.{name[:40]}: a name has 1 to 64 letters, digits, `_`, `.` or `-`, and is not `ws`"
                )
        if bool(self.media_key) is not bool(self.media_secret.get_secret_value()):
            raise ValueError("media_key and media_secret come together or not at all")
        if self.session_store == "redis" and not self.redis_url.get_secret_value():
            raise ValueError("session_store redis needs redis_url; set it, or VOXRAY_REDIS_URL")
        return self

    @property
    def makes_sessions(self) -> bool:
        """Whether `POST /start` makes sessions, for transports that connect by an offer."""
        return self.transport in {"smallwebrtc", "both"} or self.runner_transport in {"webrtc", "daily"}

    @property
    def has_webrtc(self) -> bool:
        """Whether WebRTC calls are taken."""
        return self.transport in {"smallwebrtc", "both"} or self.runner_transport == "webrtc"

    @property
    def bind_port(self) -> int:
        """The port to listen on; 0 picks a free one."""
        return self.runner_port or self.port if self.runner_transport else self.port

    @property
    def bind_host(self) -> str:
        """The address to listen on; empty for all interfaces."""
        return bind_host(self.host, has_key=bool(self.server_api_key.get_secret_value()))

    @property
    def own_names(self) -> frozenset[str]:
        """The names of this server that its own pages may be loaded under, beside those of this machine."""
        given = (self.proxy_host.partition(":")[0], self.host, *self.allowed_hosts)
        return frozenset(name.lower() for name in given if name)

    def doors(self, environment: Mapping[str, str]) -> Doors:
        """Who may come in, with the secrets of the environment."""
        return Doors(
            host=self.host,
            proxy_host=self.proxy_host,
            has_key=bool(self.server_api_key.get_secret_value()),
            runner=self.runner_transport,
            verifies_signatures=self.verify_signatures,
            api_keys=self.api_keys,
            environment=environment,
        )

    def profiles(self) -> dict[str, AgentProfile]:
        """Every agent by name; the flat form is one agent named `default`.

        Raises:
            UsageError: a key of an agent has a wrong value.
        """
        base = {key: value for key, value in self.model_dump().items() if key in AgentProfile.model_fields}
        if not self.agents:
            return {DEFAULT_AGENT: AgentProfile.model_validate(base)}
        return {name: _profile(name, base, own) for name, own in self.agents.items()}


def load(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Loaded[AgentSettings]:
    """The settings of file, environment and command line, with warnings for what has no effect.

    A port of 0 picks a free one on the command line and in the environment. In a file it means the default, as in the files
    of the compatible original, and a warning says so.

    Raises:
        UsageError: a value is wrong or contradicts another; the message names the key and the remedy.
    """
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    given.setdefault("folder", file.resolve().parent if file else Path.cwd())
    loaded = load_settings(AgentSettings, file=file, environment=environment, overrides=given)
    settings, warnings = loaded.settings, list(loaded.warnings)
    changes: dict[str, Any] = {"agents": _known_keys(settings.agents, warnings)}
    if "port" in given:
        changes["runner_port"] = 0
    elif settings.port == 0 and not any(environment.get(name, "").strip() for name in PORT_VARIABLES):
        changes["port"] = DEFAULT_PORT
        warnings.append(
            f"port 0 in {file} means {DEFAULT_PORT}; for a free port set {PORT_VARIABLES[0]}=0 or give --port 0"
        )
    settings = settings.model_copy(update=changes)
    for name, profile in settings.profiles().items():
        _check_muting(name, profile)
        warnings += plugins_without_effect(profile.plugins)
        warnings += _odd_values(f"agents.{name}." if settings.agents else "", profile)
    if settings.runner_port and not settings.runner_transport:
        warnings.append("runner_port is set without runner_transport and does nothing; set port")
    doors = settings.doors(environment)
    doors.check()
    return Loaded(settings, [*warnings, *_without_effect(settings), *doors.warnings()])


def _profile(name: str, base: Mapping[str, Any], own: Mapping[str, Any]) -> AgentProfile:
    merged = {**base, **own}
    if "llm_provider" in own and "flow" not in own and own["llm_provider"] != "flow":
        merged["flow"] = ""  # an agent with a model of its own does not follow the common flow
    if "flow" in own and "llm_provider" not in own:
        merged["llm_provider"] = ""
    try:
        return AgentProfile.model_validate(merged)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
    # No cause: pydantic's error holds the values, and one of them may be a secret.
    problems = [f"{'.'.join(map(str, ('agents', name, *one['loc'])))}: {_sentence(one['msg'])}" for one in wrong]
    raise UsageError("; ".join(problems), code="invalid_setting", hint="correct the value and start again")


def _check_muting(name: str, profile: AgentProfile) -> None:
    if "mute_until_first_bot_complete" in profile.plugin_effects.mutes and not (profile.greeting or profile.flow):
        raise UsageError(
            f"agent {name} would never hear its caller: stt_mute_filter waits for its first words, and it has no greeting",
            code="invalid_setting",
            hint="set greeting, or take mute_until_first_bot_complete out of plugin_options.stt_mute_filter.strategies",
        )


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _without_comments(value: object, *, levels: int) -> object:
    if not levels or not isinstance(value, Mapping):
        return value
    entries = cast("Mapping[object, object]", value).items()
    return {
        str(key): _without_comments(inner, levels=levels - 1)
        for key, inner in entries
        if not str(key).startswith("_") and inner is not None
    }


def _known_keys(agents: Mapping[str, Mapping[str, Any]], warnings: list[str]) -> dict[str, dict[str, Any]]:
    """The agents with the keys an agent has; of others the operator is told."""
    known = set(AgentProfile.model_fields)
    for name, own in agents.items():
        misplaced = sorted(set(own) & set(AgentSettings.model_fields) - known)
        if misplaced:
            raise UsageError(
                f"agents.{name} has keys of the server: {', '.join(misplaced)}",
                code="invalid_setting",
                hint="move them out of agents, to the top level",
            )
        for key in sorted(set(own) - known):
            near = get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            warnings.append(f"unknown key agents.{name}.{key} is ignored{hint}")
    return {name: {key: value for key, value in own.items() if key in known} for name, own in agents.items()}


def _odd_values(prefix: str, profile: AgentProfile) -> list[str]:
    """Values that the compatible original takes for "off" without a word."""
    odd = {
        "turn_detection": (profile.turn_detection, {"", "none", "silence", "words", "model"}),
        "interruption_strategy": (profile.interruption_strategy, {"", "none", "min_words", "keyword"}),
    }
    return [
        f"{prefix}{key} {value!r} is not known and is treated as none"
        for key, (value, known) in odd.items()
        if value not in known
    ]


def _without_effect(settings: AgentSettings) -> list[str]:
    if settings.dialin and settings.runner_transport != "daily":
        return ["dialin is set without runner_transport daily and does nothing"]
    return []
