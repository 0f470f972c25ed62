"""The compatible keys `plugins` and `plugin_options`: names of stages that the original puts into a call's pipeline.

Most of them are part of every call here, or are settings; three change what the agent hears and are carried out
(`vox.agent.call.caller_filter`). The few that would make a call another one than the operator expects end the start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import prod
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

ALWAYS_ON: Final = {
    "rtvi": "every client is spoken to in RTVI that asks for it",
    "vad": "`vad_type` and the keys behind it",
    "logger": "`log_level` debug names every message and decision",
    "aggregator": "answers are spoken sentence by sentence",
    "llmtext": "answers are spoken sentence by sentence",
    "llmfullresponse": "answers are kept whole in the conversation",
    "userresponse": "what the caller says in one turn is answered as one text",
    "dtmf_aggregator": "keys are gathered and reach the model as `DTMF: 42`",
    "gated": "nothing reaches the model before the turn is over",
    "gated_llm_context": "nothing reaches the model before the turn is over",
    "audio_buffer": "`recording`",
    "identity_filter": "it changes nothing",
    "function_filter": "as a configuration can write it, it changes nothing",
    "wake_notifier_filter": "it tells other code, of which there is none",
    "echo": "the agent answers instead",
}
"""What needs no plugin, and where it is found."""
EXPECTED_OF: Final = frozenset({"echo", "wake_notifier_filter"})
CARRIED_OUT: Final = frozenset({"interruption_controller", "audio_filter", "stt_mute_filter", "wake_check_filter"})
REFUSED: Final = {
    "null_filter": "it lets nothing through, so no call could be held: leave it out",
    "frame_filter": "calls have no frames here that could be let through by type: leave it out",
    "external_chain": "offer the service as one of `http_tools`, or put an OpenAI-compatible address before it (`llm_provider` openai with"
    " `llm_options.base_url`)",
    "llmcontextsummarizer": "the oldest turns of a long conversation are left out instead of summarised: leave it out",
}
"""What is not there, and what to do instead."""

_O = TypeVar("_O", bound="_Options")
Mute = Literal["first_speech", "mute_until_first_bot_complete", "always"]


def _no_custom(value: object) -> object:
    if value == "custom":
        raise ValueError("custom needs code: choose first_speech, mute_until_first_bot_complete or always")
    return value


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class InterruptionOptions(_Options):
    """Of `interruption_controller`; they hold where the settings of the same names are not given."""

    strategy: str = ""
    min_words: int = Field(default=0, ge=0)


class Gain(_Options):
    """One of the filters of `audio_filter`."""

    type: Literal["gain"]
    gain: float = Field(ge=0, le=100)


class AudioOptions(_Options):
    """Of `audio_filter`."""

    filters: tuple[Gain, ...] = ()


class MuteOptions(_Options):
    """Of `stt_mute_filter`."""

    strategies: tuple[Annotated[Mute, BeforeValidator(_no_custom)], ...] = Field(min_length=1)


class WakeOptions(_Options):
    """Of `wake_check_filter`."""

    wake_phrases: tuple[Annotated[str, Field(pattern=r"\w")], ...] = Field(min_length=1)
    keepalive_secs: float = Field(default=3.0, ge=0, le=3600)


@dataclass(frozen=True, slots=True)
class Plugins:
    """What the plugins of one agent do.

    Attributes:
        gain: what the caller's audio is multiplied with.
        mutes: when the caller is not heard.
        wake: what makes the agent listen; None: it always does.
        interruption: which words interrupt.
    """

    gain: float = 1.0
    mutes: frozenset[Mute] = frozenset()
    wake: WakeOptions | None = None
    interruption: InterruptionOptions = field(default_factory=InterruptionOptions)

    @property
    def changes_hearing(self) -> bool:
        """Whether any of them changes what the agent hears."""
        return self.gain != 1.0 or bool(self.mutes) or self.wake is not None


NO_PLUGINS: Final = Plugins()


def parse_plugins(names: Sequence[str], options: Mapping[str, Any]) -> Plugins:
    """What these plugins do with these options.

    Raises:
        ValueError: a name is not known or not to be had, or an option is wrong; the message names it and the remedy.
    """
    for name in names:
        if name in REFUSED:
            raise ValueError(f"plugin {name} is not available: {REFUSED[name]}")
        if name not in ALWAYS_ON and name not in CARRIED_OUT:
            near = get_close_matches(name, [*ALWAYS_ON, *CARRIED_OUT], n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"write one of {', '.join(sorted([*ALWAYS_ON, *CARRIED_OUT]))}"
            )
            raise ValueError(f"plugin {name!r} is not known: {hint}")

    def of(name: str, shape: type[_O]) -> _O | None:
        return _parse(name, shape, options.get(name)) if name in names else None

    audio, mute = of("audio_filter", AudioOptions), of("stt_mute_filter", MuteOptions)
    return Plugins(
        gain=prod(one.gain for one in audio.filters) if audio is not None else 1.0,
        mutes=frozenset(mute.strategies) if mute is not None else frozenset(),
        wake=of("wake_check_filter", WakeOptions),
        interruption=of("interruption_controller", InterruptionOptions) or InterruptionOptions(),
    )


def plugins_without_effect(names: Sequence[str]) -> list[str]:
    """A warning for each plugin that the operator may expect something of."""
    return [f"plugin {name} has no effect: {ALWAYS_ON[name]}" for name in names if name in EXPECTED_OF]


def _parse(name: str, shape: type[_O], given: object) -> _O:
    try:
        return shape.model_validate(given or {})
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
    problems = [f"plugin_options.{'.'.join(map(str, (name, *one['loc'])))}: {one['msg']}" for one in wrong]
    raise ValueError("; ".join(problems))
