"""One answer under way: what it will sound like, and which of the model's responses each sentence belongs to."""

import asyncio
from dataclasses import dataclass, field

from vox.agent.call.conversation import Answer
from vox.agent.call.open_sentence import OpenSentence
from vox.agent.call.speakable import SpeakableText


@dataclass(frozen=True, slots=True)
class Sentence:
    """Text that is synthesised in one go."""

    answer: Answer
    text: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that are played as tones."""

    answer: Answer
    keys: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A sentence that is spoken while it is written."""

    answer: Answer
    sentence: OpenSentence


Pieces = asyncio.Queue[Sentence | Unfinished | Keys | None]
"""What an answer will sound like, in order; None ends it."""


@dataclass(slots=True, eq=False)
class Run:
    """One answer under way: the model's responses in it, and which sentence belongs to which.

    `voice` is its number at the output. A silent one is shown, not spoken. `reported` is how much of each sentence the client
    knows to be spoken, all of it for a sentence that is over. `is_voiced`: there is something to hear in it.
    """

    number: int
    voice: int
    is_silent: bool = False
    answers: list[Answer] = field(default_factory=list[Answer])
    owners: dict[int, Answer] = field(default_factory=dict[int, Answer])
    shown: int = 0
    reported: dict[int, str] = field(default_factory=dict[int, str])
    speakable: SpeakableText = field(default_factory=SpeakableText)
    spoken_answer: Answer | None = None
    is_voiced: bool = False
    task: asyncio.Task[None] | None = None
    end_reason: str | None = None
    is_over: bool = False
    is_generating: bool = False
    is_audible: bool = False
    is_held: bool = False
    is_speaking: bool = False
    has_pressed: bool = False
    has_filled: bool = False
