"""Greetings of people and machines as flite says them over a telephone line: the recogniser's words tell who answered, the beep when to speak."""

import os
from collections.abc import AsyncIterator
from importlib.util import find_spec
from shutil import which
from typing import Any, cast

import httpx2
import numpy as np
import pytest
import pytest_asyncio

from tests.require import require
from tests.time_limits import time_limit
from vox.agent.answering.classification import AnsweredBy, classify
from vox.media import g711
from vox.media.beep import BeepDetector
from vox.media.resample import Resampler
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.models.store import ModelStore, models_folder
from vox.runtime.clock import SystemClock

MODEL = "whisper-tiny.en"
RATE = 8000
GREETINGS = {
    "Hello?": AnsweredBy.PERSON,
    "Hi, this is Susan.": AnsweredBy.PERSON,
    "Hi, you have reached Susan. I can not come to the phone right now. Please leave a message after the beep.": AnsweredBy.VOICEMAIL,
    "The person you are calling is not available right now. Please leave your message after the tone.": AnsweredBy.VOICEMAIL,
    "Hi. If you record your name and reason for calling, I will see if this person is available.": AnsweredBy.SCREENING,
    "Thank you for calling. For sales, press one. For support, press two.": AnsweredBy.MENU,
}


def deps() -> Deps:
    folder = ModelStore(models_folder(os.environ)).folder
    return Deps(SystemClock(), cast("httpx2.AsyncClient", None), environment={"VOX_MODELS_FOLDER": str(folder)})


async def recording(text: str) -> bytes:
    """What a telephone line carries of it, 8 kHz s16le."""
    require(which("flite") is not None, "flite", "apt-get install flite")
    async with registry.create("tts", "flite", {"voice": "slt"}, deps()) as tts:
        pcm = b"".join([chunk.pcm async for chunk in tts.synthesize(text)])
    line = Resampler(16_000, RATE).process(bytes(6400) + pcm + bytes(6400), last=True)
    return g711.decode(g711.encode(line, "mulaw"), "mulaw")


@pytest_asyncio.fixture
async def stt() -> AsyncIterator[Any]:
    require(find_spec("ctranslate2") is not None, "ctranslate2", "pip install ctranslate2")
    require(ModelStore(models_folder(os.environ)).files(MODEL) is not None, MODEL, f"vox models install {MODEL}")
    async with registry.create("stt", "whisper", {}, deps()) as driver:
        yield driver


async def test_what_the_recogniser_makes_of_a_greeting_tells_who_it_is(stt: Any):
    told: dict[str, AnsweredBy | None] = {}
    async with time_limit():
        for text in GREETINGS:
            stream = stt.open_stream(lambda partial: None, language="en")
            stream.start(None)
            stream.push(Resampler(RATE, stt.sample_rate).process(await recording(text), last=True))
            told[text] = classify((await stream.finish()).text)
            await stream.aclose()
    assert told == GREETINGS


@pytest.mark.parametrize("hertz", [440, 1000, 1400])
async def test_the_beep_behind_a_greeting_is_heard_and_nothing_in_the_speech_is_one(hertz: int):
    async with time_limit():
        speech = b"".join([await recording(text) for text in GREETINGS])
    detector = BeepDetector(RATE)
    assert not any(detector.push(speech[start : start + 320]) for start in range(0, len(speech), 320))
    wave = np.sin(2 * np.pi * hertz * np.arange(RATE // 2) / RATE) * 6000
    beep = g711.decode(g711.encode(wave.astype(np.int16).tobytes(), "mulaw"), "mulaw")
    assert not detector.push(beep)
    assert detector.push(bytes(RATE))
