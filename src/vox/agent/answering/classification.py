"""Who has answered a call, by the words: a person, a voicemail greeting, a call screening or a menu. Pure.

What the recogniser makes of a telephone line has mistakes in it, so single telling phrases decide, in the languages below. What they do
not decide is undecided; a short sentence without any of them is a person.
"""

import re
from enum import StrEnum
from typing import Final

MAX_PERSON_WORDS: Final = 7
"""People who pick up say less than machines."""


class AnsweredBy(StrEnum):
    """Who has answered; also what the session variable `answered_by` says."""

    PERSON = "person"
    VOICEMAIL = "voicemail"
    SCREENING = "screening"
    MENU = "menu"


_SCREENING: Final = (
    r"\bscreening\b",
    r"\b(record|say|state|tell me) your name\b",
    r"\byour name and (the )?(reason|why|purpose|what)\b",
    r"\bwhy you('| a)?re calling\b",
    r"\b(nennen|sagen) sie (bitte )?ihren namen und\b",
    r"\bgrund ihres anrufs\b",
    r"\b(diga|indique) su nombre y\b",
    r"\b(dites|indiquez) votre nom et\b",
)
_VOICEMAIL: Final = (
    r"\bleave (me |us )?(a|your|the) (\w+ )?(message|name|number)\b",
    r"\b(after|at) the (tone|beep|signal)\b",
    r"\bvoice ?mail\b",
    r"\bmail ?box\b",
    r"\banswering machine\b",
    r"\brecord (a|your) message\b",
    r"\b(can ?not|can't|unable to|not able to) (come to|answer|take|get to|reach) (the|your|my)? ?(phone|call)\b",
    r"\bnot available (right now|at the moment|to take)\b",
    r"\b(get|call) (right )?back to you\b",
    r"\bnach dem (signal|piep|ton|signalton|piepton)\b",
    r"\b(hinterlassen|sprechen) sie (bitte )?(\w+ )?(eine |ihre )?nachricht\b",
    r"\banrufbeantworter\b",
    r"\b(zurzeit|momentan|derzeit|gerade) nicht (erreichbar|zu erreichen)\b",
    r"\bdeje (su|un) mensaje\b",
    r"\bdespu[eé]s (del tono|de la se[nñ]al)\b",
    r"\bbuz[oó]n de voz\b",
    r"\blaissez (un|votre|nous un|moi un) message\b",
    r"\bapr[eè]s le (bip|signal sonore)\b",
    r"\b(messagerie|bo[iî]te) vocale\b",
)
_MENU: Final = (
    r"\b(press|dial|enter|push) (the )?(\d|zero|one|two|three|four|five|six|seven|eight|nine|star|pound|hash)\b",
    r"\bmain menu\b",
    r"\bmenu options\b",
    r"\boptions have changed\b",
    r"\blisten (carefully )?to the following\b",
    r"\bpara espa[nñ]ol\b",
    r"\bdr[uü]cken sie\b",
    r"\bw[aä]hlen sie die\b",
    r"\b(pulse|presione|marque) (el |la )?(\d|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|cero|tecla)\b",
    r"\b(appuyez sur|tapez) (la touche |le )?(\d|un|deux|trois|quatre|cinq|six|sept|huit|neuf|z[eé]ro|[eé]toile|di[eè]se)\b",
)
_TABLE: Final = tuple(
    (kind, re.compile("|".join(patterns), re.IGNORECASE))
    for kind, patterns in (
        (AnsweredBy.SCREENING, _SCREENING),
        (AnsweredBy.VOICEMAIL, _VOICEMAIL),
        (AnsweredBy.MENU, _MENU),
    )
)
MODEL_PROMPT: Final = (
    "Someone was called by telephone. You are given the first words that were heard. Decide who answered, and reply with exactly one"
    " word: PERSON if a human being is there, VOICEMAIL if it is the greeting of a voicemail or answering machine, SCREENING if a"
    " machine asks who is calling and why before it connects, MENU if it is an automated menu or announcement of a company."
)


def machine_in(text: str) -> AnsweredBy | None:
    """The machine that these words belong to; None where no phrase tells, also in the middle of a sentence."""
    straight = text.replace("\u2019", "'")
    return next((kind for kind, pattern in _TABLE if pattern.search(straight)), None)


def classify(text: str) -> AnsweredBy | None:
    """Who has said all of this; None where the words do not tell."""
    if (machine := machine_in(text)) is not None:
        return machine
    return AnsweredBy.PERSON if 0 < len(text.split()) <= MAX_PERSON_WORDS else None


def from_model(answer: str) -> AnsweredBy | None:
    """What a model's answer to `MODEL_PROMPT` says; None where it names none of them, or several."""
    named = [kind for kind in AnsweredBy if kind.name in answer.upper()]
    return named[0] if len(named) == 1 else None
