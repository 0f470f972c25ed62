"""The natural voice for real: how it sounds by what can be measured, how it is cancelled, what is kept, dying workers."""

import asyncio
import os
import signal
from array import array
from collections.abc import AsyncIterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import httpx2
import numpy as np
import pytest

from tests.require import require
from tests.time_limits import WAIT_S, time_limit
from vox.errors import DependencyError, UsageError
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.models.store import ModelStore, models_folder
from vox.providers.tts._kokoro_audio import active_dbfs
from vox.runtime.clock import SystemClock

DEPS = Deps(SystemClock(), cast("httpx2.AsyncClient", None), environment=os.environ)
STORE = ModelStore(models_folder(os.environ))
TEXT = "The kitchen closes at ten, but the bar stays open. I would like to know your name."


@pytest.fixture
async def tts() -> AsyncIterator[Any]:
    require(STORE.files("kokoro-82m") is not None, "kokoro-82m", "vox models install kokoro-82m")
    async with registry.create("tts", "kokoro", {"timeout_s": WAIT_S, "open_timeout_s": WAIT_S}, DEPS) as driver:
        yield driver


async def speak(driver: Any, text: str, **options: Any) -> bytes:
    async with time_limit(120):
        return b"".join([chunk.pcm async for chunk in driver.synthesize(text, **options)])


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


def worker_cpu_s(driver: Any) -> float:
    """CPU seconds of the worker process."""
    stat = Path(f"/proc/{driver._workers[0].process.pid}/stat").read_text(encoding="ascii")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("voice", ["af_heart", "am_michael"])
async def test_every_voice_has_the_same_level_and_does_not_clip(tts, voice):
    audio = samples(await speak(tts, TEXT, voice=voice))
    assert active_dbfs(audio) == pytest.approx(-20, abs=2.5)
    assert np.abs(audio).max() < 0.9


async def test_its_pauses_are_silent_and_its_joints_do_not_click(tts):
    audio = samples(await speak(tts, TEXT))
    silent = np.abs(audio) < 1e-4
    edges = np.flatnonzero(np.diff(silent.astype(int)) != 0)
    runs = [(start, end) for start, end in pairwise(edges) if silent[start + 1] and end - start > 1200]
    assert len(runs) >= 2, "a pause after the comma and one after the full stop"
    for start, end in runs:
        steps = np.abs(np.diff(audio[max(0, start - 24) : end + 24]))
        assert steps.max() < 0.01, "the speech around a pause fades"


async def test_the_rate_is_the_one_asked_for(tts):
    native = await speak(tts, "Good morning.")
    async with registry.create("tts", "kokoro", {"sample_rate": 8000}, DEPS) as narrow:
        assert narrow.sample_rate == 8000
        assert len(await speak(narrow, "Good morning.")) == pytest.approx(len(native) / 3, rel=0.01)


async def test_a_sentence_is_kept_and_sounds_the_same_again(tts):
    first = await speak(tts, "Good morning.")
    spent = worker_cpu_s(tts)
    chunks = [chunk async for chunk in tts.synthesize("Good morning.")]
    assert b"".join(chunk.pcm for chunk in chunks) == first
    assert [("Good morning."[word.start : word.end]) for chunk in chunks for word in chunk.words] == [
        "Good",
        "morning.",
    ]
    assert worker_cpu_s(tts) - spent <= 0.05


async def test_a_prepared_sentence_costs_nothing_when_it_is_asked_for(tts):
    tts.prepare(["One moment, please."])
    async with time_limit(120):
        while not tts._cache.size:  # noqa: ASYNC110  nothing tells that a sentence was prepared
            await asyncio.sleep(0.05)
    spent = worker_cpu_s(tts)
    assert await speak(tts, "One moment, please.")
    assert worker_cpu_s(tts) - spent <= 0.05


async def test_what_is_cancelled_costs_no_more_than_a_tenth_of_a_second(tts):
    speech = tts.synthesize("Unfortunately " + "we are closed on Mondays and on Tuesdays " * 8)
    asking = asyncio.create_task(anext(speech))
    spent = worker_cpu_s(tts)
    async with time_limit(120):
        while worker_cpu_s(tts) - spent < 0.1:  # noqa: ASYNC110  until the model is at work
            await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await speech.aclose()
    cancelled = worker_cpu_s(tts)
    await asyncio.sleep(0)
    assert await speak(tts, "No.")
    assert worker_cpu_s(tts) - cancelled < 1.5, (
        "the word alone takes 0.7; the rest of the sentence would have taken ten"
    )


async def test_the_leading_vowel_is_heard(tts):
    """The model swallowed an unstressed first vowel: *would like* for *I would like*."""
    require(STORE.files("whisper-tiny.en") is not None, "whisper-tiny.en", "vox models install whisper-tiny.en")
    require(find_spec("ctranslate2") is not None, "ctranslate2", "pip install ctranslate2")
    text = "I would like to know your name."
    async with registry.create("tts", "kokoro", {"sample_rate": 16_000}, DEPS) as wide:
        pcm = await speak(wide, text)
    async with registry.create("stt", "whisper", {}, DEPS) as stt:
        stream = stt.open_stream(lambda _: None, language="en")
        stream.start(None)
        stream.push(bytes(9600) + pcm + bytes(9600))
        async with time_limit():
            transcript = await stream.finish()
        await stream.aclose()
    assert transcript.text == text


async def test_a_dead_worker_fails_its_sentence_and_is_replaced(tts):
    speech = tts.synthesize(TEXT)
    asking = asyncio.create_task(anext(speech))
    await asyncio.sleep(0)
    os.kill(tts._workers[0].process.pid, signal.SIGKILL)
    async with time_limit():
        with pytest.raises(DependencyError, match="died"):
            await asking
        await tts._workers[0].process.ready.wait()
    assert max(array("h", await speak(tts, "Yes."))) > 1000


async def test_its_workers_end_with_it(tts):
    process = Path(f"/proc/{tts._workers[0].process.pid}")
    await tts.__aexit__(None, None, None)
    assert not await asyncio.to_thread(process.exists)


async def test_voices_that_are_not_there(tts):
    with pytest.raises(UsageError, match="no voice 'xf_nobody'"):
        await speak(tts, "Hello.", voice="xf_nobody")
    assert not tts.speaks("de")
    assert tts.speaks("en-GB")
    assert await speak(tts, "Hallo.", language="de"), "with the configured voice"


async def test_a_model_that_is_not_there_is_said_with_its_remedy(tmp_path):
    deps = Deps(SystemClock(), DEPS.http, environment={"VOX_MODELS_FOLDER": str(tmp_path)})
    with pytest.raises(UsageError, match="not installed") as missing:
        await registry.create("tts", "kokoro", {}, deps).__aenter__()
    assert "vox models install kokoro-82m" in (missing.value.hint or "")
