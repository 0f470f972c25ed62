"""What every driver of a kind promises, run over every driver found in the folders.

A driver whose library or program is missing is skipped by name. Vendors' drivers talk to a server of ours on a real port; vendors'
drivers are held to the same, and to more, by `providers/test_stt_vendors.py`, `test_llm_vendors.py`, `test_tts_vendors.py` and
`test_realtime_vendors.py` there.
"""

import asyncio
import os
import pkgutil
from array import array
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from math import sin
from shutil import which
from typing import Any

import httpx2
import pytest

import vox.providers.llm
import vox.providers.realtime
import vox.providers.stt
import vox.providers.tts
import vox.providers.turns
from tests.contract.providers.stt_vendors import FILE_DRIVERS, STREAMING_DRIVERS
from tests.fakes.openai_server import openai_server
from tests.fakes.vendors.llm_wires import WIRES
from tests.fakes.vendors.speech_vendors import SPEECH_VENDORS
from tests.require import require
from tests.time_limits import WAIT_S, time_limit
from vox.errors import UsageError
from vox.providers import registry
from vox.providers.contract import Deps, DriverConfig
from vox.providers.llm.contract import LlmRequest, TextDelta, ToolCall, Usage
from vox.providers.models.store import models_folder
from vox.providers.stt.contract import SpeechHints, Transcript
from vox.runtime.clock import SystemClock

PACKAGES = {
    "stt": vox.providers.stt,
    "llm": vox.providers.llm,
    "tts": vox.providers.tts,
    "realtime": vox.providers.realtime,
    "turns": vox.providers.turns,
}
MODEL_VENDORS = {wire.name for wire in WIRES}
NEEDED_PACKAGES = {
    "google": "grpc",
    "offline": "pocketsphinx",
    "openai_compatible": "openai",
    "pocketsphinx": "pocketsphinx",
    "whisper": "ctranslate2",
}
NEEDED_PROGRAMS = {"flite": "flite"}
PATIENCE = {"kokoro": {"timeout_s": WAIT_S, "open_timeout_s": WAIT_S}}
"""Options of drivers that a busy machine makes slow."""
HOSTING = frozenset({"pipecat"})
"""Drivers that need a service to host; `providers/test_pipecat_services.py` holds them to the same promises."""
MODELS_FOLDER = str(models_folder(os.environ))
GRAMMAR = "#JSGF V1.0;\ngrammar g;\npublic <said> = yes | no | book a table;\n"
SENTENCE = "Good morning, the café opens at nine o'clock."


def drivers(kind: str) -> list[str]:
    return [
        module.name
        for module in pkgutil.iter_modules(PACKAGES[kind].__path__)
        if module.name not in registry.NOT_DRIVERS and not module.name.startswith("_")
    ]


@asynccontextmanager
async def opened(kind, name, **options):
    if package := NEEDED_PACKAGES.get(name):
        require(find_spec(package) is not None, package, f"pip install {package}")
    if program := NEEDED_PROGRAMS.get(name):
        require(which(program) is not None, program, f"apt-get install {program}")
    options = PATIENCE.get(name, {}) | options
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient())
        if name == "openai_compatible":
            options["base_url"] = (await stack.enter_async_context(openai_server())).base_url
        deps = Deps(SystemClock(), http, environment={"VOX_MODELS_FOLDER": MODELS_FOLDER})
        driver = registry.create(kind, name, options, deps)
        try:
            yield await stack.enter_async_context(driver)
        except UsageError as error:
            require(error.code not in {"provider_not_installed", "model_not_installed"}, name, error.hint)
            raise


@pytest.fixture(params=[name for name in drivers("stt") if name not in STREAMING_DRIVERS | FILE_DRIVERS | HOSTING])
async def stt(request) -> AsyncIterator[Any]:
    async with opened("stt", request.param) as driver:
        yield driver


@pytest.fixture(params=[name for name in drivers("llm") if name not in MODEL_VENDORS | HOSTING])
async def llm(request) -> AsyncIterator[Any]:
    async with opened("llm", request.param) as driver:
        yield driver


@pytest.fixture(params=[name for name in drivers("tts") if name not in {*SPEECH_VENDORS, *HOSTING}])
async def tts(request) -> AsyncIterator[Any]:
    async with opened("tts", request.param) as driver:
        yield driver


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in PACKAGES for name in drivers(kind)])
def test_a_driver_file_has_the_shape_that_the_registry_expects(kind, name):
    if (package := NEEDED_PACKAGES.get(name)) and (kind, name) not in {("tts", "google"), ("llm", "google")}:
        require(find_spec(package) is not None, package, f"pip install {package}")
    module = registry.load(kind, name)
    assert issubclass(module.Config, DriverConfig)
    assert callable(module.create)
    assert module.__doc__
    assert name in registry.names(kind)


def babble(sample_rate: int, seconds: float = 1.0) -> bytes:
    return array("h", (round(9000 * sin(n / 9) * sin(n / 900)) for n in range(int(sample_rate * seconds)))).tobytes()


async def utterance(stream, pcm: bytes, hints: SpeechHints | None) -> Transcript:
    stream.start(hints)
    for start in range(0, len(pcm), 640):
        stream.push(pcm[start : start + 640])
    stream.pause()
    return await stream.finish()


