"""Voices and languages."""

import pytest

from vox.providers.tts._kokoro_voices import GAINS_DB, LANGUAGES, gain_of, language_of, voice_for


@pytest.mark.parametrize(
    ("language", "configured", "voice"),
    [
        (None, "am_michael", "am_michael"),
        ("", "am_michael", "am_michael"),
        ("en-US", "am_michael", "am_michael"),
        ("en_GB", "am_michael", "am_michael"),
        ("en-GB", "ef_dora", "bf_emma"),
        ("en", "ef_dora", "af_heart"),
        ("es-MX", "af_heart", "ef_dora"),
        ("pt", "af_heart", "pf_dora"),
        ("de", "af_heart", None),
    ],
)
def test_the_configured_voice_speaks_its_language_and_others_theirs(language, configured, voice):
    assert voice_for(language, configured) == voice


def test_every_voice_with_a_gain_has_a_language_and_every_language_a_voice():
    assert all(language_of(voice) for voice in GAINS_DB)
    assert all(language.default_voice in GAINS_DB for language in LANGUAGES.values())
    assert language_of("jf_alpha") is None


def test_gains():
    assert gain_of("af_nova") > 1 > gain_of("hf_alpha")
    assert gain_of("af_unknown") == 1.0
