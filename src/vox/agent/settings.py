"""The agent server's configuration: the flat `config.json` of one agent, or several agents by name.

Precedence: file < environment < command line. A key of the file that stands outside `agents` holds for every agent, unless
the agent says otherwise. Every key is documented in docs/operations/settings.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from vox.agent.turns import TurnPolicy
from vox.errors import UsageError
from vox.media.voice_activity import VadParams
from vox.runtime.settings import Env, Loaded, load_settings

Runner = Literal["", "webrtc", "daily", "twilio", "telnyx", "plivo", "exotel", "vonage", "genesys", "livekit"]
PHONE_RUNNERS = frozenset({"twilio", "telnyx", "plivo", "exotel", "vonage", "genesys"})
NOT_HERE_YET = {
    "recording.enable": "calls are not recorded",
    "transcripts.enable": "transcripts are not stored",
    "plugins": "plugins are not run",
    "mcp": "MCP tools are not offered",
}


def _none_is_empty(value: object) -> object:
    return "" if value is None else value


OptionalText = Annotated[str, BeforeValidator(_none_is_empty)]


class AgentProfile(BaseModel):
    """What makes one agent: its words, its providers, its manners. Times in seconds unless the name says otherwise."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    system_prompt: Annotated[str, Env("VOXRAY_SYSTEM_PROMPT")] = Field(
        default="You are a helpful voice assistant. Answer briefly, in plain spoken sentences.",
        description="What the model is told first; {{name}} is replaced by the session variable of that name",
    )
    greeting: Annotated[str, Env("VOXRAY_GREETING")] = Field(
        default="",
        description="Said when the call begins; empty: the caller speaks first (a flow has its own greeting)",
    )
    variables: dict[str, str] = Field(default_factory=dict, description="Session variables and their defaults")
    numbers: list[str] = Field(default_factory=list, description="Called numbers that this agent answers")

    provider: OptionalText = Field(default="", description="Default provider of all three stages")
    stt_provider: OptionalText = Field(default="", description="Speech-to-text provider")
    llm_provider: OptionalText = Field(default="", description="Language model provider; `flow` runs a scripted flow")
    tts_provider: OptionalText = Field(default="", description="Text-to-speech provider")
    model: OptionalText = Field(default="", description="Language model; empty: the provider's default")
    stt_model: OptionalText = Field(default="", description="Recogniser model; empty: the provider's default")
    stt_language: OptionalText = Field(default="", description="Language (BCP-47); empty: automatic")
    tts_model: OptionalText = Field(default="", description="Synthesiser model; empty: the provider's default")
    tts_voice: OptionalText = Field(default="", description="Voice; empty: the provider's default")
    stt_options: dict[str, Any] = Field(
        default_factory=dict, description="Further options of the speech-to-text driver"
    )
    llm_options: dict[str, Any] = Field(
        default_factory=dict, description="Further options of the language model driver"
    )
    tts_options: dict[str, Any] = Field(
        default_factory=dict, description="Further options of the text-to-speech driver"
    )
    flow: str = Field(
        default="", description="A flow's YAML file, relative to the configuration; implies llm_provider flow"
    )
    tools: list[str] = Field(
        default_factory=list, description="Python functions the model may call, as module:function"
    )
    client_tools: list[dict[str, Any]] = Field(
        default_factory=list[dict[str, Any]],
        description="Tools that the client runs: objects with name, description, parameters",
    )
    keypad: bool = Field(
        default=False, description="Whether the model may press telephone keys (tool `press_keys`), for menus"
    )
    tool_timeout_secs: float = Field(default=30.0, gt=0, description="Longest run of a tool")
    max_tool_rounds: int = Field(default=8, ge=1, le=50, description="Most model responses in one turn")

    turn_detection: Literal["none", "silence", ""] = Field(
        default="none", description="`silence` waits turn_stop_secs after speech; `none` ends a turn with vad_stop_secs"
    )
    turn_stop_secs: float = Field(default=3.0, ge=0, le=60, description="Silence behind speech that ends a turn")
    turn_pre_speech_ms: float = Field(
        default=500.0, ge=0, le=5000, description="Audio from before the speech was noticed that the recogniser gets"
    )
    turn_max_duration_secs: float = Field(
        default=8.0, ge=0, description="Accepted for compatibility; see turn_limit_secs"
    )
    turn_limit_secs: float = Field(default=60.0, gt=0, le=600, description="A turn ends after so long, come what may")
    turn_async: bool = Field(default=False, description="Accepted for compatibility; turns never block here")
    vad_start_secs: float = Field(default=0.0, ge=0, description="Accepted for compatibility; see vad_start_secs_vad")
    user_turn_stop_timeout_secs: float = Field(
        default=5.0, gt=0, description="A turn ends so long after the speech even if the recogniser never answers"
    )
    user_idle_timeout_secs: float = Field(default=0.0, ge=0, description="Silence until the caller is idle; 0: never")
    user_idle_prompt: str = Field(default="", description="Said to an idle caller")
    user_idle_max: int = Field(default=0, ge=0, description="Hang up after so many idle periods in a row; 0: never")
    error_message: str = Field(
        default="", description="Said when a provider failed in the middle of an answer; empty: nothing is said"
    )
    not_understood: str = Field(default="", description="Said when speech gave no transcript; empty: nothing is said")

    vad_type: Literal["energy", "silero", "aic"] = Field(
        default="silero", description="Voice activity detector; `aic` is taken as silero"
    )
    vad_threshold: float = Field(
        default=0.02, gt=0, description="Full-scale RMS that the energy detector compares with"
    )
    vad_confidence: float = Field(default=0.7, gt=0, lt=1, description="Probability from which a window is speech")
    vad_start_secs_vad: float = Field(default=0.2, ge=0, le=5, description="Speech needed to count as speaking")
    vad_stop_secs: float = Field(default=0.2, ge=0, le=10, description="Silence needed to count as silent")
    vad_min_volume: float = Field(
        default=0.0, ge=0, le=1, description="Least volume: up to 0.5 as linear RMS, above as loudness (-110 to -10 dB)"
    )
    vad_batch_size: Annotated[int, Env("VOXRAY_VAD_BATCH_SIZE")] = Field(
        default=0, ge=0, description="Most calls in one detector run; 0: chosen by the server"
    )
    allow_interruptions: bool = Field(default=True, description="Whether the caller may cut in")
    interruption_strategy: OptionalText = Field(
        default="", description="`min_words` or `keyword`; empty: any understood speech interrupts"
    )
    min_words: int = Field(default=0, ge=0, description="Words that interrupt under a strategy (0: 1)")
    interruption_keywords: list[str] = Field(
        default_factory=list, description="Words that interrupt under `keyword`; without any it is min_words"
    )

    @model_validator(mode="after")
    def _flow_has_no_model(self) -> Self:
        if self.flow and self.llm_provider not in {"", "flow"}:
            raise ValueError("flow and llm_provider contradict each other: leave llm_provider out or make it `flow`")
        return self

    def stage(self, kind: Literal["stt", "llm", "tts"]) -> str:
        """The provider's name of a stage: its own, else `flow` where one is given, else `provider`, else openai."""
        own = {"stt": self.stt_provider, "llm": self.llm_provider, "tts": self.tts_provider}[kind]
        if not own and kind == "llm" and self.flow:
            return "flow"
        return own or self.provider or "openai"

    def turn_policy(self) -> TurnPolicy:
        """These settings as the turn machine takes them."""
        strategy = self.interruption_strategy if self.interruption_strategy in {"min_words", "keyword"} else ""
        return TurnPolicy(
            turn_stop_s=self.turn_stop_secs if self.turn_detection == "silence" else 0.0,
            turn_max_s=self.turn_limit_secs,
            stt_timeout_s=self.user_turn_stop_timeout_secs,
            allow_interruptions=self.allow_interruptions,
            min_words=max(1, self.min_words) if strategy else 0,
            keywords=tuple(self.interruption_keywords) if strategy == "keyword" else (),
            idle_timeout_s=self.user_idle_timeout_secs,
            max_idle=self.user_idle_max,
        )

    def vad_params(self) -> VadParams:
        """These settings as the voice activity detector takes them."""
        return VadParams(
            confidence=self.vad_confidence,
            start_s=self.vad_start_secs_vad,
            stop_s=self.vad_stop_secs,
            min_volume=self.vad_min_volume,
            kind="energy" if self.vad_type == "energy" else "silero",
            threshold=self.vad_threshold,
        )


