"""A second, larger model for what the first one doubts: heard again without a prompt, because doubtful speech echoes the prompt.

Clear speech is the first model's alone, so most of a call costs what it did; the larger one takes 1.4 times as long, once.
Measured on 100 questions of synthetic voices, half of them by telephone, a third with noise: tiny answers 78 rightly, with
base behind it 85.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from vox.providers.machine import free_memory
from vox.providers.models.store import ModelStore
from vox.providers.stt._whisper_decoder import Decoder, Result
from vox.providers.stt._whisper_recogniser import Heard, Recogniser
from vox.providers.stt._whisper_text import plain_words

DOUBTFUL: Final = 0.8
"""Confidence of a text below which the second model is asked."""
OTHERS: Final = 3
"""Alternatives of the second model that go before the first one's text."""
LOOK_S: Final = 20.0
"""Between two looks for a model that is not installed yet."""
MIN_FREE_BYTES: Final = 400_000_000
"""Base takes 100 MB more in a worker; the rest is for calls."""


class InstalledModel:
    """A model of the store, loaded when it is first needed and there; for good where it cannot be loaded.

    Args:
        store: the models of this machine.
        name: of the model.
        now: seconds of a clock.
    """

    def __init__(self, store: ModelStore, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._name = name
        self._now = now
        self._looks_at = now()
        self._loaded: Decoder | None = None

    def __call__(self) -> Decoder | None:
        """The model; None while it is not there."""
        if self._loaded is None and self._now() >= self._looks_at:
            self._looks_at = self._now() + LOOK_S
            self._loaded = self._load()
        return self._loaded

    def _load(self) -> Decoder | None:
        files = self._store.files(self._name)
        if files is None or free_memory() < MIN_FREE_BYTES:
            return None
        if self._store.damaged(self._name):
            self._looks_at = float("inf")  # the doctor and `vox models` say so
            return None
        return Recogniser(files["model.bin"].parent)


class SecondOpinion:
    """A decoder that has doubtful texts heard by another one.

    Args:
        first: hears everything.
        second: the other one, where there is one.
    """

    def __init__(self, first: Decoder, second: Callable[[], Decoder | None]) -> None:
        self._first = first
        self._second = second

    def decode(self, pcm: bytes, phrases: Sequence[str], language: str, *, is_final: bool) -> Result:
        """The first one's text, or the second one's with that as an alternative."""
        heard = self._first.decode(pcm, phrases, language, is_final=is_final)
        if not is_final or not heard.text or (heard.confidence or 0.0) >= DOUBTFUL:
            return heard
        second = self._second()
        if second is None:
            return heard
        again = second.decode(pcm, (), heard.language or language, is_final=True)
        if not again.text:
            return heard
        if plain_words(again.text) == plain_words(heard.text):
            both = max(again.confidence or 0.0, heard.confidence or 0.0)
            return Heard(heard.text, both, heard.language, (*again.alternatives, *heard.alternatives))
        others = (*again.alternatives[:OTHERS], (heard.text, heard.confidence or 0.0), *heard.alternatives)
        return Heard(again.text, again.confidence, heard.language, others)
