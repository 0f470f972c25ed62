"""Finds in the caller's words what a flow's phrases say: an intent with its values, a command, yes or no.

Pure and built once per flow. What fits no phrase is judged by `topics.py`; `machine.py` decides what happens next.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from vox.providers.flows import vocabulary
from vox.providers.flows.details import Details, Search, ValueFinder
from vox.providers.flows.forms import IMPOSSIBLE, Reading
from vox.providers.flows.lexical import GLUE
from vox.providers.flows.patterns import Node, match_at, parse_pattern
from vox.providers.flows.phrasing import label_of
from vox.providers.flows.schema import Script, Slot, command_items, command_phrases
from vox.providers.flows.slots import accept
from vox.providers.flows.wording import heard_words
from vox.providers.flows.yes_no import read_yes_no

FILLERS: Final = frozenset(
    [
        "um",
        "uh",
        "er",
        "ah",
        "oh",
        "hmm",
        "mm",
        "huh",
        "mhm",
        "erm",
        "well",
        "so",
        "like",
        "please",
        "thanks",
        "thank",
        "you",
        "okay",
        "hello",
        "hi",
        "hey",
        "there",
        "good",
        "morning",
        "afternoon",
        "evening",
        "right",
        "alright",
        "sorry",
        "actually",
    ]
)
"""Words that carry nothing by themselves: they do not count against a match."""

_GREETINGS: Final = frozenset({"hello", "hi", "hey"})
_PARTS_OF_DAY: Final = frozenset({"morning", "afternoon", "evening"})
_VALUE_WORDS: Final = frozenset(
    {*vocabulary.UNITS, *vocabulary.TEENS, *vocabulary.TENS, *vocabulary.WEEKDAYS, *_PARTS_OF_DAY}
    | {"noon", "midday", "midnight", "today", "tonight", "tomorrow", "half", "quarter", "past", "o'clock"}
)
_OPENERS: Final = frozenset(
    [
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "how",
        "is",
        "are",
        "do",
        "does",
        "did",
        "can",
        "could",
        "will",
        "would",
        "should",
        "may",
        "have",
        "has",
        "any",
    ]
)
_CERTAIN_WORDS: Final = 3
_COVERED: Final = 0.5


@dataclass(frozen=True, slots=True)
class HeardIntent:
    """An intent that was recognised, with what was said beside it.

    `matched` words of the utterance fit; `beside` of the rest carry a meaning of their own.
    """

    name: str
    details: Details
    matched: int
    beside: int = 0


class Matcher:
    """A flow's phrases, ready to be compared with what was heard."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._finder = ValueFinder(script)
        self._phrases = {
            name: tuple(parse_pattern(phrase) for phrase in intent.phrases) for name, intent in script.intents.items()
        }
        self._commands = {
            name: tuple(parse_pattern(phrase) for phrase in command_phrases(name, command))
            for name, command in command_items(script)
        }

    def intent(self, words: Sequence[str], today: date) -> HeardIntent | None:
        """The intent whose phrases, with its details, fit most of the words."""
        found = (self._fit(name, nodes, words, today) for name, nodes in self._phrases.items())
        return max((each for each in found if each is not None), key=lambda each: each.matched, default=None)

    def command(self, words: Sequence[str]) -> str | None:
        """The universal command that these words are, and little else."""
        for name, nodes in self._commands.items():
            for node in nodes:
                for start in range(len(words)):
                    for end, _ in match_at(node, words, start, _no_values):
                        if is_filler((*words[:start], *words[end:])):
                            return name
        return None

    def details(self, intent: str, words: Sequence[str], today: date, search: Search | None = None) -> Details:
        """Values of the intent's slots in the words."""
        return self._finder.find(intent, words, today, search)

    def free_text(self, intent: str, slot: str, speech: str) -> str:
        """What was said as the value of a `text` slot, without the words of its frame (`my name is`)."""
        return self._finder.free_text(intent, slot, speech)

    def slot_named(self, intent: str, words: Sequence[str]) -> str | None:
        """The slot whose label or name is mentioned (`change the time`), or the last word of one label alone."""
        labels = {name: heard_words(label_of(name, slot)) for name, slot in self._script.intents[intent].slots.items()}
        for name, label in labels.items():
            if _occurs(label, words) or _occurs(heard_words(name.replace("_", " ")), words):
                return name
        found = [name for name, label in labels.items() if label[-1] in words]
        return found[0] if len(found) == 1 else None

    def _fit(self, name: str, nodes: tuple[Node, ...], words: Sequence[str], today: date) -> HeardIntent | None:
        slots = self._script.intents[name].slots

        def parse(slot: str, at: int) -> Reading:
            return self._finder.read(name, slot, words, at, today)

        best: HeardIntent | None = None
        carrying = sum(word not in FILLERS for word in words)
        for start in range(len(words)):
            for node in nodes:
                for end, bindings in match_at(node, words, start, parse):
                    if best is not None and end - start <= best.matched and not slots:
                        continue
                    kept = sum(word not in FILLERS for word in words[start:end])
                    if kept == 0:
                        continue
                    rest = (*words[:start], *("" for _ in range(end - start)), *words[end:])
                    details = _joined(slots, bindings, self.details(name, rest, today) if slots else Details(), today)
                    matched = end - start + details.matched
                    if kept < _CERTAIN_WORDS and kept + details.matched < _COVERED * carrying:
                        continue
                    if best is None or matched > best.matched:
                        beside = content_words(rest) - details.matched
                        best = HeardIntent(name, details, matched, max(0, beside))
        return best


