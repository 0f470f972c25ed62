"""The languages and voices of Kokoro-82M v1.0: a voice's first letter is its language, the second f or m.

The gain brings each voice to the same level, so that it need not be measured, and the same text always sounds the same.
"""

from dataclasses import dataclass
from typing import Final

TARGET_DBFS: Final = -20.0
"""Level of speech without its pauses; at it the loudest syllables stay below full scale for every voice."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language that Kokoro speaks: its tag, espeak-ng's voice for the phonemes, and the voice that speaks it by default."""

    tag: str
    espeak: str
    default_voice: str


LANGUAGES: Final = {
    "a": Language("en-us", "en-us", "af_heart"),
    "b": Language("en-gb", "en", "bf_emma"),
    "e": Language("es", "es", "ef_dora"),
    "f": Language("fr", "fr", "ff_siwis"),
    "h": Language("hi", "hi", "hf_alpha"),
    "i": Language("it", "it", "if_sara"),
    "p": Language("pt-br", "pt-br", "pf_dora"),
}
"""By a voice's first letter. Japanese and Chinese voices (j, z) exist, but espeak-ng has not the phonemes that they know."""

GAINS_DB: Final[dict[str, float]] = {}


def language_of(voice: str) -> Language | None:
    """The language of a voice; None for one whose language is not spoken here."""
    return LANGUAGES.get(voice[:1])


def gain_of(voice: str) -> float:
    """The factor that brings a voice to `TARGET_DBFS`."""
    return 10 ** (GAINS_DB.get(voice, 2.0) / 20)


def voice_for(language: str | None, configured: str) -> str | None:
    """The voice for a language tag: the configured one where it speaks it, else the language's own; None: not spoken."""
    tag = (language or "").lower().replace("_", "-")
    own = language_of(configured)
    base = tag.partition("-")[0]
    if not base or (own and own.tag.partition("-")[0] == base):
        return configured
    found = [known for known in LANGUAGES.values() if known.tag.partition("-")[0] == base]
    return next((known.default_voice for known in found if known.tag == tag), found[0].default_voice if found else None)
