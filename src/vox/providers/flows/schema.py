"""The flow's YAML as types: every key, its meaning, and errors that name the place and the remedy.

The file format is a promise to its authors; docs/how-to/write-a-flow.md is its reference. `loading.py` reads it.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import time
from typing import Annotated, Literal, Self, cast
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from vox.providers.flows.commands import DEFAULT_EXAMPLES, DEFAULT_PHRASES, USUAL_COMMANDS
from vox.providers.flows.patterns import names_in, parse_pattern
from vox.providers.flows.wording import written_words
from vox.providers.stt.contract import PHONES

_NAME = r"^[a-z][a-z0-9_]*$"
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_OUTSIDE = ("vars.", "result.")


def _phrase(text: str) -> str:
    parse_pattern(text)
    return text


def _keyword(text: str) -> str:
    if not written_words(text):
        raise ValueError(f"'{text}' has no word")
    return text


def _key(value: object) -> str:
    text = str(value)
    if not re.fullmatch(r"[0-9*#]", text):
        raise ValueError(f"'{text}' is not a telephone key; use one of 0-9, * and #")
    return text


def _clock_time(value: object) -> object:
    """`9:00` and `9` are times as people write them; what is none is refused with the remedy."""
    text = str(value).strip()
    found = re.fullmatch(r"(\d{1,2})(?:[:.](\d{2}))?(?::00)?", text)
    if isinstance(value, time) or found is None or int(found[1]) > 23 or int(found[2] or 0) > 59:  # noqa: PLR2004  a day's
        if isinstance(value, time):
            return value
        raise ValueError(f"'{text}' is not a time of day; write it like 09:00 or 21:30")
    return time(int(found[1]), int(found[2] or 0))


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"'{name}' is not a time zone; write one like Europe/London") from error
    return name


def _phones(text: str) -> str:
    if unknown := [phone for phone in text.split() if phone not in PHONES] or not text.split():
        raise ValueError(
            f"'{text}' is not a pronunciation: unknown {unknown}; use the phones {' '.join(sorted(PHONES))}"
        )
    return " ".join(text.split())


Name = Annotated[str, Field(pattern=_NAME)]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
Said = Annotated[str, Field(min_length=1)]
Phrase = Annotated[str, AfterValidator(_phrase)]
Keyword = Annotated[str, AfterValidator(_keyword)]
Phones = Annotated[str, AfterValidator(_phones)]
Key = Annotated[str, BeforeValidator(_key)]


class Strict(BaseModel):
    """Frozen; a key that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", regex_engine="python-re")


