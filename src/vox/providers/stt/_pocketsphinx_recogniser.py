"""Recognition with pocketsphinx, inside a worker process: it holds Python's lock for tens of milliseconds at a time.

With a grammar, an utterance is decoded as a whole, which normalises each caller's line by itself and leaves nothing of one
caller for the next. A grammar forces whatever was said onto one of its sentences; so the same audio is also decoded as bare
phones, and where that explains the words much better, they were not said. Without a grammar the general language model
listens while the caller speaks.

Telephone audio has nothing above 4 kHz, where the model expects energy. Mirroring a fifth of the lower half into the upper
one repairs most of it: on 80 phrases 76 right instead of 69, against 75 for the 16 kHz original.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pocketsphinx
from numpy.typing import NDArray

from vox.providers.stt import _pronunciation

SAMPLE_RATE = 16_000
MAX_GRAMMARS = 64
"""Grammars kept compiled; the one used longest ago goes first."""

# Tuned on synthetic voices, see docs/how-to/add-a-provider.md and the numbers in the module's tests.
_GRAMMAR_LANGUAGE_WEIGHT = 2.0
_REJECT_SCORE = -25.0  # per frame of speech, in the decoder's units: the grammar's words against bare phones
_SCORE_SPREAD = 6.0

_MIRRORED = 0.2
_FFT = 512
_HIGH_FROM = 4_300 * _FFT // SAMPLE_RATE
_SPEECH = slice(300 * _FFT // SAMPLE_RATE, 3_400 * _FFT // SAMPLE_RATE)
_NARROW_BELOW = 1e-5  # of the speech band's power; 16 kHz microphones have 1e-3 and more, resampled lines below 1e-6

_SILENCES = frozenset({"<sil>", "<s>", "</s>", "(NULL)", "[NOISE]", "[SPEECH]", "[COUGH]", "[SMACK]", "[UH]", "[UM]"})
_LOG_BASE = 1e4  # the decoder's scores are logarithms to the base 1.0001
_GRAMMAR_SHIFT = 1024  # grammar segments carry their scores unscaled, phone segments scaled down by ten bits
_PHONES = "phones"


@dataclass(frozen=True, slots=True)
class Recognised:
    """Text, empty where nothing fits; `confidence` in 0..1 is 0.5 where words and bare phones explain the audio alike."""

    text: str
    confidence: float | None


class Recogniser:
    """One process's decoders: one for grammars (27 MB), one for free text (90 MB, loaded when first needed).

    Args:
        min_confidence: below it, what a grammar heard is taken as not said.
    """

    def __init__(self, min_confidence: float) -> None:
        self._min_confidence = min_confidence
        self._grammar_decoder = _decoder(lm=None, lw=_GRAMMAR_LANGUAGE_WEIGHT)
        self._grammar_decoder.add_allphone_file(_PHONES, None)
        self._free_decoder: Any = None
        self._free_cmn = ""
        self._grammars: OrderedDict[str, str] = OrderedDict()
        self._made = 0

    def compile(self, grammar: str) -> str:
        """The name under which a grammar's search is loaded; raises ValueError for a grammar that is none."""
        if name := self._grammars.get(grammar):
            self._grammars.move_to_end(grammar)
            return name
        decoder = self._grammar_decoder
        for word, spoken in _pronunciation.written(grammar).items():
            self._pronounce(word, spoken)
        for word in _pronunciation.words_of(grammar):
            if decoder.lookup_word(word) is None:
                self._pronounce(word, [_pronunciation.guess(word)])
        self._made += 1
        name = f"grammar{self._made}"
        decoder.add_jsgf_string(name, grammar)
        self._grammars[grammar] = name
        if len(self._grammars) > MAX_GRAMMARS:
            _, oldest = self._grammars.popitem(last=False)
            decoder.activate_search(_PHONES)
            decoder.remove_search(oldest)
        return name

    def decode(self, pcm: bytes, grammar: str) -> Recognised:
        """What of a grammar was said in a whole utterance; raises ValueError as `compile`."""
        name = self.compile(grammar)
        audio = widened(pcm)
        text, words = self._run(name, audio)
        spoken = [word for word in words if word[0] not in _SILENCES]
        if not text or not spoken:
            return Recognised("", None)
        _, phones = self._run(_PHONES, audio)
        score = _compare(spoken, phones)
        confidence = round(1 / (1 + math.exp(min(50.0, (_REJECT_SCORE - score) / _SCORE_SPREAD))), 3)
        return Recognised(text if confidence >= self._min_confidence else "", confidence)

    def open_free_text(self) -> None:
        """Loads the language model."""
        if self._free_decoder is None:
            self._free_decoder = _decoder()
            self._free_cmn = self._free_decoder.get_cmn(False)

    def begin_free_text(self) -> None:
        """Listens from here on; one utterance at a time."""
        self.open_free_text()
        self._free_decoder.set_cmn(self._free_cmn)  # each caller's line by itself
        self._free_decoder.start_utt()

    def hear_free_text(self, pcm: bytes) -> str:
        """Listens to more, and says what it sounds like so far."""
        self._free_decoder.process_raw(widened(pcm), False, False)
        return _text(self._free_decoder)

    def end_free_text(self) -> str:
        """The text of what was heard since `begin_free_text`."""
        self._free_decoder.end_utt()
        return _text(self._free_decoder)

    def _pronounce(self, word: str, spoken: list[str]) -> None:
        decoder = self._grammar_decoder
        for number, phones in enumerate(spoken, 1):
            entry = word if number == 1 else f"{word}({number})"
            taken = number
            while decoder.lookup_word(entry) is not None and decoder.lookup_word(entry) != phones:
                taken += 1
                entry = f"{word}({taken})"
            if decoder.lookup_word(entry) is None:
                decoder.add_word(entry, phones, True)

    def _run(self, search: str, audio: bytes) -> "tuple[str, list[_Segment]]":
        decoder = self._grammar_decoder
        decoder.activate_search(search)
        decoder.start_utt()
        decoder.process_raw(audio, False, True)
        decoder.end_utt()
        text = _text(decoder)
        scale = _LOG_BASE if search == _PHONES else _LOG_BASE / _GRAMMAR_SHIFT
        segments = list(decoder.seg() or ()) if decoder.hyp() is not None else []
        return text, [
            (str(part.word), int(part.start_frame), int(part.end_frame), _log(part.ascore) * scale) for part in segments
        ]


