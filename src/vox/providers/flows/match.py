"""Finds in the caller's words what a flow can use: an intent, values of slots, a command, a keyword.

Pure and built once per flow. Nothing here decides what happens next; `machine.py` does.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import log
from typing import Final

from vox.providers.flows.patterns import Node, Parser, heard_words, match_at, parse_pattern, words_in
from vox.providers.flows.rendering import Value
from vox.providers.flows.schema import ChoiceSlot, Faq, Script, Slot, TextSlot, TimeSlot, command_items, command_phrases
from vox.providers.flows.slots import accept, choice_patterns, frames_of, is_certain, read_slot
from vox.providers.flows.values import Reading, read_yes_no

FILLERS: Final = frozenset(
    [
        "um",
        "uh",
        "er",
        "ah",
        "hmm",
        "mm",
        "well",
        "so",
        "like",
        "please",
        "thanks",
        "thank",
        "you",
        "okay",
        "ok",
        "hello",
        "hi",
        "hey",
        "there",
        "good",
        "morning",
        "afternoon",
        "evening",
    ]
)
"""Words that carry nothing by themselves: they do not count against a match."""

COMMON: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "i",
        "you",
        "we",
        "it",
        "is",
        "are",
        "am",
        "was",
        "do",
        "does",
        "can",
        "could",
        "would",
        "will",
        "what",
        "when",
        "where",
        "how",
        "which",
        "who",
        "that",
        "this",
        "to",
        "of",
        "in",
        "on",
        "at",
        "for",
        "me",
        "my",
        "your",
        "our",
        "there",
        "have",
        "has",
        "be",
        "and",
        "or",
        "not",
    ]
)
"""Words that tell no intent from another."""

GREETINGS: Final = frozenset({"hello", "hi", "hey"})

_CERTAIN_WORDS = 3
_COVERED = 0.5
_ALIKE = 0.6
_AHEAD = 1.25


@dataclass(frozen=True, slots=True)
class Details:
    """Values found for slots. `refused` are slots for which only values out of their range were said."""

    values: Mapping[str, Value] = field(default_factory=dict[str, Value])
    refused: frozenset[str] = frozenset()
    matched: int = 0

    def __bool__(self) -> bool:
        return bool(self.values or self.refused)


@dataclass(frozen=True, slots=True)
class HeardIntent:
    """An intent that was recognised, with what was said beside it; `matched` words of the utterance fit."""

    name: str
    details: Details
    matched: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    start: int
    end: int
    slot: str
    raw: object
    is_asked: bool


class Matcher:
    """A flow's phrases, ready to be compared with what was heard."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._phrases = {
            name: tuple(parse_pattern(phrase) for phrase in intent.phrases) for name, intent in script.intents.items()
        }
        self._frames = {
            (name, slot_name): frames_of(slot_name, slot)
            for name, intent in script.intents.items()
            for slot_name, slot in intent.slots.items()
        }
        self._commands = {
            name: tuple(parse_pattern(phrase) for phrase in command_phrases(name, command))
            for name, command in command_items(script)
        }
        self._choices = {
            id(slot): choice_patterns(slot)
            for intent in script.intents.values()
            for slot in intent.slots.values()
            if isinstance(slot, ChoiceSlot)
        }
        self._faq = tuple((entry, tuple(heard_words(keyword) for keyword in entry.keywords)) for entry in script.faq)
        self._vocabulary = {
            name: frozenset(part for node in nodes for word in words_in(node, optional=False) for part in word.heard)
            - FILLERS
            - COMMON
            for name, nodes in self._phrases.items()
        }
        spread = Counter(word for words in self._vocabulary.values() for word in words)
        self._weights = {word: log(1 + len(self._vocabulary) / count) for word, count in spread.items()}
        self._unknown_weight = log(1 + len(self._vocabulary))

    def intent(self, words: Sequence[str], today: date) -> HeardIntent | None:
        """The intent whose phrases, with its details, fit most of the words."""
        found = (self._fit(name, nodes, words, today) for name, nodes in self._phrases.items())
        return max((each for each in found if each is not None), key=lambda each: each.matched, default=None)

    def guess(self, words: Sequence[str], today: date) -> HeardIntent | None:
        """The intent that shares clearly most of the words that tell intents apart."""
        said = {word for word in words if word not in FILLERS | COMMON}
        total = sum(self._weights.get(word, self._unknown_weight) for word in said)
        scores = sorted(
            ((sum(self._weights[word] for word in said & known), name) for name, known in self._vocabulary.items()),
            reverse=True,
        )
        if not scores or total == 0 or scores[0][0] < _ALIKE * total:
            return None
        if len(scores) > 1 and scores[0][0] < _AHEAD * scores[1][0]:
            return None
        name = scores[0][1]
        return HeardIntent(name, self.details(name, words, today), 1)

    def command(self, words: Sequence[str]) -> str | None:
        """The universal command that these words are, and little else."""
        for name, nodes in self._commands.items():
            for node in nodes:
                for start in range(len(words)):
                    for end, _ in match_at(node, words, start, _no_values):
                        if all(word in FILLERS for word in (*words[:start], *words[end:])):
                            return name
        return None

    def faq(self, words: Sequence[str]) -> Faq | None:
        """The entry most of whose keywords occur; longer keywords weigh more."""
        scores = [(sum(len(key) for key in keys if _occurs(key, words)), entry) for entry, keys in self._faq]
        score, entry = max(scores, key=lambda scored: scored[0], default=(0, None))
        return entry if score else None

    def details(
        self, intent: str, words: Sequence[str], today: date, *, asked: str | None = None, loose: bool = False
    ) -> Details:
        """Values of the intent's slots in the words. The `asked` slot is found without a frame, as are all if `loose`."""
        slots = self._script.intents[intent].slots
        if asked is not None and isinstance(slots[asked], TextSlot) and words:
            return Details({asked: " ".join(words)}, matched=len(words))
        candidates = sorted(
            self._candidates(intent, words, today, asked, loose=loose),
            key=lambda one: (one.start - one.end, not one.is_asked, one.start),
        )
        taken: list[_Candidate] = []
        values: dict[str, Value] = {}
        refused: set[str] = set()
        for one in candidates:
            if one.slot in values or any(one.start < other.end and other.start < one.end for other in taken):
                continue
            value = accept(slots[one.slot], one.raw, today)
            if value is None:
                if one.slot not in refused:
                    refused.add(one.slot)
                    taken.append(one)
                continue
            taken.append(one)
            values[one.slot] = value
        return Details(values, frozenset(refused - values.keys()), sum(one.end - one.start for one in taken))

    def slot_named(self, intent: str, words: Sequence[str]) -> str | None:
        """The slot whose label or name is mentioned (`change the time`)."""
        for name, slot in self._script.intents[intent].slots.items():
            if _occurs(heard_words(slot.label or name.replace("_", " ")), words):
                return name
        return None

    def yes_no(self, words: Sequence[str]) -> tuple[bool, Sequence[str]] | None:
        """A yes or no at the beginning, fillers aside, and the words that follow it."""
        start = 0
        while start < len(words):
            if readings := read_yes_no(words, start):
                end, value = readings[0]
                return bool(value), words[end:]
            if words[start] not in FILLERS:
                return None
            start += 1
        return None

    def _fit(self, name: str, nodes: tuple[Node, ...], words: Sequence[str], today: date) -> HeardIntent | None:
        slots = self._script.intents[name].slots

        def parse(slot: str, at: int) -> Reading:
            return read_slot(slots[slot], self._choices.get(id(slots[slot]), ()), words, at, today)

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
                    beside = (*words[:start], *("" for _ in range(end - start)), *words[end:])
                    details = _joined(slots, bindings, self.details(name, beside, today) if slots else Details(), today)
                    matched = end - start + details.matched
                    if kept < _CERTAIN_WORDS and kept + details.matched < _COVERED * carrying:
                        continue
                    if best is None or matched > best.matched:
                        best = HeardIntent(name, details, matched)
        return best

    def _candidates(
        self, intent: str, words: Sequence[str], today: date, asked: str | None, *, loose: bool
    ) -> Iterator[_Candidate]:
        for name, slot in self._script.intents[intent].slots.items():
            is_asked = name == asked

            choices = self._choices.get(id(slot), ())
            readings = [read_slot(slot, choices, words, at, today) for at in range(len(words))]

            def parse(_: str, at: int, readings: Sequence[Reading] = readings) -> Reading:
                return readings[at] if at < len(readings) else []

            for start in range(len(words)):
                for node in self._frames[intent, name]:
                    for end, bindings in match_at(node, words, start, parse):
                        raw = bindings[0][1]
                        if (
                            is_asked
                            or loose
                            or is_certain(slot, raw, framed=_is_framed(slot, words, start, end, raw, parse))
                        ):
                            yield _Candidate(start, end, name, raw, is_asked)
                if is_asked or loose:
                    for end, raw in parse(name, start):
                        yield _Candidate(start, end, name, raw, is_asked)


def _is_framed(slot: Slot, words: Sequence[str], start: int, end: int, raw: object, parse: Parser) -> bool:
    """Whether the match has words of its own around the value; `for seven` is too little to be a time."""
    if any(last == end and value == raw for last, value in parse("", start)):
        return False
    return not (isinstance(slot, TimeSlot) and words[start] == "for")


def _joined(
    slots: Mapping[str, Slot], bindings: Iterable[tuple[str, object]], details: Details, today: date
) -> Details:
    values = dict(details.values)
    refused = set(details.refused)
    for name, raw in bindings:
        value = accept(slots[name], raw, today)
        if value is None:
            refused.add(name)
        else:
            values[name] = value
    return Details(values, frozenset(refused - values.keys()), details.matched)


def _occurs(keyword: tuple[str, ...], words: Sequence[str]) -> bool:
    return any(tuple(words[at : at + len(keyword)]) == keyword for at in range(len(words) - len(keyword) + 1))


def _no_values(_name: str, _at: int) -> Reading:
    return []
