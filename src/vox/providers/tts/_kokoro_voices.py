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

# fmt: off
GAINS_DB: Final[dict[str, float]] = {
    "af_alloy": 0.6, "af_aoede": -3.9, "af_bella": 0.0, "af_heart": 1.1, "af_jessica": 0.9, "af_kore": -3.3,
    "af_nicole": 0.0, "af_nova": 4.9, "af_river": 0.3, "af_sarah": -0.8, "af_sky": 2.1, "am_adam": -1.5,
    "am_echo": 0.5, "am_eric": 0.1, "am_fenrir": 0.0, "am_liam": 0.7, "am_michael": 3.0, "am_onyx": 1.3,
    "am_puck": -2.6, "am_santa": 0.8, "bf_alice": -0.9, "bf_emma": -0.9, "bf_isabella": -2.6, "bf_lily": -0.1,
    "bm_daniel": 0.1, "bm_fable": 2.3, "bm_george": 0.0, "bm_lewis": 1.7, "ef_dora": 3.2, "em_alex": 2.4,
    "em_santa": 2.1, "ff_siwis": -1.2, "hf_alpha": -5.8, "hf_beta": -3.2, "hm_omega": -4.8, "hm_psi": -3.4,
    "if_sara": -3.3, "im_nicola": -1.7, "pf_dora": 2.7, "pm_alex": 1.9, "pm_santa": 2.1,
}
# fmt: on
"""Measured with a sentence of each language."""


def language_of(voice: str) -> Language | None:
    """The language of a voice; None for one whose language is not spoken here."""
    return LANGUAGES.get(voice[:1])


def gain_of(voice: str) -> float:
    """The factor that brings a voice to `TARGET_DBFS`."""
    return 10 ** (GAINS_DB.get(voice, 0.0) / 20)


def voice_for(language: str | None, configured: str) -> str | None:
    """The voice for a language tag: the configured one where it speaks it, else the language's own; None: not spoken."""
    tag = (language or "").lower().replace("_", "-")
    own = language_of(configured)
    base = tag.partition("-")[0]
    if not base or (own and own.tag.partition("-")[0] == base):
        return configured
    found = [known for known in LANGUAGES.values() if known.tag.partition("-")[0] == base]
    return next((known.default_voice for known in found if known.tag == tag), found[0].default_voice if found else None)
