"""Whether a transcript is what the agent itself was saying: its voice came back, and the recogniser understood it. Pure."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from vox.text.words import contains_words, words

MIN_WORDS: Final = 3
"""Fewer words of the agent may be the caller's answer: "the small one"."""
MIN_SHARE: Final = 0.75
"""Of the transcript's words, in the agent's order; a recogniser mishears some of an echo."""
RECENT_WORDS: Final = 40


def is_echo(heard: str, said: str) -> bool:
    """Whether a whole transcript repeats what the agent has just been saying."""
    transcript, recent = words(heard), _recent(said)
    return len(transcript) >= MIN_WORDS and _share(transcript, recent) >= MIN_SHARE


def may_be_echo(heard: str, said: str) -> bool:
    """Whether an unfinished transcript is made of the agent's words so far: what follows decides."""
    transcript, recent = words(heard), _recent(said)
    if len(transcript) < MIN_WORDS:
        return contains_words(recent, transcript)
    return _share(transcript, recent) >= MIN_SHARE


def _recent(said: str) -> list[str]:
    return words(said)[-RECENT_WORDS:]


def _share(transcript: Sequence[str], recent: Sequence[str]) -> float:
    matcher = SequenceMatcher(None, recent, transcript, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks()) / len(transcript)
