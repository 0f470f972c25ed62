"""One agent's configuration: its texts, providers and behaviour.

The same keys stand at the top of a configuration, where they hold for every agent, and under `agents.<name>`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from vox.agent.answering.settings import Answering
from vox.agent.config.language_settings import Languages
from vox.agent.config.plugins import NO_PLUGINS, Plugins, parse_plugins
from vox.agent.config.rooms import Rooms
from vox.agent.tools.settings import NAME_PATTERN, HttpTool, McpServer, McpServers, Transfer, no_parameters
from vox.agent.turns.events import TurnPolicy
from vox.errors import UsageError
from vox.media.voice_activity import VadParams
from vox.providers.failover.circuit import BreakerPolicy
from vox.providers.failover.members import FailOverPolicy
from vox.runtime.settings import Env


def _none_is_empty(value: object) -> object:
    return "" if value is None else value


def or_default(default: float) -> BeforeValidator:
    """Takes zero and less for "not set", as files of the compatible original mean it."""

    def check(value: object) -> object:
        try:
            return default if not isinstance(value, bool) and float(cast("Any", value)) <= 0 else value
        except (TypeError, ValueError):
            return value

    return BeforeValidator(check)


OFFLINE_STAGES: Final[Mapping[str, str]] = MappingProxyType({"stt": "offline", "llm": "flow", "tts": "offline"})
"""What needs neither a key nor a network."""

LOCAL: Final = frozenset({"tools", "flow", "messages_file", "mcp", "http_tools"})
"""Keys that name files, code and commands of this machine, which a bot that others configure cannot change."""

OptionalText = Annotated[str, BeforeValidator(_none_is_empty)]


def _names(value: object) -> object:
    """One name stays text, and so does a list of one; an empty list is none."""
    if not isinstance(value, (list, tuple)):
        return _none_is_empty(value)
    names = cast("list[object] | tuple[object, ...]", value)
    return tuple(dict.fromkeys(names)) if len(set(names)) > 1 else (names[0] if names else "")


ProviderNames = Annotated[str | tuple[str, ...], BeforeValidator(_names)]
"""A provider, or several in the order of preference."""


class Failover(BaseModel):
    """When the next provider of a list is asked."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    timeout_secs: float = Field(
        default=4.0, gt=0, le=120, description="Longest wait for an answer, or the first part of one that streams"
    )
    failures: int = Field(
        default=3, ge=1, le=100, description="Failures in a row after which a provider is passed over"
    )
    cooldown_secs: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="How long it is passed over at first, before it is tried with one request",
    )
    retry_ratio: float = Field(
        default=0.1, ge=0, le=1, description="Repeats for each request where all providers of a list failed"
    )

    def policy(self) -> FailOverPolicy:
        """These settings as the wrappers take them."""
        return FailOverPolicy(self.timeout_secs, BreakerPolicy(self.failures, self.cooldown_secs), self.retry_ratio)


