"""Finds the values of an intent's slots in what was said, and decides between those that compete.

A value stands in a frame of its own (`for four people`), or is all that its words can mean, or was asked for. What is said
twice differently is a correction where it is marked as one (`four, no, five`), and otherwise not a value: it is asked again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, cast

from vox.providers.flows.forms import IMPOSSIBLE, Reading
from vox.providers.flows.patterns import Parser, match_at
from vox.providers.flows.rendering import Value
from vox.providers.flows.schema import DateSlot, Script, Slot, TextSlot, TimeSlot
from vox.providers.flows.slots import accept, frames_of, is_certain, named_values, read_slot
from vox.providers.flows.wording import heard_words

CORRECTIONS: Final = frozenset(
    [
        "no",
        "sorry",
        "actually",
        "rather",
        "mean",
        "meant",
        "instead",
        "wait",
        "correction",
        "make",
        "said",
        "change",
        "move",
        "shift",
        "switch",
    ]
)
"""Words that announce that what follows replaces what was said before."""


MOST_WORDS: Final = 200
"""Of one text value; what is said behind them is not kept."""


@dataclass(frozen=True, slots=True)
class Details:
    """Values found for slots.

    Attributes:
        values: what is allowed.
        refused: slots for which only values out of their range were said.
        unclear: those for which several values were said, or one that does not exist.
        matched: how many words the values take.
        rivals: slots that the same words could be a value of, where nothing tells which was meant.
    """

    values: Mapping[str, Value] = field(default_factory=dict[str, Value])
    refused: frozenset[str] = frozenset()
    unclear: frozenset[str] = frozenset()
    matched: int = 0
    rivals: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.values or self.refused or self.unclear)


@dataclass(frozen=True, slots=True)
class Search:
    """Which slots may be found without a frame: the one that was asked for, or all of them (`loose`).

    `filled` are those that have a value already; a correction is more likely to be about them.
    """

    asked: str | None = None
    loose: bool = False
    filled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Candidate:
    start: int
    end: int
    slot: str
    raw: object
    is_asked: bool

    def overlaps(self, other: "_Candidate") -> bool:
        return self.start < other.end and other.start < self.end


class ValueFinder:
    """The slots of a flow's intents, ready to be found in what was heard."""

    def __init__(self, script: Script) -> None:
        self._slots: Mapping[str, Mapping[str, Slot]] = {name: intent.slots for name, intent in script.intents.items()}
        slots = [(name, key, slot) for name, found in self._slots.items() for key, slot in found.items()]
        self._frames = {(name, key): frames_of(key, slot) for name, key, slot in slots}
        self._named = {(name, key): named_values(slot) for name, key, slot in slots}

    def read(self, intent: str, slot: str, words: Sequence[str], at: int, today: date) -> Reading:
        """Every value of the slot's type that begins at a word."""
        return read_slot(self._slots[intent][slot], self._named[intent, slot], words, at, today)

    def free_text(self, intent: str, slot: str, speech: str) -> str:
        """The speech as it was written down, without the words of the slot's frame around it."""
        tokens = speech.split()[:MOST_WORDS]
        counts = [len(heard_words(token)) for token in tokens]
        words = heard_words(" ".join(tokens))
        begins = {sum(counts[:at]): at for at in range(len(tokens), -1, -1)}
        values = [
            at
            for node in self._frames[intent, slot]
            for _, bindings in match_at(node, words, 0, lambda _, at: [(len(words), at)] if at < len(words) else [])
            for _, at in bindings
        ]
        start = max((cast("int", at) for at in values if at in begins), default=0)
        return " ".join(tokens[begins[start] :]).strip(" ,;:-.!?")

    def find(self, intent: str, words: Sequence[str], today: date, search: Search | None = None) -> Details:
        """Values of the intent's slots in the words; an empty word stands for one that is taken already."""
        search = search or Search()
        slots = {name: slot for name, slot in self._slots[intent].items() if not isinstance(slot, TextSlot)}
        corrects = not CORRECTIONS.isdisjoint(words[:2])
        candidates = sorted(
            self._candidates(intent, words, today, search),
            key=lambda one: (
                one.start - one.end,
                corrects and one.slot not in search.filled,
                not one.is_asked,
                one.start,
            ),
        )
        first: dict[str, _Candidate] = {}
        for one in candidates:
            if one.slot not in first and not any(one.overlaps(other) for other in first.values()):
                first[one.slot] = one
        matched = 0
        values: dict[str, Value] = {}
        refused: set[str] = set()
        unclear: set[str] = set()
        for name, one in tuple(first.items()):
            taken = [other for key, other in first.items() if key != name]
            more = [
                other
                for other in candidates
                if other.slot == name and not other.overlaps(one) and not any(other.overlaps(each) for each in taken)
            ]
            apart = _apart([one, *more])
            matched += sum(each.end - each.start for each in apart)
            said = _standing(apart, words)
            found = {accept(slots[name], each.raw, today) for each in said}
            value = found.pop() if len(found) == 1 else None
            if value is not None:
                values[name] = value
            elif found or any(each.raw is IMPOSSIBLE for each in said):
                unclear.add(name)
            else:
                refused.add(name)
        rivals = _rivals(slots, candidates, first, search, today) if search.loose else frozenset[str]()
        if rivals:
            return Details(rivals=rivals)
        return Details(values, frozenset(refused), frozenset(unclear), matched)

    def _candidates(self, intent: str, words: Sequence[str], today: date, search: Search) -> Iterator[_Candidate]:
        for name, slot in self._slots[intent].items():
            if isinstance(slot, TextSlot):
                continue
            is_asked = name == search.asked
            readings = [self.read(intent, name, words, at, today) for at in range(len(words))]

            def parse(_: str, at: int, readings: Sequence[Reading] = readings) -> Reading:
                return readings[at] if at < len(readings) else []

            for start in range(len(words)):
                for node in self._frames[intent, name]:
                    for end, bindings in match_at(node, words, start, parse):
                        raw = bindings[0][1]
                        framed = _is_framed(slot, words, start, end, raw, parse)
                        is_sure = is_certain(slot, raw, framed=framed) and not _is_bare_figure(slot, words, start, end)
                        if is_asked or search.loose or is_sure:
                            yield _Candidate(start, end, name, raw, is_asked)
                if is_asked or search.loose or self._named[intent, name]:
                    for end, raw in parse(name, start):
                        if is_asked or search.loose or self._is_named(intent, name, words, start, end):
                            yield _Candidate(start, end, name, raw, is_asked)

    def _is_named(self, intent: str, slot: str, words: Sequence[str], start: int, end: int) -> bool:
        """Whether the words are one of the slot's own ways of saying a value: then nothing else can be meant."""
        return end - start > 1 and any(
            last == end
            for node, _ in self._named[intent, slot]
            for last, _ in match_at(node, words, start, lambda _name, _at: ())
        )


