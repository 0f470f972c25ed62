"""Whisper for real, where its library and weights are: spoken sentences, telephone lines, silence, and weights that arrive late."""

import asyncio
import os
import random
from array import array
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree, which
from typing import Any, cast

import httpx2
import pytest

from tests.require import require
from tests.time_limits import scaled, time_limit
from vox.errors import DependencyError, UsageError
from vox.media import g711
from vox.media.resample import Resampler
from vox.providers import registry
from vox.providers.contract import Deps, Limited, Switching
from vox.providers.models.store import ModelStore, models_folder
from vox.providers.stt import offline
from vox.providers.stt.contract import SpeechHints, Transcript
from vox.runtime.clock import SystemClock

STORE = ModelStore(models_folder(os.environ))
MODEL = "whisper-tiny.en"


def deps(folder: Path = STORE.folder) -> Deps:
    environment: Mapping[str, str] = {"VOX_MODELS_FOLDER": str(folder)}
    return Deps(SystemClock(), cast("httpx2.AsyncClient", None), environment=environment)


def weights() -> Path:
    """The installed model's folder, with the edition in it."""
    require(find_spec("ctranslate2") is not None, "ctranslate2", "pip install ctranslate2")
    files = STORE.files(MODEL)
    require(files is not None, MODEL, f"vox models install {MODEL}")
    return STORE.folder / MODEL


@pytest.fixture
async def stt() -> AsyncIterator[Any]:
    weights()
    async with registry.create("stt", "whisper", {}, deps()) as driver:
        yield driver


async def say(text: str, *, voice: str = "slt", by_telephone: bool = False) -> bytes:
    """A sentence as flite says it, 16 kHz, with a breath before and behind; by telephone through 8 kHz mu-law."""
    require(which("flite") is not None, "flite", "apt-get install flite")
    async with registry.create("tts", "flite", {"voice": voice}, deps()) as tts:
        pcm = b"".join([chunk.pcm async for chunk in tts.synthesize(text)])
    pcm = bytes(6400) + pcm + bytes(6400)
    if by_telephone:
        line = g711.encode(Resampler(16_000, 8_000).process(pcm, last=True), "mulaw")
        pcm = Resampler(8_000, 16_000).process(g711.decode(line, "mulaw"), last=True)
    return pcm


async def hear(driver: Any, pcm: bytes, phrases: tuple[str, ...] = (), partials: list[str] | None = None) -> Transcript:
    stream = driver.open_stream(lambda partial: partials.append(partial.text) if partials is not None else None)
    stream.start(SpeechHints(None, phrases))
    for start in range(0, len(pcm), 640):
        stream.push(pcm[start : start + 640])
        await asyncio.sleep(0)
    try:
        async with time_limit():
            return await stream.finish()
    finally:
        await stream.aclose()


def plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter == " ")


@pytest.mark.parametrize("by_telephone", [False, True])
async def test_free_speech_is_understood(stt, by_telephone):
    said = "could you tell me whether the kitchen is still open on sunday evening"
    transcript = await hear(stt, await say(said, by_telephone=by_telephone))
    assert plain(transcript.text) == said
    assert transcript.confidence is not None
    assert transcript.confidence > 0.5
    assert transcript.language == "en"


async def test_what_is_expected_is_written_as_the_agent_writes_it(stt):
    transcript = await hear(stt, await say("i come to vox bistro"), ("Vox Bistro", "book a table"))
    assert "Vox Bistro" in transcript.text


async def test_nothing_is_heard_in_silence_and_noise(stt):
    chance = random.Random(1)
    hiss = array("h", (round(chance.gauss(0, 600)) for _ in range(32_000))).tobytes()
    for pcm in (bytes(64_000), hiss):
        assert (await hear(stt, pcm)).text == ""


async def test_what_is_expected_is_not_heard_in_noise(stt):
    chance = random.Random(1)
    hiss = array("h", (round(chance.gauss(0, 600)) for _ in range(32_000))).tobytes()
    assert (await hear(stt, hiss, ("Do you have parking?", "water", "a large group", "Book a table."))).text == ""


