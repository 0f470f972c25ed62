"""What a scenario of `vox eval` consists of: who calls, what is said in which order, and what is expected of the agent.

A `Scenario` is a whole conversation with an agent server; a `ModelScenario` is one question to the language model alone, in the
compatible original's format. Before changing them: their keys are the file format of docs/how-to/test-your-agent.md.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from vox.clients.carrier_lines import CARRIERS

TYPED: Final = "typed"
CLIENT: Final = "ws"
TRANSPORTS: Final = (TYPED, CLIENT, *CARRIERS)
MAX_TURNS: Final = 100
MAX_TIMEOUT_S: Final = 600.0

_KEYS: Final = frozenset("0123456789*#")


def _listed(value: Any) -> Any:
    """One text is a list of one."""
    return [value] if isinstance(value, str | int | float) else value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return value


def _keys(value: str) -> str:
    if not value or not _KEYS.issuperset(value):
        raise ValueError("names keys that a telephone does not have; use 0-9, * and #")
    return value


def _transport(value: str) -> str:
    if value not in TRANSPORTS:
        raise ValueError(f"is not a transport; use one of {', '.join(TRANSPORTS)}")
    return value


Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Pattern = Annotated[str, BeforeValidator(lambda value: _pattern(value) if isinstance(value, str) else value)]
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_listed)]
Seconds = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)]
Count = Annotated[int, Field(ge=0)]


class ScenarioPart(BaseModel):
    """The base of everything in a scenario file: frozen, an unknown key is an error, a number may stand for a text."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, populate_by_name=True)


class ToolExpectation(ScenarioPart):
    """A tool that has to be called; `arguments` are those that matter, a text `/…/` being a regular expression."""

    name: str
    arguments: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    times: Count | None = None


class Expectation(ScenarioPart):
    """What is expected of the agent within one turn.

    Attributes:
        contains: all of these words or phrases.
        any_of: at least one of these.
        excludes: none of these (`not` in a file).
        matches: regular expressions that are all found, case ignored.
        tools: calls of tools.
        no_tools: names of tools that must not be called.
        answers_within_s: the most seconds to the first sound, or typed text, of the answer.
        silenced_within_s: the most seconds until the agent is silent after a barge-in.
    """

    contains: Texts = ()
    any_of: Texts = ()
    excludes: Texts = Field(default=(), alias="not")
    matches: Patterns = ()
    tools: tuple[ToolExpectation, ...] = ()
    no_tools: Texts = ()
    answers_within_s: Seconds | None = None
    silenced_within_s: Seconds | None = None

    @property
    def needs_client(self) -> bool:
        """Whether it asks for what a carrier's wire does not carry."""
        return bool(self.tools or self.no_tools)


class Bounds(ScenarioPart):
    """A number's least and highest allowed value."""

    min: Count = 0
    max: Count | None = None


def _bounds(value: Any) -> Any:
    """A plain number is both bounds."""
    return {"min": value, "max": value} if isinstance(value, int | str) else value


class CallExpectation(Expectation):
    """What is expected of the whole call, over all turns; `answers_within_s` holds for each of them.

    Attributes:
        interruptions: how often the caller cut the agent off.
        max_tokens: prompt and completion of all the model's answers together.
        max_cost: the same at the scenario's `prices`.
        max_duration_s: of the call.
        ended_by: which side hung up.
    """

    interruptions: Annotated[Bounds | None, BeforeValidator(_bounds)] = None
    max_tokens: Count | None = None
    max_cost: Annotated[float, Field(ge=0)] | None = None
    max_duration_s: Seconds | None = None
    ended_by: Literal["agent", "caller"] | None = None

    @property
    def needs_client(self) -> bool:
        """Whether it asks for what a carrier's wire does not carry."""
        return bool(self.tools or self.no_tools) or self.max_tokens is not None or self.max_cost is not None


class Prices(ScenarioPart):
    """What a model costs per million tokens, in any currency."""

    prompt: Annotated[float, Field(ge=0)] = 0.0
    completion: Annotated[float, Field(ge=0)] = 0.0


class ScriptedTurn(ScenarioPart):
    """One thing that the caller does, exactly one of the first four, and what has to come of it."""

    say: str | None = None
    audio: Path | None = None
    press: Annotated[str, BeforeValidator(lambda value: _keys(str(value)))] | None = None
    wait_s: Seconds | None = None
    barge_in_s: Annotated[float, Field(ge=0, le=60)] | None = None
    expect: Expectation = Expectation()

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        given = [name for name in ("say", "audio", "press", "wait_s") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a turn has exactly one of say, audio, press and wait_s, not {' and '.join(given) or 'none'}"
            )
        if self.barge_in_s is not None and given[0] not in ("say", "audio"):
            raise ValueError("barge_in_s goes with say or audio")
        if self.expect.silenced_within_s is not None and self.barge_in_s is None:
            raise ValueError("silenced_within_s is expected of a turn with barge_in_s")
        return self

    @property
    def label(self) -> str:
        """What the caller does, for reports."""
        if self.say is not None:
            return self.say
        if self.audio is not None:
            return f"({self.audio.name})"
        return f"(presses {self.press})" if self.press is not None else f"(waits {self.wait_s:g} s)"