def _is_framed(slot: Slot, words: Sequence[str], start: int, end: int, raw: object, parse: Parser) -> bool:
    """Whether the match has words of its own around the value; `for seven` is too little to be a time."""
    if any(last == end and value == raw for last, value in parse("", start)):
        return False
    return not (isinstance(slot, TimeSlot) and words[start] == "for")


def _is_bare_figure(slot: Slot, words: Sequence[str], start: int, end: int) -> bool:
    """Whether a day was only a figure, which may count anything: `4`, `for 4`."""
    said = words[start:end] if words[start] != "for" else words[start + 1 : end]
    return isinstance(slot, DateSlot) and len(said) == 1 and said[0].isdecimal()


def _apart(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The candidates that do not overlap, longest first choice, in the order in which they were said."""
    kept: list[_Candidate] = []
    for one in candidates:
        if not any(one.overlaps(other) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.start)


def _standing(said: Sequence[_Candidate], words: Sequence[str]) -> list[_Candidate]:
    """What was said of a slot without what was taken back: `four, no, five`, `friday, not saturday`, `from two to three`."""
    standing = [one for one in said if not _is_denied(words, one.start)] or list(said[-1:])
    chosen = standing[:1]
    for one in standing[1:]:
        between = set(words[chosen[-1].end : one.start])
        before = words[chosen[-1].start - 1] if chosen[-1].start else ""
        is_correction = between & CORRECTIONS or (before == "from" and words[one.start - 1] == "to")
        chosen = [one] if is_correction else [*chosen, one]
    return chosen


def _is_denied(words: Sequence[str], start: int) -> bool:
    before = tuple(words[max(0, start - 2) : start])
    return before[-1:] == ("not",) or before in {("instead", "of"), ("rather", "than")}


def _rivals(
    slots: Mapping[str, Slot],
    candidates: Sequence[_Candidate],
    first: Mapping[str, _Candidate],
    search: Search,
    today: date,
) -> frozenset[str]:
    """The slots that the very same words are a value of, where one of them had no reason to be preferred."""
    for name, one in first.items():
        same = {
            other.slot
            for other in candidates
            if (other.start, other.end) == (one.start, one.end)
            and accept(slots[other.slot], other.raw, today) is not None
        }
        if len(same) > 1 and name in same and search.asked not in same:
            return frozenset(same)
    return frozenset()
