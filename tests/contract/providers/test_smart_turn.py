"""The installed model hears whether a speaker goes on: offline voices say whole and broken-off sentences over a telephone."""

import os
import shutil
from collections.abc import AsyncIterator
from typing import cast

import httpx2
import numpy as np
import pytest

from tests.require import require
from vox.agent.call.turn_judge import COMPLETE, UNFINISHED
from vox.media import g711
from vox.media.resample import resample
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.models.store import ModelStore, models_folder
from vox.providers.tts.contract import TextToSpeech
from vox.providers.turns.contract import TurnEnd
from vox.runtime.clock import SystemClock

RATE = 8000
SILENT = 327
DETECTOR_S = 0.2


@pytest.fixture
async def model() -> AsyncIterator[TurnEnd]:
    folder = models_folder(os.environ)
    require(ModelStore(folder).files("smart-turn") is not None, "smart-turn", "vox models install smart-turn")
    async with httpx2.AsyncClient() as http:
        deps = Deps(SystemClock(), http, environment={"VOX_MODELS_FOLDER": str(folder)})
        async with cast("TurnEnd", registry.create("turns", "smart_turn", {}, deps)) as driver:
            yield driver


async def spoken(text: str, voice: str) -> bytes:
    """The text over a telephone, up to the pause that the voice detector needs."""
    require(shutil.which("flite") is not None, "flite", "apt-get install flite")
    async with httpx2.AsyncClient() as http:
        driver = cast("TextToSpeech", registry.create("tts", "flite", {"voice": voice}, Deps(SystemClock(), http)))
        async with driver:
            pcm = b"".join([chunk.pcm async for chunk in driver.synthesize(text)])
            samples = np.frombuffer(resample(pcm, driver.sample_rate, RATE), "<i2")
    last = int(np.flatnonzero(np.abs(samples) > SILENT)[-1]) + 1
    line = g711.encode(samples[:last].tobytes() + bytes(2 * int(DETECTOR_S * RATE)), "mulaw")
    return g711.decode(line, "mulaw")


@pytest.mark.parametrize("voice", ["rms", "slt"])
async def test_a_question_is_over_and_a_clause_is_not(model: TurnEnd, voice: str):
    whole = await model.probability(await spoken("where are you", voice), RATE)
    broken_off = await model.probability(await spoken("because I was thinking that", voice), RATE)
    assert whole is not None
    assert broken_off is not None
    assert whole >= COMPLETE
    assert broken_off < UNFINISHED


async def test_silence_and_nothing_have_an_answer(model: TurnEnd):
    for pcm in (b"", bytes(2 * RATE)):
        probability = await model.probability(pcm, RATE)
        assert probability is not None
        assert 0 <= probability <= 1
