"""The text of one utterance as it grows: final pieces, and the interim text behind them. Pure."""

from dataclasses import replace

from vox.providers.stt._dialect import Heard
from vox.providers.stt.contract import Transcript, Word


class Understood:
    """Puts a vendor's texts together.

    Args:
        offset_s: where the utterance begins in the audio of its connection; the vendor's word times count from the latter's beginning.
    """

    def __init__(self, offset_s: float = 0.0) -> None:
        self.offset_s = offset_s
        self.is_alive = False
        """Whether the vendor has said anything at all, if only that there are no words."""
        self._finals: list[Heard] = []
        self._interim = Heard("")
        self._settled = 0

    @property
    def interim(self) -> str:
        """What is understood but may change."""
        return self._interim.text

    @property
    def text(self) -> str:
        """Everything understood so far."""
        parts = (*(final.text for final in self._finals), self._interim.text)
        return " ".join(part for part in map(str.strip, parts) if part)

    def take(self, heard: Heard) -> None:
        """One more text: a final one comes behind the others, an interim one takes the place of the last interim one."""
        self.is_alive = True
        heard = replace(heard, words=tuple(self._shifted(word) for word in heard.words))
        if not heard.is_final:
            self._interim = heard
            return
        self._interim = Heard("")
        if heard.text.strip():
            self._finals.append(heard)

    def settle(self) -> None:
        """What is known now is final, and stays when the connection is lost."""
        if self._interim.text.strip():
            self._finals.append(self._interim)
        self._interim = Heard("")
        self._settled = len(self._finals)

    def rewind(self, offset_s: float) -> None:
        """Forgets what was not settled: it will be heard again, over a connection on which the utterance begins there."""
        self.is_alive = False
        del self._finals[self._settled :]
        self._interim = Heard("")
        self.offset_s = offset_s

    def transcript(self, *, is_final: bool = False, at_pause: bool = False, language: str = "") -> Transcript:
        """The text so far. Its confidence is that of its pieces, weighed by their length."""
        pieces = (*self._finals, self._interim)
        weights = [(piece.confidence, max(1, len(piece.text))) for piece in pieces if piece.confidence is not None]
        total = sum(weight for _, weight in weights)
        spoken = next((piece.language for piece in reversed(pieces) if piece.language), language)
        return Transcript(
            self.text,
            is_final=is_final,
            confidence=sum(value * weight for value, weight in weights) / total if total else None,
            language=spoken or None,
            at_pause=at_pause,
            words=tuple(word for piece in pieces for word in piece.words),
        )

    def _shifted(self, word: Word) -> Word:
        if not self.offset_s:
            return word
        start_s, end_s = (max(0.0, at - self.offset_s) for at in (word.start_s, word.end_s))
        return replace(word, start_s=start_s, end_s=end_s)
