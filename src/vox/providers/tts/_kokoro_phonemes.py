# ruff: noqa: RUF001  phonemes look like other letters
"""From espeak-ng's phonemes to the symbols that Kokoro was trained on. Pure.

Kokoro knows one symbol for each diphthong and affricate of English (A for the sound of *day*, ʧ for that of *church*), where
espeak-ng writes two letters with a tie. The tables follow the phoneme set of Kokoro's own tools (misaki).
"""

import re
from collections.abc import Mapping

TIE = "^"
_SYLLABIC = "\u0329"
_VOWELS = frozenset("aeiouyAIOQWYæɐɑɒɔəɚɛɜɪʊʌᵊᵻɨɯøœɤ")

_EVERYWHERE = {
    "a^ɪ": "I",
    "a^ʊ": "W",
    "d^z": "ʣ",
    "d^ʒ": "ʤ",
    "e^ɪ": "A",
    "o^ʊ": "O",
    "ə^ʊ": "Q",
    "t^s": "ʦ",
    "t^ʃ": "ʧ",
    "ɔ^ɪ": "Y",
}
_ENGLISH = {
    "ʔˌn\u0329": "tᵊn",
    "ʔn\u0329": "tᵊn",
    "ə^l": "ᵊl",
    "ʔn": "tᵊn",
    "\u0303": "",
    "e": "A",
    "r": "ɹ",
    "x": "k",
    "ç": "k",
    "ɐ": "ə",
    "ɚ": "əɹ",
    "ɬ": "l",
    "ʔ": "t",
    "ʲ": "",
}
_BRITISH = {"e^ə": "ɛː", "i^ə": "ɪə", "iə": "ɪə"}
_AMERICAN = {"ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "i^ə": "iə", "ː": ""}


def symbols(raw: str, language: str) -> str:
    """Kokoro's symbols for what espeak-ng gave, which ties the letters of one phoneme with `TIE`.

    Args:
        raw: the phonemes.
        language: a tag of `_kokoro_voices.LANGUAGES`.
    """
    if language == "en-gb":
        raw = _replaced(raw, _BRITISH)
    raw = _replaced(raw, _EVERYWHERE)
    if language.startswith("en"):
        raw = _replaced(raw, _ENGLISH)
        if language == "en-us":
            raw = _replaced(raw.replace(TIE, ""), _AMERICAN)
        raw = re.sub(rf"(\S){_SYLLABIC}", r"ᵊ\1", raw).replace("o", "ɔ")
    # espeak-ng tells of a change of language in brackets, and puts hyphens between the letters of some words.
    raw = re.sub(r"\([a-z-]+\)", "", raw).replace(_SYLLABIC, "").replace(TIE, "").replace("-", "")
    return " ".join(raw.split())


def with_clear_onset(phonemes: str) -> str:
    """The phonemes of a run, whose first vowel the model would swallow where it has no stress: *I would* became *would*."""
    return f"ˌ{phonemes}" if phonemes[:1] in _VOWELS else phonemes


def tokens(phonemes: str, vocabulary: Mapping[str, int], limit: int) -> list[int]:
    """The model's numbers for the symbols it knows; the others are left out."""
    return [number for symbol in phonemes if (number := vocabulary.get(symbol)) is not None][:limit]


def _replaced(text: str, table: Mapping[str, str]) -> str:
    for old, new in sorted(table.items(), key=lambda item: -len(item[0])):
        text = text.replace(old, new)
    return text
