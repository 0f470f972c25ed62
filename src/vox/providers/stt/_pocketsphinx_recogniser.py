"""Recognition with pocketsphinx, inside a worker process: it holds Python's lock for tens of milliseconds at a time.

With a grammar, an utterance is decoded as a whole, which normalises each caller's line by itself and leaves nothing of one
caller for the next. A grammar forces whatever was said onto one of its sentences; so the same audio is also decoded as bare
phones, and where that explains the words much better, they were not said. Without a grammar the general language model
listens while the caller speaks.

Telephone audio has nothing above 4 kHz, where the model expects energy. Mirroring a twentieth of the lower half into the upper
one repairs some of it: of 128 sentences through mu-law 109 were right instead of 101, the 16 kHz originals gave 117 (with narrower
beams and the lattice's best path; not measured again since).
"""

import math
import warnings
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pocketsphinx
from numpy.typing import NDArray

from vox.providers.stt import _jsgf, _pronunciation

SAMPLE_RATE = 16_000
MAX_GRAMMARS = 64
"""Grammars kept compiled; the one used longest ago goes first."""

# Tuned on synthetic voices, and judged on the same ones, with an earlier search; the search changed since, they did not. A score is
# per frame of speech: how much worse the grammar's words explain it than bare phones. Single words score lower even when
# right, and a "yes" refused is worse than a stray word taken for one, so the limit falls with the length.
# Without the lattice's best path: it ends where the lattice is cheapest, not where the grammar ends, and dropped last words
# ("what are your opening"). The low word insertion probability keeps the breath behind an utterance from becoming an "at".
_GRAMMAR_SEARCH = {"bestpath": False, "lw": 4.0, "wip": 0.01, "beam": 1e-48, "pbeam": 1e-48, "wbeam": 7e-29}
_REJECT_SCORE = -25.0
_REJECT_SCORE_SHORT = -30.0
_SHORT_FRAMES, _LONG_FRAMES = 50, 100
_SCORE_SPREAD = 6.0

_MIN_BYTES = 3200  # 100 ms: no word is shorter, and the decoder fails on nothing at all
_MIRRORED = 0.05
_STEP, _MARGIN = 160, 10  # samples of 10 ms, and a tenth of a second in such steps
_QUIET, _QUIET_SHARE = 30.0, 0.01  # RMS of silence: -60 dBFS, or 40 dB below the loudest moment
_FFT = 512
_HIGH_FROM = 4_300 * _FFT // SAMPLE_RATE
_SPEECH = slice(300 * _FFT // SAMPLE_RATE, 3_400 * _FFT // SAMPLE_RATE)
_NARROW_BELOW = 1e-5  # of the speech band's power; 16 kHz microphones have 1e-3 and more, resampled lines below 1e-6

_SILENCES = frozenset({"<sil>", "<s>", "</s>", "(NULL)", "[NOISE]", "[SPEECH]", "[COUGH]", "[SMACK]", "[UH]", "[UM]"})
_LOG_BASE = 1e4  # the decoder's scores are logarithms to the base 1.0001
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
        self._grammar_decoder = _decoder(lm=None, **_GRAMMAR_SEARCH)
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
        automaton = _jsgf.compile_grammar(grammar)
        decoder = self._grammar_decoder
        for word, spoken in _pronunciation.written(grammar).items():
            self._pronounce(word, spoken)
        for word in automaton.words:
            if decoder.lookup_word(word) is None:
                self._pronounce(word, [_pronunciation.guess(word)])
        self._made += 1
        name = f"grammar{self._made}"
        ways = Counter(source for source, _, _ in automaton.transitions)
        end = automaton.states
        transitions = [(source, target, 1 / ways[source], word) for source, target, word in automaton.transitions]
        finals = [(state, end, 1.0) for state in sorted(automaton.finals)]
        decoder.add_fsg(name, decoder.create_fsg(name, 0, end, [*transitions, *finals]))
        self._grammars[grammar] = name
        if len(self._grammars) > MAX_GRAMMARS:
            _, oldest = self._grammars.popitem(last=False)
            decoder.activate_search(_PHONES)
            decoder.remove_search(oldest)
        return name

    def decode(self, pcm: bytes, grammar: str) -> Recognised:
        """What of a grammar was said in a whole utterance; raises ValueError as `compile`."""
        name = self.compile(grammar)
        if len(pcm) < _MIN_BYTES:
            return Recognised("", None)
        audio = widened(trimmed(pcm))
        text, words = self._run(name, audio)
        spoken = [word for word in words if word[0] not in _SILENCES]
        if not text or not spoken:
            return Recognised("", None)
        _, phones = self._run(_PHONES, audio)
        confidence = _confidence(*_compare(spoken, phones))
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
        _forget_line(self._free_decoder)
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
        _forget_line(decoder)
        decoder.start_utt()
        decoder.process_raw(audio, False, True)
        decoder.end_utt()
        text = _text(decoder)
        segments = list(decoder.seg() or ()) if decoder.hyp() is not None else []
        return text, [
            (str(part.word), int(part.start_frame), int(part.end_frame), _log(part.ascore) * _LOG_BASE)
            for part in segments
        ]


_Segment = tuple[str, int, int, float]
"""Word or phone, its first and last frame, its acoustic score."""


def trimmed(pcm: bytes) -> bytes:
    """The audio without the silence around what was said, but for a tenth of a second.

    The decoder normalises by the mean over the whole utterance, which digital silence shifts: of 18 phrases of espeak-ng between 0.7 s
    and 0.4 s of it 7 were right, trimmed 13. With a little noise in its place trimming changed nothing (105 of 128 against 106).
    """
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
    frames = len(samples) // _STEP
    if frames == 0:
        return pcm
    levels = np.sqrt(np.square(samples[: frames * _STEP].reshape(frames, _STEP).astype(np.float32)).mean(axis=1))
    loud = np.flatnonzero(levels > max(_QUIET, float(levels.max()) * _QUIET_SHARE))
    if not len(loud):
        return pcm
    first, last = max(0, int(loud[0]) - _MARGIN), int(loud[-1]) + 1 + _MARGIN
    return samples[first * _STEP : last * _STEP].tobytes()


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


def _forget_line(decoder: Any) -> None:
    """Forgets the noise of the line before: without this the same audio is heard differently after another caller's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # called unnecessary there, and measured otherwise
        decoder.start_stream()


def _text(decoder: Any) -> str:
    hypothesis = decoder.hyp()
    return str(hypothesis.hypstr) if hypothesis is not None else ""


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -1e3


def _confidence(score: float, frames: int) -> float:
    shortness = min(1.0, max(0.0, (_LONG_FRAMES - frames) / (_LONG_FRAMES - _SHORT_FRAMES)))
    limit = _REJECT_SCORE + shortness * (_REJECT_SCORE_SHORT - _REJECT_SCORE)
    return round(1 / (1 + math.exp(min(50.0, (limit - score) / _SCORE_SPREAD))), 3)


def _compare(words: list[_Segment], phones: list[_Segment]) -> tuple[float, int]:
    """How much better (above 0) or worse the words explain their frames than the phones do; and these frames."""
    total = 0.0
    frames = 0
    for _, start, end, score in words:
        total += score - sum(
            value * max(0, min(end, last) - max(start, first) + 1) / (last - first + 1)
            for _, first, last, value in phones
        )
        frames += end - start + 1
    return total / frames, frames