def yes_no(words: Sequence[str]) -> tuple[bool, Sequence[str]] | None:
    """A yes or no at the beginning, fillers aside, however often it is said, and the words that follow it."""
    start = 0
    answers: set[bool] = set()
    while start < len(words):
        if readings := read_yes_no(words, start):
            start, value = readings[0][0], bool(readings[0][1])
            answers.add(value)
        elif words[start] in FILLERS:
            start += 1
        else:
            break
    return (answers.pop(), words[start:]) if len(answers) == 1 else None


def is_filler(words: Iterable[str]) -> bool:
    """Whether none of the words carries anything."""
    return all(word in FILLERS for word in words)


def is_about_a_value(words: Sequence[str]) -> bool:
    """Whether the words name a part of a day or a number, little else, and ask nothing: a value that was misheard."""
    rest = [word for word in words if word not in _VALUE_WORDS and not word.isdecimal()]
    return len(rest) < len(words) and content_words(rest) <= 1 and words[0] not in _OPENERS


def is_greeting(words: Sequence[str]) -> bool:
    """Whether the words are a greeting and nothing else."""
    said = set(words)
    return is_filler(words) and (
        not _GREETINGS.isdisjoint(said) or ("good" in said and not _PARTS_OF_DAY.isdisjoint(said))
    )


def content_words(words: Iterable[str]) -> int:
    """How many of the words carry a meaning."""
    return sum(bool(word) and word not in FILLERS and word not in GLUE for word in words)


def _joined(
    slots: Mapping[str, Slot], bindings: Iterable[tuple[str, object]], details: Details, today: date
) -> Details:
    values = dict(details.values)
    refused, unclear = set(details.refused), set(details.unclear)
    for name, raw in bindings:
        value = accept(slots[name], raw, today)
        if raw is IMPOSSIBLE:
            unclear.add(name)
        elif value is None:
            refused.add(name)
        else:
            values[name] = value
    return Details(values, frozenset(refused - values.keys()), frozenset(unclear - values.keys()), details.matched)


def _occurs(keyword: tuple[str, ...], words: Sequence[str]) -> bool:
    return any(tuple(words[at : at + len(keyword)]) == keyword for at in range(len(words) - len(keyword) + 1))


def _no_values(_name: str, _at: int) -> Reading:
    return []