async def test_alternatives_have_other_words_and_are_less_likely(stt):
    transcript = await hear(stt, await say("is it possible to get takeout", voice="kal16", by_telephone=True))
    texts = [plain(transcript.text), *(plain(other.text) for other in transcript.alternatives)]
    sureness = [transcript.confidence or 0.0, *(other.confidence for other in transcript.alternatives)]
    assert len(texts) > 1
    assert len(set(texts)) == len(texts)
    assert sureness == sorted(sureness, reverse=True)


async def test_interim_texts_grow_and_agree_with_the_end(stt):
    partials: list[str] = []
    arrived = asyncio.Event()

    def on_partial(partial: Transcript) -> None:
        partials.append(partial.text)
        arrived.set()

    stream = stt.open_stream(on_partial)
    stream.start(None)
    pcm = await say("i would like to book a table for four people next friday")
    middle = 48_000
    stream.push(pcm[: middle - 16_000])
    async with time_limit():  # the first text of two is not shown, whenever it was made
        for start in range(middle - 16_000, len(pcm), 16_000):
            stream.push(pcm[start : start + 16_000])
            with suppress(TimeoutError):
                await asyncio.wait_for(arrived.wait(), scaled(0.5))
        final = await stream.finish()
    assert partials
    assert plain(final.text).startswith(plain(partials[0]))
    await stream.aclose()


async def test_damaged_weights_are_never_loaded(tmp_path):
    copytree(weights(), tmp_path / MODEL)
    files = ModelStore(tmp_path).files(MODEL)
    assert files is not None
    with files["model.bin"].open("r+b") as file:
        file.write(b"x")
    with pytest.raises(DependencyError) as caught:
        async with registry.create("stt", "whisper", {}, deps(tmp_path)):
            pass
    assert caught.value.code == "model_damaged"


async def test_missing_weights_are_named_with_the_remedy(tmp_path):
    weights()
    with pytest.raises(UsageError) as caught:
        async with registry.create("stt", "whisper", {"model": "whisper-base"}, deps(tmp_path)):
            pass
    assert caught.value.code == "model_not_installed"
    assert "vox models install whisper-base" in caught.value.hint


async def test_a_folder_of_weights_serves_as_a_model():
    files = STORE.files(MODEL)
    folder = str(next(weights().iterdir())) if files is None else str(files["model.bin"].parent)
    async with registry.create("stt", "whisper", {"model": folder}, deps()) as driver:
        assert (
            plain((await hear(driver, await say("what are your opening hours"))).text) == "what are your opening hours"
        )


async def test_weights_that_arrive_while_the_server_runs_are_taken_up_for_new_calls(tmp_path, monkeypatch):
    source = weights()
    require(find_spec("pocketsphinx") is not None, "pocketsphinx", "pip install pocketsphinx")
    monkeypatch.setattr(offline, "LOOK_S", 0.05)
    taken_up = asyncio.Event()
    monkeypatch.setattr(
        "vox.providers.stt.offline._log.info", lambda _, driver, **__: taken_up.set() if driver == "whisper" else None
    )
    async with registry.create("stt", "offline", {}, deps(tmp_path)) as driver:
        assert (isinstance(driver, Switching), isinstance(driver, Limited)) == (True, True)
        assert driver.current == "pocketsphinx"
        early = driver.open_stream(lambda _: None)
        copytree(source, tmp_path / "new")
        (tmp_path / "new").rename(tmp_path / MODEL)
        async with time_limit():
            await taken_up.wait()
        assert driver.current == "whisper"
        await driver.check()
        said = "could you tell me whether the kitchen is still open"
        assert plain((await hear(driver, await say(said))).text) == said
        early.start(SpeechHints("#JSGF V1.0; grammar g; public <said> = what are your opening hours | yes;"))
        early.push(await say("what are your opening hours"))
        async with time_limit():
            assert (await early.finish()).text == "what are your opening hours", "a call keeps what it began with"
        await early.aclose()