_Segment = tuple[str, int, int, float]
"""Word or phone, its first and last frame, its acoustic score."""


def widened(pcm: bytes) -> bytes:
    """The audio, with its lower half mirrored into the upper one where that is empty: a telephone's."""
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
    if not is_narrowband(samples):
        return pcm
    mirrored = samples.astype(np.float32)
    mirrored[0::2] *= 1 + _MIRRORED
    mirrored[1::2] *= 1 - _MIRRORED
    return np.clip(mirrored, -32_768, 32_767).astype("<i2").tobytes()


def is_narrowband(samples: NDArray[np.int16]) -> bool:
    """Whether the audio has nothing above 4 kHz (True for silence: there is nothing to spoil)."""
    frames = len(samples) // _FFT
    if frames == 0:
        return True
    blocks = samples[: frames * _FFT].reshape(frames, _FFT).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(blocks * np.hanning(_FFT).astype(np.float32), axis=1))).mean(axis=0)
    return float(power[_HIGH_FROM:].mean()) <= _NARROW_BELOW * float(power[_SPEECH].mean())


def _decoder(**options: object) -> Any:
    return cast("Any", pocketsphinx).Decoder(loglevel="FATAL", **options)


def _text(decoder: Any) -> str:
    hypothesis = decoder.hyp()
    return str(hypothesis.hypstr) if hypothesis is not None else ""


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -1e3


def _compare(words: list[_Segment], phones: list[_Segment]) -> float:
    """How much better (above 0) or worse the words explain their frames than the phones do, per frame."""
    total = 0.0
    frames = 0
    for _, start, end, score in words:
        total += score - sum(
            value * max(0, min(end, last) - max(start, first) + 1) / (last - first + 1)
            for _, first, last, value in phones
        )
        frames += end - start + 1
    return total / frames
