"""Whisper by CTranslate2, one thread: what was said in a piece of audio, and how sure that is.

Guards against what Whisper says where there is no speech: quiet audio is not shown to it, a text that it gives little chance beside a
high probability of silence is dropped, both without the prompt where the text is doubtful, because a prompt is heard in noise;
its length is bounded by the length of the audio, and a phrase said again at once goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp
from pathlib import Path
from typing import Any, Final, cast

import ctranslate2

from vox.providers.stt._whisper_features import FULL_CONTEXT_S, SAMPLE_RATE, level, log_mel, windows_of
from vox.providers.stt._whisper_text import (
    MAX_PROMPT_TOKENS,
    MIN_REPEATED_WORDS,
    Vocabulary,
    plain_words,
    prompt_text,
    read_vocabulary,
    without_repeats,
)

CONTEXT_S: Final = 8.0
PARTIAL_CONTEXT_S: Final = 4.0
TAIL_S: Final = 1.0
MIN_AUDIO_S: Final = 0.1
MIN_LEVEL: Final = 0.002
"""Root mean square of the loudest 100 ms: -54 dB. A telephone line's noise is quieter, a whisper louder."""
BEAM: Final = 5
"""Hypotheses for a final text, and the most alternatives of one; most of the work is the encoder's, which runs once."""
TOKENS_PER_S: Final = 8
WORDS_PER_S: Final = 5
SPARE_WORDS: Final = 2
SPARE_TOKENS: Final = 8
LOW_SCORE: Final = -1.0
"""Mean log probability of a token below which the text is not to be trusted."""
DOUBTFUL_SCORE: Final = -0.7
"""Below it the text may be the prompt's: then it is looked whether there is speech without one."""
NO_SPEECH: Final = 0.6
"""Probability of no speech above which a low score means that there was none."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard: text, how sure (0..1), in which language, and what it may have been instead, each with how sure."""

    text: str
    confidence: float | None
    language: str = ""
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class _Decoded:
    text: str
    score: float
    no_speech: float
    ran_on: bool = False  # more words than can be said in the time: the same ones again and again
    others: tuple[tuple[str, float], ...] = ()  # texts that differ in their words, with their scores


