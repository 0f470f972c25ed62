"""What the drivers' options are on each vendor's wire, and the agent's voice and language."""

from collections.abc import AsyncGenerator
from typing import Any
from xml.etree import ElementTree as ET

import httpx2
import pytest

from tests.fakes.vendors.speech_vendor import KEY, Seen, running
from tests.fakes.vendors.speech_vendors import SPEECH_VENDORS
from tests.time_limits import time_limit
from vox.errors import UsageError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.runtime.clock import SystemClock

TEXT = "It's 5 < 6 & more."


async def asked(
    name: str,
    options: dict[str, Any],
    *,
    voice: str | None = None,
    language: str | None = None,
    is_written: bool = False,
) -> Seen:
    """The request that a sentence becomes, or one that is still being written."""
    vendor = SPEECH_VENDORS[name]()
    async with time_limit(), running(vendor), httpx2.AsyncClient() as http:
        places = {**vendor.more_environment, vendor.key_variable: KEY}
        given = {"base_url": vendor.base_url, **options}
        async with registry.create("tts", name, given, Deps(SystemClock(), http, environment=places)) as tts:
            speak = tts.synthesize_stream if is_written else tts.synthesize
            text = _parts() if is_written else TEXT
            assert [chunk async for chunk in speak(text, voice=voice, language=language)]
    return vendor.seen[-1]


async def _parts() -> AsyncGenerator[str, None]:
    for part in ("It is ", "more."):
        yield part