class ClientTool(BaseModel):
    """A tool that the client runs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(pattern=NAME_PATTERN, description="Its name: 1 to 64 of letters, digits, `_` and `-`")
    description: str = Field(default="", description="What it does, for the model")
    parameters: dict[str, Any] = Field(default_factory=no_parameters, description="JSON Schema of its arguments")
    cancellable: bool = Field(default=False, description="Whether a caller who cuts in stops waiting for it")


class AgentProfile(BaseModel):
    """One agent's settings: texts, providers and behaviour. Times in seconds unless the name says otherwise."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    system_prompt: Annotated[str, Env("VOXRAY_SYSTEM_PROMPT")] = Field(
        default="You are a helpful voice assistant. Answer briefly, in plain spoken sentences.",
        description="What the model is told first; {{name}} is replaced by the session variable of that name",
    )
    greeting: Annotated[str, Env("VOXRAY_GREETING")] = Field(
        default="",
        description="Said when the call begins; empty: the caller speaks first (a flow has its own greeting)",
    )
    title: str = Field(default="", description="What pages call the agent; empty: its flow's name, else its own")
    suggestions: list[str] = Field(
        default_factory=list, description="What a page offers to ask; empty: the flow's suggestions"
    )
    variables: dict[str, str] = Field(default_factory=dict, description="Session variables and their defaults")
    numbers: list[str] = Field(default_factory=list, description="Called numbers that this agent answers")

    provider: OptionalText = Field(default="", description="Default provider of all three stages")
    stt_provider: ProviderNames = Field(
        default="", description="Speech-to-text provider, or a list: where one fails, the next is asked"
    )
    llm_provider: ProviderNames = Field(
        default="", description="Language model provider, or a list; `flow` runs a scripted flow"
    )
    tts_provider: ProviderNames = Field(default="", description="Text-to-speech provider, or a list")
    model: OptionalText = Field(default="", description="Language model; empty: the provider's default")
    stt_model: OptionalText = Field(default="", description="Recogniser model; empty: the provider's default")
    stt_language: OptionalText = Field(default="", description="Language (BCP-47); empty: automatic")
    languages: Languages = Field(
        default_factory=dict,
        description="Further languages (BCP-47) that a call may go on in, as a list or with `tts_voice` and the texts of each; the model"
        " gets the tool `switch_language`",
    )
    language_detection: bool = Field(
        default=True,
        description="With `languages`: the recogniser is left to tell the language, and the agent follows it",
    )
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
    realtime_provider: OptionalText = Field(
        default="", description="Speech-to-speech provider in place of the three stages; empty: the stages"
    )
    realtime_model: OptionalText = Field(default="", description="Realtime model; empty: the provider's default")
    realtime_voice: OptionalText = Field(default="", description="Realtime voice; empty: the provider's default")
    realtime_options: dict[str, Any] = Field(default_factory=dict, description="Further options of the realtime driver")
    failover: Failover = Field(default_factory=Failover, description="When the next provider of a list is asked")
    flow: str = Field(
        default="", description="A flow's YAML file, relative to the configuration; implies llm_provider flow"
    )
    tools: list[str] = Field(
        default_factory=list,
        description="Python functions the model may call, as module:function; `take_message` comes with Vox",
    )
    messages_file: str = Field(
        default="messages.jsonl", description="Where `take_message` writes, relative to the configuration"
    )
    http_tools: list[HttpTool] = Field(
        default_factory=list[HttpTool], description="Tools that are requests to HTTP services"
    )
    mcp: McpServers = Field(
        default_factory=list[McpServer],
        description="Servers of the Model Context Protocol whose tools are offered: one, or a list",
    )
    client_tools: list[ClientTool] = Field(default_factory=list[ClientTool], description="Tools that the client runs")
    keypad: bool = Field(
        default=False, description="Whether the model may press telephone keys (tool `press_keys`), for menus"
    )
    transfers: dict[str, Transfer] = Field(
        default_factory=dict[str, Transfer],
        description="Where phone calls may be put through to, by name (tool `transfer_call`)",
    )
    tool_timeout_secs: float = Field(default=30.0, gt=0, description="Longest run of a tool")
    tool_filler: str = Field(
        default="", description="Said once in an answer while a tool takes long; empty: nothing is said"
    )
    tool_filler_secs: float = Field(
        default=2.0, gt=0, le=60, description="Silence after which `tool_filler` is said, while the tool still runs"
    )
    max_tool_rounds: int = Field(default=8, ge=1, le=50, description="Most model responses in one turn")

    answering: Answering = Field(
        default_factory=Answering, description="What happens when a call that the agent makes is answered"
    )

    rooms: Rooms = Field(
        default_factory=Rooms, description="How the agent behaves among several people in a voice room"
    )

    turn_detection: OptionalText = Field(
        default="none",
        description="`silence` waits turn_stop_secs after speech, `words` waits shorter or longer by what was said, `model`"
        " by how it sounded (turn_provider), anything else ends a turn with vad_stop_secs",
    )
    turn_provider: str = Field(
        default="smart_turn",
        description="With `model`: what hears whether the caller has finished; silence decides where it is not installed or late",
    )
    turn_options: dict[str, Any] = Field(default_factory=dict, description="Further options of the turn driver")
    turn_stop_secs: float = Field(default=3.0, ge=0, le=60, description="Silence behind speech that ends a turn")
    turn_complete_secs: float = Field(
        default=0.25, ge=0, le=60, description="With `words` and `model`: silence behind a whole question or answer"
    )
    turn_unfinished_secs: float = Field(
        default=1.6, ge=0, le=60, description="With `words` and `model`: silence behind what is plainly unfinished"
    )
    turn_pre_speech_ms: float = Field(
        default=500.0, ge=0, le=5000, description="Audio from before the speech was noticed that the recogniser gets"
    )
    turn_max_duration_secs: float = Field(
        default=8.0, ge=0, description="Accepted for compatibility; see turn_limit_secs"
    )
    turn_limit_secs: float = Field(default=60.0, gt=0, le=600, description="A turn ends after so long, come what may")
    turn_async: bool = Field(default=False, description="Accepted for compatibility; turns never block here")
    vad_start_secs: float = Field(default=0.0, ge=0, description="Accepted for compatibility; see vad_start_secs_vad")
    user_turn_stop_timeout_secs: Annotated[float, or_default(5.0)] = Field(
        default=5.0, description="A turn ends so long after the speech even if the recogniser never answers"
    )
    user_idle_timeout_secs: float = Field(default=0.0, ge=0, description="Silence until the caller is idle; 0: never")
    user_idle_prompt: str = Field(default="", description="Said to an idle caller")
    user_idle_max: int = Field(default=0, ge=0, description="Hang up after so many idle periods in a row; 0: never")
    max_call_secs: float = Field(
        default=0.0, ge=0, description="Longest call of this agent, from the first audio on; 0: rtc_max_duration_secs"
    )
    user_idle_goodbye: str = Field(default="", description="Said before the agent hangs up on an idle caller")
    text_normalization: bool = Field(
        default=True,
        description="Whether numbers, dates, times, money and codes are said in words (English, German, French, Spanish); what is"
        " shown keeps them as they are written",
    )
    error_message: str = Field(
        default="Sorry, something went wrong. Could you say that again?",
        description="Said when a provider failed or had no answer; empty: nothing is said",
    )
    not_understood: str = Field(
        default="Sorry, I did not catch that.",
        description="Said when speech gave no transcript (a flow has its own words); empty: the model answers `(inaudible)`",
    )

    vad_type: Literal["energy", "silero", "aic"] = Field(
        default="silero", description="Voice activity detector; `aic` is taken as silero"
    )
    vad_threshold: Annotated[float, or_default(0.02)] = Field(
        default=0.02, description="Full-scale RMS that the energy detector compares with"
    )
    vad_confidence: Annotated[float, or_default(0.7)] = Field(
        default=0.7, le=1, description="Probability from which a window is speech"
    )
    vad_start_secs_vad: Annotated[float, or_default(0.2)] = Field(
        default=0.2, le=5, description="Speech needed to count as speaking"
    )
    vad_stop_secs: Annotated[float, or_default(0.2)] = Field(
        default=0.2, le=10, description="Silence needed to count as silent"
    )
    vad_min_volume: Annotated[float, or_default(0.0)] = Field(
        default=0.0, le=1, description="Least volume: up to 0.5 as linear RMS, above as loudness (-110 to -10 dB)"
    )
    vad_batch_size: Annotated[int, Env("VOXRAY_VAD_BATCH_SIZE")] = Field(
        default=0,
        ge=0,
        description="Accepted for compatibility; the server chooses how many calls share a detector run",
    )
    hear_keys: bool = Field(
        default=False,
        description="Hear key tones in the caller's audio, for lines that report no keys; costs 13 µs a frame",
    )
    allow_interruptions: bool = Field(default=True, description="Whether the caller may cut in")
    echo_guard: bool = Field(
        default=True,
        description="Whether the agent's own voice, where the line sends it back, is kept from interrupting it",
    )
    interruption_strategy: OptionalText = Field(
        default="", description="`min_words` or `keyword`; empty: any understood speech interrupts"
    )
    min_words: int = Field(default=0, ge=0, description="Words that interrupt under a strategy (0: 1)")
    interruption_keywords: list[str] = Field(
        default_factory=list, description="Words that interrupt under `keyword`; without any it is min_words"
    )

    plugins: list[str] = Field(
        default_factory=list[str],
        description="Stages of the compatible original by name; [what they do here](../how-to/configure-an-agent.md#plugins)",
    )
    plugin_options: dict[str, Any] = Field(default_factory=dict, description="Their options, by the plugin's name")

    @model_validator(mode="after")
    def _plugins_are_known(self) -> Self:
        if self.plugin_effects.wake is not None and self.realtime_provider:
            raise ValueError("plugin wake_check_filter needs words before an answer: leave it or realtime_provider out")
        return self

    @model_validator(mode="after")
    def _flow_has_no_model(self) -> Self:
        if self.flow and self.llm_provider not in {"", "flow"}:
            raise ValueError("flow and llm_provider contradict each other: leave llm_provider out or make it `flow`")
        if self.realtime_provider and self.answering.detect:
            raise ValueError("answering.detect needs words before an answer: leave it or realtime_provider out")
        if self.answering.menu_goal and (self.flow or self.llm_provider == "flow"):
            raise ValueError("answering.menu_goal needs a language model: a flow cannot find its way in a menu")
        if self.realtime_provider and self.languages:
            raise ValueError(
                "languages and realtime_provider contradict each other: a realtime model speaks what it hears"
            )
        if self.realtime_provider and (self.flow or self.llm_provider == "flow"):
            raise ValueError("flow and realtime_provider contradict each other: leave one of them out")
        return self

    @property
    def plugin_effects(self) -> Plugins:
        """What the plugins do."""
        return parse_plugins(self.plugins, self.plugin_options) if self.plugins else NO_PLUGINS

    @property
    def heard_language(self) -> str | None:
        """The language that the recogniser is told; None: it finds out."""
        return None if self.languages and self.language_detection else self.stt_language or None

    def stage(self, kind: Literal["stt", "llm", "tts"]) -> str:
        """The name of a stage's provider, of several the preferred one's; see `providers`."""
        return self.providers(kind)[0]

    def providers(self, kind: Literal["stt", "llm", "tts"]) -> tuple[str, ...]:
        """The names of a stage's providers: its own, else `flow` where one is given, else `provider`.

        Without either, an agent that follows a flow hears and speaks offline too, and any other one uses openai. A realtime
        provider is all three.
        """
        if self.realtime_provider:
            return (self.realtime_provider,)
        own = {"stt": self.stt_provider, "llm": self.llm_provider, "tts": self.tts_provider}[kind]
        if not own and kind == "llm" and self.flow:
            return ("flow",)
        follows_flow = self.flow or self.llm_provider == "flow"
        names = own or self.provider or (OFFLINE_STAGES[kind] if follows_flow else "openai")
        return (names,) if isinstance(names, str) else names

    def turn_policy(self) -> TurnPolicy:
        """These settings as the turn machine takes them."""
        plugin = self.plugin_effects.interruption
        strategy = self.interruption_strategy or plugin.strategy
        strategy = strategy if strategy in {"min_words", "keyword"} else ""
        return TurnPolicy(
            turn_stop_s=self.turn_stop_secs if self.turn_detection in {"silence", "words", "model"} else 0.0,
            turn_max_s=self.turn_limit_secs,
            stt_timeout_s=self.user_turn_stop_timeout_secs,
            allow_interruptions=self.allow_interruptions,
            min_words=max(1, self.min_words or plugin.min_words) if strategy else 0,
            keywords=tuple(self.interruption_keywords) if strategy == "keyword" else (),
            idle_timeout_s=self.user_idle_timeout_secs,
            max_idle=self.user_idle_max,
            follows_words=self.turn_detection == "words",
            complete_stop_s=self.turn_complete_secs,
            unfinished_stop_s=self.turn_unfinished_secs,
            language=self.stt_language,
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


def with_changes(profile: AgentProfile, changes: Mapping[str, Any]) -> AgentProfile:
    """A profile with other values for some keys; what this machine's files and code are stays as it is here.

    Raises:
        UsageError: a value is wrong (invalid_setting).
    """
    known = {key: value for key, value in changes.items() if key in AgentProfile.model_fields and key not in LOCAL}
    given = {key: getattr(profile, key) for key in profile.model_fields_set if key in AgentProfile.model_fields}
    own_llm = {"llm_provider", "provider", "realtime_provider"} & known.keys()
    if own_llm:
        given.pop(
            "flow", None
        )  # a bot with a model of its own does not follow the flow of the agent that it is made from
    try:
        return AgentProfile.model_validate({**given, **known})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)]
    raise UsageError(
        f"the bot's configuration is wrong: {'; '.join(problems)}",
        code="invalid_setting",
        hint="correct it where the bot is configured",
    )