class Recogniser:
    """A loaded model.

    Args:
        folder: of a model converted for CTranslate2: `model.bin`, `config.json`, `vocabulary.txt` or `.json`.
        language: of everything, as a code such as `en`; empty to find out.
    """

    def __init__(self, folder: Path, language: str = "") -> None:
        self._model = cast("Any", ctranslate2).models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=1, intra_threads=1
        )
        self._vocabulary: Vocabulary = read_vocabulary(folder)
        self._bands: int = self._model.n_mels
        self._language = language
        self._prompt = lru_cache(maxsize=64)(self._encode_prompt)

    def decode(self, pcm: bytes, phrases: Sequence[str] = (), language: str = "", *, is_final: bool = True) -> Heard:
        """What was said in s16le mono audio at 16 kHz.

        Args:
            pcm: the audio.
            phrases: what may be said.
            language: of this caller, where it is known.
            is_final: the text is the answer; an interim one is had for less.
        """
        if len(pcm) < MIN_AUDIO_S * SAMPLE_RATE * 2 or level(pcm) < MIN_LEVEL:
            return Heard("", None)
        language = self._language_of(pcm, language)
        pieces = windows_of(pcm, FULL_CONTEXT_S - TAIL_S)
        found = [self._decode_piece(piece, tuple(phrases), language, is_final=is_final) for piece in pieces]
        text = " ".join(piece.text for piece in found if piece.text)
        confidence = min((_confidence(piece.score) for piece in found if piece.text), default=None)
        others = found[0].others if len(found) == 1 and text else ()
        alternatives = tuple((other, _confidence(score)) for other, score in others)
        return Heard(text, confidence, language, alternatives)

    def _decode_piece(self, pcm: bytes, phrases: tuple[str, ...], language: str, *, is_final: bool) -> _Decoded:
        seconds = len(pcm) / 2 / SAMPLE_RATE
        context_s = max(CONTEXT_S if is_final else PARTIAL_CONTEXT_S, seconds + TAIL_S)
        prompt = self._prompt(phrases)
        sound = self._encode(pcm, context_s)
        decoded = self._run(sound, seconds, prompt, language, beam=BEAM if is_final else 1)
        if is_final and decoded.ran_on and context_s < FULL_CONTEXT_S:
            sound = self._encode(pcm, FULL_CONTEXT_S)
            again = self._run(sound, seconds, prompt, language, beam=BEAM)
            decoded = max(decoded, again, key=lambda one: (not one.ran_on, one.score))
        unprompted = decoded
        if prompt and decoded.score < DOUBTFUL_SCORE:
            unprompted = self._run(sound, seconds, [], language, beam=1)
        if unprompted.no_speech > NO_SPEECH and unprompted.score < LOW_SCORE:
            return _Decoded("", decoded.score, unprompted.no_speech)
        return decoded

    def _run(self, sound: Any, seconds: float, prompt: list[int], language: str, *, beam: int) -> _Decoded:
        tokens = [*prompt, *self._beginning(language)]
        most = ceil(TOKENS_PER_S * seconds) + SPARE_TOKENS
        result = self._model.generate(
            sound,
            [tokens],
            beam_size=beam,
            num_hypotheses=beam,
            sampling_temperature=0,
            max_length=len(tokens) + most,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        numbers = result.sequences_ids[0]
        words = len(self._vocabulary.decode(numbers).split())
        ran_on = len(numbers) >= most or words > WORDS_PER_S * seconds + SPARE_WORDS
        text = without_repeats(self._vocabulary.decode(numbers), shortest=1 if ran_on else MIN_REPEATED_WORDS)
        others = () if ran_on else self._others(text, result)
        return _Decoded(text, float(result.scores[0]), float(result.no_speech_prob), ran_on, others)

    def _others(self, text: str, result: Any) -> tuple[tuple[str, float], ...]:
        """The other hypotheses, the likeliest of each wording."""
        found: dict[str, tuple[str, float]] = {}
        for numbers, score in zip(result.sequences_ids[1:], result.scores[1:], strict=True):
            other = without_repeats(self._vocabulary.decode(numbers))
            found.setdefault(plain_words(other), (other, float(score)))
        found.pop(plain_words(text), None)
        found.pop("", None)
        return tuple(sorted(found.values(), key=lambda one: -one[1]))

    def _encode(self, pcm: bytes, context_s: float) -> Any:
        """What the encoder makes of the audio, which is most of the work; any number of texts can be made of it."""
        return self._model.encode(self._features(pcm, context_s))

    def _features(self, pcm: bytes, context_s: float) -> Any:
        return cast("Any", ctranslate2).StorageView.from_array(log_mel(pcm, context_s, self._bands)[None])

    def _language_of(self, pcm: bytes, language: str) -> str:
        if not self._model.is_multilingual:
            return "en"
        for asked in (self._language, language):
            subtag = asked.partition("-")[0].lower()
            if subtag and self._vocabulary.number(f"<|{subtag}|>") >= 0:
                return subtag
        found = self._model.detect_language(self._features(pcm, CONTEXT_S))[0]
        return str(found[0][0]).strip("<|>")

    def _beginning(self, language: str) -> list[int]:
        names = ["<|startoftranscript|>"]
        if self._model.is_multilingual:
            names += [f"<|{language}|>", "<|transcribe|>"]
        return [self._vocabulary.number(name) for name in (*names, "<|notimestamps|>")]

    def _encode_prompt(self, phrases: tuple[str, ...]) -> list[int]:
        """As many phrases from the first one on as the bound has room for, each whole: what is cut short is heard cut short."""
        prompt: list[int] = []
        for phrase in phrases:
            tokens = self._vocabulary.encode(f" {text}") if (text := prompt_text([phrase])) else []
            if len(prompt) + len(tokens) > MAX_PROMPT_TOKENS:
                break
            prompt += tokens
        return [self._vocabulary.number("<|startofprev|>"), *prompt] if prompt else []


def _confidence(score: float) -> float:
    return round(exp(min(0.0, score)), 3)