def has(found: Any, expected: Any) -> bool:
    """Whether the expected fields are among those found, at every level."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(has(found.get(name), value) for name, value in expected.items())
    return found == expected


BODIES = [
    (
        "aws",
        {"engine": "generative", "language": "en-GB", "sample_rate": 8000},
        {"Engine": "generative", "LanguageCode": "en-GB", "SampleRate": "8000", "VoiceId": "V"},
    ),
    (
        "cartesia",
        {"speed": 1.2, "sample_rate": 16_000, "word_times": False},
        {
            "generation_config": {"speed": 1.2},
            "output_format": {"sample_rate": 16_000},
            "add_timestamps": False,
            "voice": {"mode": "id", "id": "V"},
            "language": "de",
        },
    ),
    ("deepgram", {}, {"text": TEXT}),
    (
        "elevenlabs",
        {"stability": 0.4, "speed": 1.1, "send_language": True},
        {
            "voice_settings": {"stability": 0.4, "speed": 1.1},
            "language_code": "de",
            "model_id": "eleven_multilingual_v2",
        },
    ),
    (
        "google",
        {"speed": 1.5, "pitch": -2, "word_times": False},
        {
            "audioConfig": {"speakingRate": 1.5, "pitch": -2},
            "input": {"text": TEXT},
            "voice": {"name": "V", "languageCode": "de-CH"},
        },
    ),
    ("groq", {"speed": 1.5}, {"speed": 1.5, "voice": "V", "response_format": "wav"}),
    (
        "hume",
        {"description": "calm", "speed": 0.9, "model": "1"},
        {
            "utterances": [
                {"text": TEXT, "voice": {"name": "V", "provider": "HUME_AI"}, "description": "calm", "speed": 0.9}
            ],
            "version": "1",
        },
    ),
    (
        "inworld",
        {"speed": 1.1, "temperature": 0.7, "word_times": False},
        {"audioConfig": {"speakingRate": 1.1}, "temperature": 0.7, "timestampType": None, "voiceId": "V"},
    ),
    (
        "minimax",
        {"speed": 1.3, "language_boost": "German"},
        {"voice_setting": {"voice_id": "V", "speed": 1.3}, "language_boost": "German"},
    ),
    ("neuphonic", {"speed": 1.3}, {"speed": 1.3, "lang_code": "de", "voice_id": "V"}),
    (
        "openai",
        {"instructions": "calm", "model": "gpt-4o-mini-tts"},
        {"instructions": "calm", "model": "gpt-4o-mini-tts", "voice": "V"},
    ),
    (
        "sarvam",
        {"pace": 1.2, "enable_preprocessing": True},
        {"pace": 1.2, "enable_preprocessing": True, "target_language_code": "en-IN", "speaker": "V"},
    ),
    ("xtts", {"chunk_size": 30}, {"stream_chunk_size": "30", "language": "de"}),
]


@pytest.mark.parametrize(("name", "options", "expected"), BODIES, ids=[name for name, _, _ in BODIES])
async def test_options_voice_and_language_reach_the_vendor(name, options, expected):
    seen = await asked(name, options, voice="Bo" if name == "xtts" else "V", language="de-CH")
    assert has(seen.json, expected), seen.json


async def test_deepgrams_voice_is_its_model():
    seen = await asked("deepgram", {"sample_rate": 48_000}, voice="aura-2-apollo-en")
    assert (seen.query["model"], seen.query["sample_rate"]) == ("aura-2-apollo-en", "48000")


async def test_elevenlabs_is_asked_for_pcm_of_the_rate():
    seen = await asked("elevenlabs", {"sample_rate": 16_000, "word_times": False}, voice="a b")
    assert seen.query["output_format"] == "pcm_16000"
    assert seen.path == "/v1/text-to-speech/a b/stream"


async def test_elevenlabs_is_told_the_same_of_a_sentence_that_is_written():
    options = {"sample_rate": 16_000, "stability": 0.5, "send_language": True, "model": "eleven_flash_v2_5"}
    seen = await asked("elevenlabs", options, voice="a b", language="de-CH", is_written=True)
    assert seen.path == "/v1/text-to-speech/a b/multi-stream-input"
    expected = {"model_id": "eleven_flash_v2_5", "output_format": "pcm_16000", "language_code": "de"}
    assert has(seen.query, {**expected, "sync_alignment": "true"})
    assert has(seen.json, {"text": " ", "voice_settings": {"stability": 0.5}})


async def test_cartesia_is_told_how_long_to_gather_a_sentence_that_is_written():
    seen = await asked("cartesia", {"buffer_ms": 120}, voice="V", language="de-CH", is_written=True)
    assert has(seen.json, {"max_buffer_delay_ms": 120, "continue": False, "language": "de", "voice": {"id": "V"}})


@pytest.mark.parametrize(("model", "expected"), [("eleven_v3", False), ("eleven_flash_v2_5", True)])
async def test_a_model_of_elevenlabs_without_a_websocket_is_given_whole_sentences(model, expected):
    async with httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http, environment={"ELEVENLABS_API_KEY": KEY})
        assert registry.create("tts", "elevenlabs", {"model": model}, deps).takes_words is expected


async def test_azures_ssml_is_markup_only_where_it_is_ours():
    options = {"style": 'cheer"ful', "rate": "+10%"}
    seen = await asked("azure", options, voice="de-DE-SeraphinaMultilingualNeural", language="de_CH")
    speak = ET.fromstring(seen.body)  # noqa: S314  our own driver wrote it
    assert "".join(speak.itertext()) == TEXT
    tags = [(each.tag.rpartition("}")[2], dict(each.attrib)) for each in speak.iter()]
    assert tags == [
        ("speak", {"version": "1.0", "{http://www.w3.org/XML/1998/namespace}lang": "de-DE"}),
        ("voice", {"name": "de-DE-SeraphinaMultilingualNeural"}),
        ("lang", {"{http://www.w3.org/XML/1998/namespace}lang": "de-CH"}),
        ("express-as", {"style": 'cheer"ful'}),
        ("prosody", {"rate": "+10%"}),
    ]


async def test_googles_marks_stand_in_front_of_words_that_are_escaped():
    seen = await asked("google", {})
    assert seen.json["input"]["ssml"] == (
        '<speak><mark name="0"/>It&apos;s <mark name="5"/>5 <mark name="7"/>&lt; <mark name="9"/>6 '
        '<mark name="11"/>&amp; <mark name="13"/>more.</speak>'
    )


async def test_a_google_voice_without_marks_is_given_the_text():
    seen = await asked("google", {"voice": "de-DE-Chirp3-HD-Leda"})
    assert (seen.path, seen.json["input"]) == ("/v1/text:synthesize", {"text": TEXT})


async def test_a_hume_voice_by_its_id():
    voice = "5bb7de05-c8fe-426a-8fcc-ba4fc4ce9f9c"
    seen = await asked("hume", {"voice": voice})
    assert seen.json["utterances"][0]["voice"] == {"id": voice}


@pytest.mark.parametrize("language", ["multi", "auto", ""])
async def test_what_only_recognisers_know_is_no_language(language):
    seen = await asked("cartesia", {}, language=language)
    assert seen.json["language"] == "en"


async def test_an_xtts_speaker_that_does_not_exist_is_named():
    with pytest.raises(UsageError, match="no speaker 'Cy' \\(it has Ana, Bo\\)") as caught:
        await asked("xtts", {}, voice="Cy")
    assert caught.value.code == "unknown_voice"


async def test_a_rate_that_a_vendor_does_not_have_is_said_at_the_start():
    async with httpx2.AsyncClient() as http:
        with pytest.raises(UsageError) as caught:
            registry.create("tts", "deepgram", {"sample_rate": 22_050}, Deps(SystemClock(), http))
    assert caught.value.code == "invalid_provider_option"
    assert "sample_rate" in str(caught.value)


async def test_azure_needs_a_region_or_an_address():
    async with httpx2.AsyncClient() as http:
        places = {"AZURE_SPEECH_KEY": "k"}
        with pytest.raises(UsageError, match="AZURE_SPEECH_REGION"):
            registry.create("tts", "azure", {}, Deps(SystemClock(), http, environment=places))
        for more in ({"AZURE_SPEECH_REGION": "westeurope"}, {"AZURE_SPEECH_TTS_URL": "https://own.example"}):
            registry.create("tts", "azure", {}, Deps(SystemClock(), http, environment=places | more))
