"""What turns audio into text, as the worker of Whisper uses it: one model, or a larger one behind it."""

from collections.abc import Sequence
from typing import Protocol


class Result(Protocol):
    """What a recogniser gives back."""

    @property
    def text(self) -> str:
        """Empty where nothing was understood."""
        ...

    @property
    def confidence(self) -> float | None:
        """In 0..1."""
        ...

    @property
    def language(self) -> str:
        """A code such as `en`."""
        ...

    @property
    def alternatives(self) -> tuple[tuple[str, float], ...]:
        """Other texts for the same speech, with their confidences."""
        ...


class Decoder(Protocol):
    """What the queue needs of a recogniser; see `_whisper_recogniser.Recogniser`."""

    def decode(self, pcm: bytes, phrases: Sequence[str], language: str, *, is_final: bool) -> Result:
        """What was said in this audio."""
        ...
