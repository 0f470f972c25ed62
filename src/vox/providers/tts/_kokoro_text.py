"""Cuts a text where a speaker would pause, and plans which parts the model speaks in one run. Pure.

A run costs 0.35 core-seconds and half a second per second of speech, and cannot be heard before it is over. So the first one is
short, and each further one may be a third longer: it is ready before what was said so far has been heard, where there is a
core for it. What fits is never cut, because whole sentences sound better.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

FIRST_PHONEMES = 24
"""Length of a first run, about 1.1 s of speech."""
LONGEST_RUN = 160
"""Length up to which runs grow."""
GROWTH = 4 / 3
WORTH_CUTTING = 2
"""A clause is cut where a run with all of it were this many times as long as it may be: a cut can be heard."""
MAX_PHONEMES = 400
"""The model takes 510."""

SENTENCE_MARKS = frozenset(".!?…")
_MARKS = re.compile(r"[,;:.!?…।。！？]+[\"'”’»)\]]*(?=\s|$)|\s[-–—]+(?=\s)|—|\n+")  # noqa: RUF001  all of them are meant
_ABBREVIATIONS = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "etc", "e.g", "i.e", "approx", "dept", "inc", "ltd", "jr", "sr"}
    | {"sra", "dott", "sig", "mme", "av", "nº"}
)
_STRONGEST = (("?？", "?"), ("!！", "!"), ("…", "…"), (".।。", "."), (";", ";"), (":", ":"), (",", ","))  # noqa: RUF001
_WORD = re.compile(r"\S+")
_SHORTEST_REST = 20
_STRESSED = "ˈ"  # noqa: RUF001  the mark of primary stress, no accent
_STRESS = f"{_STRESSED}ˌ"


@dataclass(frozen=True, slots=True)
class Section:
    """`text[start:end]` is spoken without a pause; `mark` is the punctuation behind it, empty at a text's open end."""

    start: int
    end: int
    mark: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """A section's phonemes, words parted by blanks, and where its words stand in the text."""

    phonemes: str
    mark: str
    words: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What the model speaks at a time; `words` are (start, end, share of the run's length at which the word begins)."""

    phonemes: str
    mark: str
    words: tuple[tuple[int, int, float], ...]


def sections(text: str) -> list[Section]:
    """The parts of a text between its punctuation; a decimal point or an abbreviation's ends none."""
    found: list[Section] = []
    start = 0
    for match in _MARKS.finditer(text):
        if match.start() < start or _is_inside(text[start : match.start()], match.group()):
            continue
        _append(found, text, start, match.start(), _mark(match.group()))
        start = match.end()
    _append(found, text, start, len(text), "")
    return found


def spoken(text: str, section: Section, phonemes: str) -> Spoken:
    """A section with its phonemes; its words are those that begin in it, with the punctuation that adheres to them."""
    words = tuple(match.span() for match in _WORD.finditer(text) if section.start <= match.start() < section.end)
    return Spoken(phonemes, section.mark, words)


def plan(parts: Sequence[Spoken]) -> list[Run]:
    """The runs in which these sections are spoken."""
    pending = [piece for part in reversed(parts) for piece in reversed(list(_bounded(part)))]
    runs: list[Run] = []
    taken: list[Spoken] = []
    length, limit = 0, FIRST_PHONEMES
    while pending:
        piece = pending.pop()
        room = max(1, limit - length)
        cut = _cut(piece, room) if length + len(piece.phonemes) >= WORTH_CUTTING * limit else None
        if cut is not None:
            piece, rest = cut
            pending.append(rest)
        taken.append(piece)
        length += len(piece.phonemes)
        if not pending or cut is not None or _is_enough(length, limit, piece.mark, len(pending[-1].phonemes)):
            runs.append(_run(taken))
            taken, length, limit = [], 0, min(LONGEST_RUN, round(limit * GROWTH))
    return runs


def _is_enough(length: int, limit: int, mark: str, following: int) -> bool:
    """Whether a run is long enough: it never is below half of its limit, and from there where a sentence ends."""
    return length >= limit // 2 and (mark in SENTENCE_MARKS or length + following > limit)


def _run(parts: Sequence[Spoken]) -> Run:
    """Joins sections; a word begins where the phonemes before it end, or by its letters where the counts differ."""
    phonemes = " ".join(part.phonemes + part.mark for part in parts)
    total = sum(map(_weight, phonemes)) or 1.0
    words: list[tuple[int, int, float]] = []
    before = 0.0
    for part in parts:
        weight = sum(map(_weight, part.phonemes))
        words += [(start, end, (before + share * weight) / total) for start, end, share in _shares(part)]
        before += weight + sum(map(_weight, part.mark)) + _weight(" ")
    return Run(phonemes, parts[-1].mark, tuple(words))


def _shares(part: Spoken) -> Iterator[tuple[int, int, float]]:
    sounds = part.phonemes.split()
    is_one_to_one = len(sounds) == len(part.words)
    lengths = (
        [sum(map(_weight, sound)) for sound in sounds] if is_one_to_one else [float(end - at) for at, end in part.words]
    )
    total = sum(lengths) or 1.0
    before = 0.0
    for (start, end), length in zip(part.words, lengths, strict=True):
        yield start, end, before / total
        before += length


def _weight(symbol: str) -> float:
    """How long a symbol sounds, in phonemes."""
    if symbol in _STRESS:
        return 0.0
    if symbol == " ":
        return 0.3
    return 3.0 if symbol in ",;:.!?…—" else 1.0


def _bounded(part: Spoken) -> Iterator[Spoken]:
    """Cuts what is longer than the model takes, between words where there are any."""
    while len(part.phonemes) > MAX_PHONEMES:
        at = part.phonemes.rfind(" ", 1, MAX_PHONEMES)
        first, part = _split(part, at if at > 0 else MAX_PHONEMES)
        yield first
    yield part


def _cut(part: Spoken, length: int) -> tuple[Spoken, Spoken] | None:
    """Cuts a long clause before an unstressed word, which in most languages begins a new group of words."""
    blanks = (match.start() for match in re.finditer(" ", part.phonemes))
    near = [at for at in blanks if length // 2 <= at <= length * 3 // 2 and len(part.phonemes) - at > _SHORTEST_REST]
    good = [at for at in near if _begins_group(part.phonemes, at)]
    return _split(part, min(good, key=lambda at: abs(at - length))) if good else None


def _begins_group(phonemes: str, blank: int) -> bool:
    before = phonemes[:blank].rpartition(" ")[2]
    after = phonemes[blank + 1 :].partition(" ")[0]
    return _STRESSED in before and _STRESSED not in after


def _split(part: Spoken, at: int) -> tuple[Spoken, Spoken]:
    head, tail = part.phonemes[:at].rstrip(), part.phonemes[at:].lstrip()
    sounds = len(part.phonemes.split())
    kept = len(head.split())
    words = kept if sounds == len(part.words) else round(len(part.words) * len(head) / max(1, len(part.phonemes)))
    return Spoken(head, "", part.words[:words]), replace(part, phonemes=tail, words=part.words[words:])


def _append(found: list[Section], text: str, start: int, end: int, mark: str) -> None:
    if any(letter.isalnum() for letter in text[start:end]) or (text[start:end].strip() and not mark):
        found.append(Section(start, end, mark))
    elif found and mark in SENTENCE_MARKS:
        found[-1] = replace(found[-1], mark=mark)


def _is_inside(before: str, mark: str) -> bool:
    """Whether a full stop belongs to the word before it."""
    if mark != ".":
        return False
    word = before.rsplit(None, 1)[-1].lstrip("(\"'«“").casefold() if before.strip() else ""
    return word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i")


def _mark(text: str) -> str:
    return next((mark for letters, mark in _STRONGEST if any(letter in text for letter in letters)), ",")
