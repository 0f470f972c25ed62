"""Whether what a caller has said so far is a whole turn: pure rules on the transcript at a pause.

A wrong "unfinished" costs the caller a second, a wrong "complete" cuts them off; in doubt the answer is `UNKNOWN`, and the
turn ends after the usual pause.
"""

import re
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Literal

from vox.agent.turns.phrase_table import Phrases
from vox.agent.turns.phrases import phrases_of, spoken_words

Expected = Literal["", "yes_no", "number", "date", "time", "digits"]
"""The kind of answer that the open question asks for; empty: anything."""

_MIN_QUESTION_WORDS = 4
_SUBJECT_AND_VERB = 2
_GOES_ON = re.compile(r"(?:[,:;–—-]|\.\.+|…)\s*$")  # noqa: RUF001  dashes are meant
_ASKS = re.compile(r"[?？؟]\s*[\"'”’)\]]*$")  # noqa: RUF001  full-width marks are meant
_DIGITS = re.compile(r"\d+")


class Completeness(StrEnum):
    """The verdict on a transcript at a pause."""

    UNFINISHED = "unfinished"
    UNKNOWN = "unknown"
    COMPLETE = "complete"


def judge(text: str, *, language: str = "", expected: Expected = "") -> Completeness:
    """Whether the caller is likely to go on after this.

    Args:
        text: the transcript of the turn so far.
        language: BCP-47; languages without a table are judged by punctuation alone.
        expected: the kind of answer that was asked for, where it is known.
    """
    words = spoken_words(text)
    if not words:
        return Completeness.UNKNOWN
    if _GOES_ON.search(text):
        return Completeness.UNFINISHED
    phrases = phrases_of(language)
    said = " ".join(words)
    if said in phrases.answers or said in phrases.complete or _asks_for_silence(words, phrases):
        return Completeness.COMPLETE
    polite = len(words)
    while polite > 1 and words[polite - 1] in phrases.politeness:
        polite -= 1
    is_polite, words = polite < len(words), words[:polite]
    asks = _ASKS.search(text) is not None
    if _is_open(words, phrases):
        return Completeness.UNKNOWN if asks or _may_end(words, phrases) else Completeness.UNFINISHED
    if asks or is_polite or _answers(words, expected, phrases):
        return Completeness.COMPLETE
    return Completeness.COMPLETE if _is_question(words, phrases) else Completeness.UNKNOWN


def is_backchannel(text: str, language: str = "") -> bool:
    """Whether it only says that the caller listens ("uh huh", "yeah"); said to a question, the same words are an answer."""
    return _is_made_of(spoken_words(text), phrases_of(language).backchannels)


def is_silencer(text: str, language: str = "") -> bool:
    """Whether it asks for nothing but silence ("stop", "wait a moment", "okay, stop please")."""
    return _asks_for_silence(spoken_words(text), phrases_of(language))


def _asks_for_silence(words: Sequence[str], phrases: Phrases) -> bool:
    around = phrases.backchannels | phrases.politeness
    return _is_made_of(words, around | phrases.silencers) and not _is_made_of(words, around)


def _is_made_of(words: Sequence[str], phrases: Collection[str]) -> bool:
    """Whether the words are some of the phrases, one behind the other ("uh huh, yeah", "stop, stop")."""
    ends = {0}
    for end in range(1, len(words) + 1):
        if any(begin in ends and " ".join(words[begin:end]) in phrases for begin in range(end)):
            ends.add(end)
    return bool(words) and len(words) in ends


def _answers(words: list[str], expected: Expected, phrases: Phrases) -> bool:
    """Whether this is an answer of the kind asked for; "yes" and "no" are known without it."""
    last = words[-1]
    is_number = last in phrases.numbers or _DIGITS.fullmatch(last) is not None
    match expected:
        case "yes_no":
            return len(words) <= _MIN_QUESTION_WORDS and words[0] in phrases.answers
        case "number":
            return is_number or (len(words) > 1 and (words[-2] in phrases.numbers or words[-2].isdigit()))
        case "date":
            return last in phrases.days or _DIGITS.match(last) is not None
        case "time":
            return last in phrases.days or (is_number and len(words) > 1)
        case "digits" | "":
            return False


def _is_open(words: list[str], phrases: Phrases) -> bool:
    """Whether the last words demand another."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    said = f" {' '.join(words)}"
    if last in phrases.fillers or any(said.endswith(f" {ending}") for ending in phrases.endings):
        return True
    if last in phrases.auxiliaries:
        return before not in phrases.subjects or words[0] in phrases.openers
    if last in phrases.subjects and before in phrases.auxiliaries:
        return last not in {"that", "this", "it"} or len(words) == _SUBJECT_AND_VERB
    if last in phrases.transitive:
        return True
    return last in phrases.open_words or last in phrases.open_subjects


def _may_end(words: list[str], phrases: Phrases) -> bool:
    """Whether words that demand another may yet be the last, because an earlier one takes that place."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in phrases.particles and before in phrases.particle_verbs:
        return True
    if words[0] in phrases.object_questions:
        return last in phrases.closing_prepositions | phrases.transitive or words[-2:] == ["are", "you"]
    is_tag = last in phrases.subjects and before in phrases.auxiliaries and len(words) > _MIN_QUESTION_WORDS
    return is_tag and words[0] not in phrases.openers


def _is_question(words: list[str], phrases: Phrases) -> bool:
    """Whether it has the form of a question with its object; recognisers without punctuation mark none."""
    return len(words) >= _MIN_QUESTION_WORDS and words[0] in phrases.openers and words[-1] not in phrases.modifiers