class Recording(BaseModel):
    """Accepted so that documented files load; a warning says that nothing is recorded."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    enable: Annotated[bool, Env("VOXRAY_RECORDING_ENABLE")] = Field(default=False, description="Not available yet")


class Transcripts(BaseModel):
    """Accepted so that documented files load; a warning says that nothing is stored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    enable: Annotated[bool, Env("VOXRAY_TRANSCRIPTS_ENABLE")] = Field(default=False, description="Not available yet")


class AgentSettings(AgentProfile):
    """The whole file: the server's own keys, and the profile that is the only agent or the base of all."""

    host: Annotated[str, Env("VOXRAY_HOST", "HOST")] = Field(default="", description="Bind address; empty: all")
    port: Annotated[int, Env("VOXRAY_PORT", "PORT")] = Field(default=8080, ge=0, le=65535, description="Bind port")
    transport: Literal["websocket", "smallwebrtc", "both", ""] = Field(
        default="websocket", description="Media transports beside the phone; WebRTC is not available yet"
    )
    runner_transport: Runner = Field(default="", description="The carrier whose webhook is answered at `/`")
    runner_port: int = Field(default=0, ge=0, le=65535, description="Overrides port when a runner_transport is set")
    proxy_host: str = Field(
        default="", description="Public host name, without scheme, for the carrier's stream address"
    )
    agents: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Named agents: any profile key each")
    default_agent: str = Field(default="", description="The agent for calls that name none; empty: the first")

    server_api_key: Annotated[SecretStr, Env("VOXRAY_SERVER_API_KEY")] = Field(
        default=SecretStr(""), description="Key for /ws; empty: open"
    )
    cors_allowed_origins: Annotated[list[str] | None, Env("VOXRAY_CORS_ORIGINS")] = Field(
        default=None,
        description="Browser origins that may call; absent: only pages of this server and localhost on /ws",
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
        default=True, description="Whether webhooks must be signed where the carrier's secret is configured"
    )

    max_concurrent_calls: Annotated[int, Env("VOXRAY_MAX_CONCURRENT_CALLS", "MAX_CONCURRENT_CALLS")] = Field(
        default=0, ge=0, description="Calls held at once; one more gets 503 and Retry-After. 0: only the adaptive limit"
    )
    adaptive_limit: bool = Field(default=True, description="Whether late frames and load lower the limit by themselves")
    retry_after_secs: int = Field(default=5, ge=1, le=3600, description="Retry-After of a refused call")
    drain_timeout_secs: Annotated[float, Env("VOXRAY_DRAIN_TIMEOUT_SECS")] = Field(
        default=30.0, ge=0, description="How long running calls may go on after SIGTERM"
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
    pipeline_input_queue_cap: Annotated[int, Env("VOXRAY_PIPELINE_INPUT_QUEUE_CAP")] = Field(
        default=256, gt=0, description="Accepted for compatibility; audio is never queued behind a pipeline here"
    )
    ws_write_coalesce_ms: Annotated[int, Env("VOXRAY_WS_WRITE_COALESCE_MS")] = Field(
        default=0, ge=0, description="Accepted for compatibility; writes of one tick are joined anyway"
    )
    ws_write_coalesce_max_frames: Annotated[int, Env("VOXRAY_WS_WRITE_COALESCE_MAX_FRAMES")] = Field(
        default=10, gt=0, description="Accepted for compatibility"
    )

    tls_enable: Annotated[bool, Env("VOXRAY_TLS_ENABLE")] = Field(default=False, description="Serve TLS")
    tls_cert_file: Annotated[str, Env("VOXRAY_TLS_CERT_FILE")] = Field(default="", description="Certificate, PEM")
    tls_key_file: Annotated[str, Env("VOXRAY_TLS_KEY_FILE")] = Field(default="", description="Private key, PEM")
    log_level: Annotated[Literal["debug", "info", "warn", "error"], Env("VOXRAY_LOG_LEVEL")] = Field(
        default="info", description="Least level that is logged"
    )
    json_logs: Annotated[bool, Env("VOXRAY_JSON_LOGS")] = Field(default=False, description="One JSON object a line")
    metrics_enabled: bool | None = Field(default=True, description="Whether /metrics has anything to say")
    otlp_endpoint: Annotated[str, Env("VOXRAY_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")] = Field(
        default="", description="OpenTelemetry collector for traces (extra `tracing`); empty: none"
    )

    session_store: Annotated[Literal["memory", "redis"], Env("VOXRAY_SESSION_STORE")] = Field(
        default="memory", description="Accepted for compatibility; WebSocket and phone calls need no store"
    )
    redis_url: Annotated[str, Env("VOXRAY_REDIS_URL")] = Field(default="", description="Accepted for compatibility")
    session_ttl_secs: Annotated[int, Env("VOXRAY_SESSION_TTL_SECS")] = Field(
        default=3600, description="Accepted for compatibility"
    )
    recording: Recording = Field(default_factory=Recording, description="Not available yet")
    transcripts: Transcripts = Field(default_factory=Transcripts, description="Not available yet")
    plugins: list[str] = Field(default_factory=list, description="Not available yet")
    plugin_options: dict[str, Any] = Field(default_factory=dict, description="Not available yet")
    mcp: dict[str, Any] | None = Field(default=None, description="Not available yet")
    webrtc_ice_servers: list[Any] = Field(default_factory=list, description="Not available yet")
    dialin: bool = Field(default=False, description="Not available yet")
    daily_dialin_webhook_secret: Annotated[SecretStr, Env("VOXRAY_DAILY_DIALIN_WEBHOOK_SECRET")] = Field(
        default=SecretStr(""), description="Not available yet"
    )
    folder: Path = Field(default=Path(), description="Where relative paths of the file begin; set by the loader")

    @field_validator("log_level", mode="before")
    @classmethod
    def _trim_level(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tls_enable and not (self.tls_cert_file and self.tls_key_file):
            raise ValueError("tls_enable needs both tls_cert_file and tls_key_file")
        if self.default_agent and self.default_agent not in self.agents:
            raise ValueError(f"default_agent {self.default_agent!r} is not one of the agents: {', '.join(self.agents)}")
        if self.session_store == "redis" and not self.redis_url:
            raise ValueError("session_store redis needs redis_url")
        return self

    @property
    def bind_port(self) -> int:
        """The port to listen on; 0 picks a free one (only from the command line, the file's 0 means 8080)."""
        return self.runner_port or self.port if self.runner_transport else self.port

    def profiles(self) -> dict[str, AgentProfile]:
        """Every agent by name; the flat form is one agent named `default`."""
        base = {key: value for key, value in self.model_dump().items() if key in AgentProfile.model_fields}
        if not self.agents:
            return {"default": AgentProfile.model_validate(base)}
        return {name: AgentProfile.model_validate({**base, **own}) for name, own in self.agents.items()}


def load(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Loaded[AgentSettings]:
    """The settings of file, environment and command line, with warnings for what is known but not available yet.

    Raises:
        UsageError: a value is wrong or contradicts another; the message names the key and the remedy.
    """
    given = dict(overrides or {})
    given.setdefault("folder", file.resolve().parent if file else Path.cwd())
    loaded = load_settings(AgentSettings, file=file, environment=environment, overrides=given)
    settings = loaded.settings
    for name, own in settings.agents.items():
        unknown = sorted(set(own) - set(AgentProfile.model_fields))
        if unknown:
            raise UsageError(
                f"agents.{name} has unknown keys: {', '.join(unknown)}",
                code="invalid_setting",
                hint="the server's own keys stand outside agents",
            )
    warnings = [*loaded.warnings, *_not_here_yet(settings)]
    return Loaded(settings, warnings)


def _not_here_yet(settings: AgentSettings) -> list[str]:
    asked = {
        "recording.enable": settings.recording.enable,
        "transcripts.enable": settings.transcripts.enable,
        "plugins": bool(settings.plugins),
        "mcp": settings.mcp is not None,
    }
    warnings = [
        f"{key} is set, but this version has no such part: {NOT_HERE_YET[key]}" for key, on in asked.items() if on
    ]
    if settings.transport in {"smallwebrtc", "both"}:
        warnings.append(
            f"transport {settings.transport}: WebRTC is not available in this version; /ws and phone calls are"
        )
    if settings.runner_transport in {"webrtc", "daily", "livekit"}:
        warnings.append(f"runner_transport {settings.runner_transport} is not available in this version")
    return warnings