class CallerModel(ScenarioPart):
    """The driver of the model that plays the caller; its options are those of the agent's `llm_options`."""

    provider: str = "openai"
    model: str = ""
    options: Mapping[str, Any] = Field(default_factory=dict[str, Any])


class ModelCaller(ScenarioPart):
    """A caller played by a language model: what they want, who they are, and when they give up."""

    goal: str
    persona: str = "You are friendly and speak in short sentences."
    opens_with: str = ""
    max_turns: Annotated[int, Field(ge=1, le=MAX_TURNS)] = 10
    model: CallerModel | None = None


class Scenario(ScenarioPart):
    """One conversation with an agent.

    Attributes:
        name: unique among all that run together.
        agent: which agent of the server; empty for its default.
        transport: `typed` (text both ways, quick), `ws` (audio both ways over `/ws`), or a carrier (its media stream).
        voice: the speech driver for the caller's words; empty for the first offline one that works.
        caller: plays the caller by a model, instead of `turns`.
        greeting: what the agent has to say before the caller does anything.
        greeting_s: how long to wait for a greeting to begin.
        answer_timeout_s: how long to wait for each answer to begin.
        silence_s: the agent has finished after so long a silence.
        timeout_s: ends the scenario, as failed.
        from_number: of the caller.
        to_number: that is called.
        parameters: custom parameters of the carrier's stream, query parameters of `/ws`.
    """

    name: str = Field(min_length=1, max_length=200)
    description: str = ""
    agent: str = ""
    transport: Annotated[str, BeforeValidator(lambda value: _transport(str(value)))] = TYPED
    voice: str = ""
    turns: Annotated[tuple[ScriptedTurn, ...], Field(max_length=MAX_TURNS)] = ()
    caller: ModelCaller | None = None
    greeting: Expectation = Expectation()
    greeting_s: Annotated[float, Field(ge=0, le=60)] = 5.0
    answer_timeout_s: Seconds = 15.0
    silence_s: Annotated[float, Field(gt=0, le=30)] = 1.0
    timeout_s: Seconds = 180.0
    from_number: str = "+15550100"
    to_number: str = "+15550199"
    parameters: Mapping[str, str] = Field(default_factory=dict[str, str])
    prices: Prices = Prices()
    expect: CallExpectation = CallExpectation()

    @model_validator(mode="after")
    def _fits_its_transport(self) -> Self:
        if bool(self.turns) == (self.caller is not None):
            raise ValueError("a scenario has either turns or a caller")
        expectations = [self.greeting, self.expect, *(turn.expect for turn in self.turns)]
        if self.transport == TYPED:
            spoken = [turn for turn in self.turns if turn.audio is not None or turn.barge_in_s is not None]
            if spoken or self.expect.interruptions is not None:
                raise ValueError(f"audio, barge_in_s and interruptions need a spoken call: set transport to {CLIENT}")
        elif self.is_by_phone and any(one.needs_client for one in expectations):
            raise ValueError(
                f"a carrier's wire shows neither tools nor tokens: set transport to {CLIENT} or {TYPED},"
                " or leave these expectations out"
            )
        if self.expect.max_cost is not None and not (self.prices.prompt or self.prices.completion):
            raise ValueError("max_cost needs prices: {prompt: …, completion: …} per million tokens")
        return self

    @property
    def is_by_phone(self) -> bool:
        """Whether it runs over a carrier's media stream."""
        return self.transport in CARRIERS

    @property
    def needs_words(self) -> bool:
        """Whether anything is expected of the agent's words, or a model has to understand them."""
        texts = [self.greeting, self.expect, *(turn.expect for turn in self.turns)]
        return self.caller is not None or any(
            one.contains or one.any_of or one.excludes or one.matches for one in texts
        )


class ModelScenario(ScenarioPart):
    """One prompt to the language model alone; keys and defaults are the compatible original's."""

    name: str = Field(min_length=1)
    prompt: str
    expected_contains: str = ""
    expected_pattern: Pattern = ""
    timeout_secs: Seconds = 60.0
    system_prompt: str = ""