class SlotCommon(Strict):
    """What every slot has."""

    prompt: Said | None = None
    reprompts: tuple[Said, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    label: Keyword | None = None
    invalid: Said | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _asks_or_waits(self) -> Self:
        if self.prompt is None and not self.optional:
            raise ValueError("a slot needs a `prompt` to ask for it, or `optional: true`")
        return self


class NumberSlot(SlotCommon):
    """A whole number between `min` and `max`; `named` are numbers said without one (`just me`)."""

    type: Literal["number"]
    min: int = Field(default=0, ge=0)
    max: int = Field(default=99, ge=0, le=999_999)
    named: dict[int, tuple[Phrase, ...]] = Field(default_factory=dict[int, tuple[str, ...]])


class DigitsSlot(SlotCommon):
    """A string of digits."""

    type: Literal["digits"]
    min_length: int = Field(default=1, ge=1)
    max_length: int = Field(default=20, ge=1, le=40)


class PhoneSlot(SlotCommon):
    """A telephone number."""

    type: Literal["phone"]
    min_length: int = Field(default=7, ge=1)
    max_length: int = Field(default=15, ge=1, le=40)


class DateSlot(SlotCommon):
    """A day from today to `max_days` ahead."""

    type: Literal["date"]
    max_days: int = Field(default=365, ge=0, le=3000)


class TimeSlot(SlotCommon):
    """A time of day between `earliest` and `latest`."""

    type: Literal["time"]
    earliest: ClockTime | None = None
    latest: ClockTime | None = None


class ChoiceSlot(SlotCommon):
    """One of several options; each may be said by its name or one of its synonyms."""

    type: Literal["choice"]
    options: dict[Keyword, tuple[Phrase, ...]] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _options_as_list(cls, data: object) -> object:
        """`options: [red, green]` is short for options without synonyms."""
        if isinstance(data, dict):
            given = cast("dict[str, object]", data)
            options = given.get("options")
            if isinstance(options, list):
                return {**given, "options": {str(option): () for option in cast("list[object]", options)}}
            if isinstance(options, dict):
                named = cast("dict[str, object]", options)
                return {**given, "options": {str(name): synonyms or () for name, synonyms in named.items()}}
        return cast("object", data)


class YesNoSlot(SlotCommon):
    """Yes or no."""

    type: Literal["yes_no"]


class TextSlot(SlotCommon):
    """Whatever is said; needs a recogniser for free speech."""

    type: Literal["text"]


Slot = Annotated[
    NumberSlot | DigitsSlot | PhoneSlot | DateSlot | TimeSlot | ChoiceSlot | YesNoSlot | TextSlot,
    Field(discriminator="type"),
]


class Intent(Strict):
    """One thing the caller may want.

    `phrases` and `keywords` are what a recogniser with a grammar listens for; `examples` are only compared by meaning.
    `then` names the intent to go on with, `while_busy` what it means instead while something else is being asked.
    """

    phrases: tuple[Phrase, ...] = ()
    keywords: tuple[Keyword, ...] = ()
    examples: tuple[Keyword, ...] = ()
    key: Key | None = None
    answer: Said | None = None
    slots: dict[Name, Slot] = Field(default_factory=dict[str, Slot])
    confirm: Said | None = None
    done: Said | None = None
    failed: Said = "I am sorry, that did not work."
    tool: str | None = None
    then: str | None = None
    while_busy: Literal["start_over", "change"] | None = None
    end: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not (self.phrases or self.keywords or self.examples) and self.key is None:
            raise ValueError("an intent needs `phrases`, `keywords`, `examples` or a `key` to be reached by")
        if self.slots and self.answer is not None:
            raise ValueError("an intent with slots has no `answer`; move its text to `done`")
        if self.slots and self.done is None:
            raise ValueError("an intent with slots needs `done`, said when all is known")
        if not self.slots and self.answer is None and self.done is None:
            raise ValueError("an intent needs an `answer`, or `slots` and `done`")
        if self.confirm is not None and not self.slots:
            raise ValueError("`confirm` needs `slots` to confirm; remove it")
        for place, text in self._texts():
            _check_placeholders(place, text, self.slots)
        for number, phrase in enumerate(self.phrases):
            _check_values(f"phrases.{number}", phrase, {k: v for k, v in self.slots.items() if v.type != "text"})
        for name, slot in self.slots.items():
            for number, phrase in enumerate(slot.phrases):
                _check_values(f"slots.{name}.phrases.{number}", phrase, {name: slot})
                if name not in names_in(parse_pattern(phrase)):
                    raise ValueError(
                        f"slots.{name}.phrases.{number}: '{phrase}' lacks {{{name}}}, the place of the value"
                    )
        return self

    def _texts(self) -> Iterator[tuple[str, str]]:
        for place in ("answer", "confirm", "done", "failed"):
            if (text := getattr(self, place)) is not None:
                yield place, text
        for name, slot in self.slots.items():
            for place, text in (("prompt", slot.prompt), ("invalid", slot.invalid)):
                if text is not None:
                    yield f"slots.{name}.{place}", text


class Faq(Strict):
    """An answer found by keywords or by meaning, when no intent fits."""

    keywords: tuple[Keyword, ...] = Field(min_length=1)
    examples: tuple[Keyword, ...] = ()
    answer: Said


class Command(Strict):
    """What may be said at any time. `phrases` and `examples` replace the usual ones; `confirm` is asked before it ends a task."""

    phrases: tuple[Phrase, ...] | None = None
    examples: tuple[Keyword, ...] | None = None
    key: Key | None = None
    answer: Said | None = None
    confirm: Said | None = None
    tool: str | None = None
    then: str | None = None
    end: bool = False


class Commands(Strict):
    """The universal commands; `operator` exists only where it is given."""

    stop: Command = Command(**USUAL_COMMANDS["stop"])
    repeat: Command = Command()
    help: Command = Command()
    start_over: Command = Command(**USUAL_COMMANDS["start_over"])
    goodbye: Command = Command(**USUAL_COMMANDS["goodbye"])
    operator: Command | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_usual(cls, data: object) -> object:
        """What a flow does not say about a command stays as it usually is."""
        if not isinstance(data, dict):
            return data
        given = cast("dict[str, object]", data)
        return {
            name: {**USUAL_COMMANDS.get(name, {}), **cast("dict[str, object]", command)}
            if isinstance(command, dict)
            else command
            for name, command in given.items()
        }


class Handoff(Strict):
    """What happens when the caller was not understood too often."""

    answer: Said = "I am sorry that I can not help. Please call again later."
    tool: str | None = None
    then: str | None = None
    end: bool = False


class Fallback(Strict):
    """What is said when nothing was understood: the first prompt first; after `after` misses the hand-off, asked for by `offer`."""

    prompts: tuple[Said, ...] = Field(
        default=("Sorry, I did not understand that.", "Sorry, please say that again."), min_length=1
    )
    after: int = Field(default=4, ge=1)
    offer: Said | None = None
    handoff: Handoff = Handoff()


class Script(Strict):
    """A whole flow."""

    name: Said
    greeting: Said
    prompt: Said = "How can I help you?"
    follow_up: Said = "Is there anything else?"
    suggestions: tuple[Said, ...] = ()
    timezone: Annotated[str, AfterValidator(_zone)] | None = None
    fallback: Fallback = Fallback()
    commands: Commands = Commands()
    intents: dict[Name, Intent] = Field(min_length=1)
    faq: tuple[Faq, ...] = ()
    pronounce: dict[Keyword, Phones] = Field(default_factory=dict[str, str])

    @model_validator(mode="after")
    def _keys_once(self) -> Self:
        given = [(f"intents.{name}", intent.key) for name, intent in self.intents.items()]
        given += [(f"commands.{name}", command.key) for name, command in command_items(self)]
        taken: dict[str, str] = {}
        for place, key in given:
            if key is not None and key in taken:
                raise ValueError(f"{place}.key: key {key} already belongs to {taken[key]}; choose another")
            if key is not None:
                taken[key] = place
        return self

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        """Whatever names an intent names one that exists, and no answer leads back to itself."""
        leads = {f"intents.{name}": intent.then for name, intent in self.intents.items()}
        leads |= {f"commands.{name}": command.then for name, command in command_items(self)}
        leads["fallback.handoff"] = self.fallback.handoff.then
        for place, name in leads.items():
            if name is None:
                continue
            if name not in self.intents:
                raise ValueError(f"{place}.then: there is no intent '{name}'{nearest(name, self.intents)}")
            if not self.intents[name].slots:
                raise ValueError(f"{place}.then: the intent '{name}' has no slots to go on with")
        return self


def command_items(script: Script) -> Iterator[tuple[str, Command]]:
    """The flow's universal commands by name, without those it does not have."""
    for name in DEFAULT_PHRASES:
        if (command := getattr(script.commands, name)) is not None:
            yield name, command


def command_phrases(name: str, command: Command) -> tuple[str, ...]:
    """How a command is said."""
    return DEFAULT_PHRASES[name] if command.phrases is None else command.phrases


def command_examples(name: str, command: Command) -> tuple[str, ...]:
    """Further ways to say a command, for the comparison by meaning."""
    return DEFAULT_EXAMPLES[name] if command.examples is None else command.examples


def tool_places(script: Script) -> dict[str, list[str]]:
    """Every tool a flow calls, with the places in the file that name it."""
    named = [(f"intents.{name}.tool", intent.tool) for name, intent in script.intents.items()]
    named += [(f"commands.{name}.tool", command.tool) for name, command in command_items(script)]
    named.append(("fallback.handoff.tool", script.fallback.handoff.tool))
    places: dict[str, list[str]] = {}
    for place, tool in named:
        if tool is not None:
            places.setdefault(tool, []).append(place)
    return places


def _check_placeholders(place: str, text: str, slots: Mapping[str, object]) -> None:
    for name in _PLACEHOLDER.findall(text):
        if name not in slots and name != "result" and not name.startswith(_OUTSIDE):
            raise ValueError(f"{place}: {{{name}}} is not a slot of this intent{nearest(name, slots)}")


def _check_values(place: str, phrase: str, slots: Mapping[str, object]) -> None:
    for name in names_in(parse_pattern(phrase)):
        if name not in slots:
            raise ValueError(f"{place}: {{{name}}} is not a slot of this intent{nearest(name, slots)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """A remark on the known name that was probably meant; empty where none is near."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{found[0]}'?" if found else ""