async def test_stt_gives_a_final_transcript_for_each_utterance(stt):
    stream = stt.open_stream(lambda _: None, language="en")
    hints = SpeechHints(GRAMMAR, ("yes", "no"))
    for _ in range(2):
        async with time_limit():
            transcript = await utterance(stream, babble(stt.sample_rate), hints)
        assert transcript.is_final
        assert transcript.confidence is None or 0 <= transcript.confidence <= 1
    await stream.aclose()
    await stream.aclose()


async def test_stt_streams_do_not_wait_for_each_other(stt):
    streams = [stt.open_stream(lambda _: None) for _ in range(8)]
    pcm = babble(stt.sample_rate, 0.5)
    async with time_limit():
        found = await asyncio.gather(*(utterance(stream, pcm, SpeechHints(GRAMMAR)) for stream in streams))
    assert len({transcript.text for transcript in found}) == 1
    for stream in streams:
        await stream.aclose()


async def test_stt_begins_anew_after_a_cancel(stt):
    stream = stt.open_stream(lambda _: None)
    stream.cancel()
    stream.start(SpeechHints(GRAMMAR))
    stream.push(babble(stt.sample_rate))
    stream.pause()
    stream.cancel()
    async with time_limit():
        assert (await utterance(stream, babble(stt.sample_rate), SpeechHints(GRAMMAR))).is_final
    await stream.aclose()


async def test_stt_hears_nothing_in_an_empty_utterance(stt):
    stream = stt.open_stream(lambda _: None)
    stream.start(SpeechHints(GRAMMAR))
    async with time_limit():
        transcript = await stream.finish()
    assert transcript.text in {"", "hello"}, "hello is what the fake always hears"
    await stream.aclose()


async def test_stt_can_be_closed_in_the_middle_of_an_utterance(stt):
    stream = stt.open_stream(lambda _: None)
    stream.start(None)
    stream.push(babble(stt.sample_rate))
    stream.pause()
    async with time_limit():
        await stream.aclose()


async def test_llm_answers_in_pieces_that_make_sense(llm):
    request = LlmRequest(({"role": "system", "content": "Be brief."}, {"role": "user", "content": "What can you do?"}))
    async with time_limit():
        events = [event async for event in llm.respond(request)]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)).strip()
    assert all(isinstance(event, TextDelta | ToolCall | Usage) for event in events)


async def test_llm_answers_the_same_messages_again(llm):
    request = LlmRequest(({"role": "user", "content": "Hello"},))

    async def text() -> str:
        return "".join([event.text async for event in llm.respond(request) if isinstance(event, TextDelta)])

    assert await text() == await text(), "a model keeps no state of a call"


async def test_llm_can_be_stopped(llm):
    answer = llm.respond(LlmRequest(({"role": "user", "content": "Hello"},)))
    await anext(answer)
    async with time_limit():
        await answer.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(answer)


async def test_llm_hints_are_for_these_messages(llm):
    hints = llm.hints(({"role": "user", "content": "Hello"},))
    assert hints is None or isinstance(hints, SpeechHints)


async def test_tts_speaks_whole_samples_with_its_words_in_order(tts):
    async with time_limit():
        chunks = [chunk async for chunk in tts.synthesize(SENTENCE)]
    assert all(chunk.pcm and len(chunk.pcm) % 2 == 0 for chunk in chunks)
    duration_s = sum(len(chunk.pcm) for chunk in chunks) / 2 / tts.sample_rate
    assert 0.3 < duration_s < 10
    assert max(max(array("h", chunk.pcm)) for chunk in chunks) > 1000, "it is audible"
    words = [word for chunk in chunks for word in chunk.words]
    assert [word.at_s for word in words] == sorted(word.at_s for word in words)
    assert [SENTENCE[word.start : word.end] for word in words] in ([], SENTENCE.split())
    end_s = 0.0
    for chunk in chunks:
        begin_s, end_s = end_s, end_s + len(chunk.pcm) / 2 / tts.sample_rate
        assert all(begin_s - 0.1 <= word.at_s <= end_s + 0.1 for word in chunk.words)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
async def test_tts_has_nothing_to_say_to_an_empty_text(tts, text):
    chunks = [chunk async for chunk in tts.synthesize(text)]
    assert sum(len(chunk.pcm) for chunk in chunks) <= 0.5 * tts.sample_rate * 2


@pytest.mark.parametrize(
    "text", ["-x --help", "<b>bold</b> & [[x]] `rm` $HOME", "nul \x00 esc \x1b", "日本 🎉 ok", "\ud800 half"]
)
async def test_tts_takes_any_text_as_words(tts, text):
    async with time_limit():
        assert sum([len(chunk.pcm) async for chunk in tts.synthesize(f"Say {text} now")]) > 0


async def test_tts_can_be_stopped_and_used_again(tts):
    speech = tts.synthesize(SENTENCE * 5)
    await anext(speech)
    async with time_limit():
        await speech.aclose()
        assert [chunk async for chunk in tts.synthesize("Yes.")]


async def test_tts_speaks_for_several_at_a_time(tts):
    async def length() -> int:
        return sum([len(chunk.pcm) async for chunk in tts.synthesize(SENTENCE)])

    async with time_limit():
        lengths = await asyncio.gather(*(length() for _ in range(6)))
    assert max(lengths) - min(lengths) <= 0.05 * max(lengths)
