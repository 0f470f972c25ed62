"""The playout ledger: which text lies where in the audio, so that "what was heard" is a look-up.

Positions are bytes of wire audio since the answer began. Text enters sentence by sentence, audio follows with the times of
its words where the synthesiser knows them. Where it does not, words are spread over the sentence by their length. What the
voice is given and what is shown differ (`speakable`); both are known for every position.
"""

from dataclasses import dataclass, field

from vox.agent.call.speakable import Speakable
from vox.providers.tts.contract import SpokenWord

CHARACTERS_PER_SECOND = 15.0
"""English speech at about 180 words a minute; used only for a sentence cut off before its synthesis was complete."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One sentence at some position: what of it was heard, and what was not.

    Attributes:
        segment: the sentence's number.
        text: the sentence as it is shown.
        spoken: the part of `text` that was heard.
        voiced: the same part without marks, as it is written.
        is_voiced: whether there is anything to hear in it.
    """

    segment: int
    text: str
    spoken: str
    voiced: str
    is_voiced: bool = True

    @property
    def remaining(self) -> str:
        """The part of the text that was not heard."""
        return self.text[len(self.spoken) :].strip()


@dataclass(slots=True)
class _Segment:
    text: Speakable
    start: int
    size: int = 0
    is_complete: bool = False
    words: list[SpokenWord] = field(default_factory=list[SpokenWord])


@dataclass(slots=True)
class PlayoutLedger:
    """One answer's text against its audio. `bytes_per_second` is that of the wire audio."""

    bytes_per_second: int
    _segments: list[_Segment] = field(default_factory=list[_Segment])
    _written: int = 0

    @property
    def written(self) -> int:
        """Bytes of audio entered so far: the position at which the next audio will lie."""
        return self._written

    def begin(self, text: Speakable) -> int:
        """A sentence's audio begins here; returns the sentence's number."""
        self._segments.append(_Segment(text, self._written))
        return len(self._segments) - 1

    def audio(self, size: int, words: tuple[SpokenWord, ...] = ()) -> None:
        """So many bytes of the present sentence were queued, in which these words begin."""
        segment = self._segments[-1]
        segment.size += size
        segment.words.extend(words)
        self._written += size

    def complete(self) -> None:
        """The present sentence has all its audio."""
        self._segments[-1].is_complete = True

    def reword(self, segment: int, text: Speakable) -> None:
        """A sentence's text becomes known, or longer, while its audio is there already."""
        self._segments[segment].text = text

    def played_s(self, position: int) -> list[float]:
        """Seconds of each sentence's audio that lie before `position`."""
        return [
            min(max(0, position - segment.start), segment.size) / self.bytes_per_second for segment in self._segments
        ]

    def at(self, position: int) -> list[Heard]:
        """Each sentence with the part of it that lies before `position`."""
        return [self._heard(number, segment, position) for number, segment in enumerate(self._segments)]

    def heard(self, position: int) -> str:
        """The text before `position`: whole words only, as a listener would write it down."""
        return " ".join(part.spoken for part in self.at(position) if part.spoken)

    def _heard(self, number: int, segment: _Segment, position: int) -> Heard:
        text = segment.text
        played = min(position - segment.start, segment.size)  # what comes behind a sentence that broke off is not it
        if segment.is_complete and position > segment.start and played == segment.size:
            return Heard(number, text.shown, text.shown, text.written, bool(text.spoken))
        length = len(self._voiced(segment, played)) if played > 0 else 0
        if not length:
            return Heard(number, text.shown, "", "", bool(text.spoken))
        return Heard(
            number, text.shown, text.shown_until(length), text.written_until(length).rstrip(), bool(text.spoken)
        )

    def _voiced(self, segment: _Segment, played: int) -> str:
        spoken = segment.text.spoken
        if segment.words:
            return self._spoken_by_times(segment, played)
        if segment.is_complete:
            share = played / segment.size
        else:
            share = played / self.bytes_per_second * CHARACTERS_PER_SECOND / max(1, len(spoken))
        return _whole_words(spoken, int(len(spoken) * min(1.0, share)))

    def _spoken_by_times(self, segment: _Segment, played: int) -> str:
        """A word counts once the next one begins, or with the sentence's end."""
        played_s = played / self.bytes_per_second
        begun = [word for word in segment.words if word.at_s <= played_s]
        if not begun:
            return ""
        return segment.text.spoken[: begun[-1].start].rstrip()


def _whole_words(text: str, length: int) -> str:
    if length >= len(text):
        return text
    if text[length].isspace():
        return text[:length].rstrip()
    space = max(text.rfind(" ", 0, length), text.rfind("\n", 0, length))
    return text[:space].rstrip() if space > 0 else ""
