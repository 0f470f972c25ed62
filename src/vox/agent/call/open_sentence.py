"""A sentence that is spoken while the model still writes it, for voices that take text word by word.

Only the first sentence of an answer is worth it: the others are whole before their turn comes. Only plain words go out early, and the
last few of them wait: a number, a mark or an abbreviation behind them may change how they are spoken.
"""

import asyncio
from typing import Final, Self

import regex

from vox.agent.call.speakable import Speakable

HELD_BACK: Final = 2
"""Words that wait for what follows them."""
FEWEST: Final = 3
"""Words that a sentence begins with: fewer do not tell a voice how it goes."""
_WORDS: Final = regex.compile(r"(?:\p{L}[\p{L}\p{M}'\u2019-]*[,;:]?\s+)*")


class OpenSentence:
    """One such sentence: words are added, then it is finished; meanwhile they are spoken.

    Attributes:
        text: as far as it is known.
        is_begun: whether any of it went out.
        is_finished: whether all of it is known.
    """

    def __init__(self) -> None:
        self.text = Speakable.plain("")
        self.is_begun = self.is_finished = False
        self._parts: asyncio.Queue[str | None] = asyncio.Queue()  # bounded: a sentence has a few hundred characters

    def follow(self, pending: str) -> bool:
        """Lets out what can be spoken of a sentence that goes so far; whether that begins it."""
        if self.is_finished:
            return False
        certain = _certain(pending.lstrip())
        sent = self.text.spoken
        if len(certain) <= len(sent) or not certain.startswith(sent):
            return False
        is_first, self.is_begun = not self.is_begun, True
        self.text = Speakable.plain(certain)
        self._parts.put_nowait(certain[len(sent) :])
        return is_first

    def finish(self, sentence: str, text: Speakable) -> str:
        """The sentence is whole; returns the end of it that has to be spoken as a sentence of its own, most often nothing.

        Args:
            sentence: as it is written.
            text: the same as it is spoken.
        """
        sent, rest = self.text.spoken, ""
        if text.spoken.startswith(sent) and text.shown.startswith(sent):
            self.text = text
            self._parts.put_nowait(text.spoken[len(sent) :])
        else:
            self.text, rest = Speakable.plain(sent.rstrip()), sentence[len(sent) :]
        self.is_finished = True
        self._parts.put_nowait(None)
        return rest

    def __aiter__(self) -> Self:
        """The text to be spoken, part by part; each ends between two words."""
        return self

    async def __anext__(self) -> str:
        """The next part."""
        while (part := await self._parts.get()) == "":
            pass
        if part is None:
            raise StopAsyncIteration
        return part


def _certain(pending: str) -> str:
    """The beginning of a text that is spoken as it is written, whatever follows; ends behind a space."""
    found = _WORDS.match(pending)
    plain = found.group() if found is not None else ""
    words = list(regex.finditer(r"\S+\s+", plain))
    if len(words) < FEWEST + HELD_BACK:
        return ""
    return plain[: words[-HELD_BACK].start()]
