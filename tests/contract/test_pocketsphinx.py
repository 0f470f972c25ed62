"""The offline recogniser for real: spoken sentences, telephone lines, foreign words, dying workers."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any, cast

import httpx2
import pytest

from tests.processes import children_of, is_running
from tests.require import require
from tests.time_limits import WAIT_S, time_limit
from vox.errors import DependencyError
from vox.media import g711
from vox.media.resample import Resampler
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.stt.contract import SpeechHints, Transcript
from vox.runtime.clock import SystemClock

DEPS = Deps(SystemClock(), cast("httpx2.AsyncClient", None))
GRAMMAR = """#JSGF V1.0;
// pron: zworykin = Z W AO R IH K IH N
grammar test;
public <said> = [please] book a table for (two | four) (people | guests) | what are your opening hours
  | speak to (mister zworykin | an operator) | my number is <digit>+ | brzlfk;
<digit> = one | two | three | four | five | six | seven | eight | nine;
"""


@pytest.fixture
async def stt() -> AsyncIterator[Any]:
    require(find_spec("pocketsphinx") is not None, "pocketsphinx", "pip install pocketsphinx")
    async with registry.create("stt", "pocketsphinx", {}, DEPS) as driver:
        yield driver


async def say(text: str, *, by_telephone: bool = False) -> bytes:
    """A sentence as flite says it, 16 kHz, with a breath before and behind; by telephone through 8 kHz mu-law."""
    require(which("flite") is not None, "flite", "apt-get install flite")
    async with registry.create("tts", "flite", {"voice": "slt"}, DEPS) as tts:
        pcm = b"".join([chunk.pcm async for chunk in tts.synthesize(text)])
    pcm = bytes(6400) + pcm + bytes(6400)
    if by_telephone:
        line = g711.encode(Resampler(16_000, 8_000).process(pcm, last=True), "mulaw")
        pcm = Resampler(8_000, 16_000).process(g711.decode(line, "mulaw"), last=True)
    return pcm


async def hear(driver: Any, pcm: bytes, grammar: str | None = GRAMMAR, partials: list[str] | None = None) -> Transcript:
    stream = driver.open_stream(lambda partial: partials.append(partial.text) if partials is not None else None)
    stream.start(SpeechHints(grammar))
    for start in range(0, len(pcm), 640):
        stream.push(pcm[start : start + 640])
        await asyncio.sleep(0)
    try:
        async with time_limit():
            return await stream.finish()
    finally:
        await stream.aclose()


def workers() -> list[int]:
    """The worker processes of this process."""
    return children_of(os.getpid(), named="_pocketsphinx_worker")


@pytest.mark.parametrize("by_telephone", [False, True])
@pytest.mark.parametrize(
    "text", ["please book a table for four people", "what are your opening hours", "my number is five one three nine"]
)
async def test_a_sentence_of_the_grammar_is_understood(stt, text, by_telephone):
    transcript = await hear(stt, await say(text, by_telephone=by_telephone))
    assert transcript.text == text
    assert transcript.confidence is not None
    assert transcript.confidence > 0.5


async def test_a_word_with_a_written_pronunciation_is_understood(stt):
    assert (await hear(stt, await say("speak to mister zworykin"))).text == "speak to mister zworykin"


@pytest.mark.parametrize("by_telephone", [False, True])
@pytest.mark.parametrize(
    "text", ["the weather in paris is lovely this time of year", "my dog ate all of the homework again last night"]
)
async def test_what_the_grammar_does_not_know_is_not_understood(stt, text, by_telephone):
    assert (await hear(stt, await say(text, by_telephone=by_telephone))).text == ""


@pytest.mark.parametrize(
    "pcm", [bytes(32_000), bytes(1), b"\x01\x00\xff\xff" * 8_000], ids=["silence", "a byte", "hiss"]
)
async def test_no_speech_is_no_text(stt, pcm):
    assert (await hear(stt, pcm)).text == ""


async def test_the_same_audio_gives_the_same_text_whoever_spoke_before(stt):
    pcm = await say("book a table for two guests")
    first = await hear(stt, pcm)
    await hear(stt, await say("my dog ate all of the homework", by_telephone=True))
    assert await hear(stt, pcm) == first


async def test_free_text_comes_with_interim_texts(stt):
    partials: list[str] = []
    transcript = await hear(stt, await say("the quick brown fox jumps over the lazy dog"), None, partials)
    assert "brown fox" in transcript.text


async def test_a_broken_grammar_is_an_error_of_its_utterance_only(stt):
    pcm = await say("what are your opening hours")
    with pytest.raises(DependencyError) as caught:
        await hear(stt, pcm, "no grammar at all")
    assert caught.value.code == "provider_failed"
    assert (await hear(stt, pcm)).text == "what are your opening hours"


async def test_the_text_asked_for_at_the_pause_serves_the_end(stt):
    pcm = await say("what are your opening hours")
    stream = stt.open_stream(lambda _: None)
    stream.start(SpeechHints(GRAMMAR))
    stream.push(pcm)
    stream.pause()
    request = stream._order.request
    for _ in range(20):
        stream.push(bytes(640))
    assert (await stream.finish()).text == "what are your opening hours"
    assert request == 1
    await stream.aclose()


async def test_the_text_up_to_a_pause_is_told_while_the_caller_may_go_on(stt):
    told: asyncio.Queue[Transcript] = asyncio.Queue()
    stream = stt.open_stream(told.put_nowait)
    stream.start(SpeechHints(GRAMMAR))
    stream.push(await say("what are your opening hours"))
    stream.pause()
    async with time_limit():
        transcript = await told.get()
    assert (transcript.text, transcript.is_final, transcript.at_pause) == ("what are your opening hours", False, True)
    assert (await stream.finish()).text == "what are your opening hours"
    assert told.empty()
    await stream.aclose()


async def test_speech_behind_a_pause_belongs_to_the_utterance(stt):
    stream = stt.open_stream(lambda _: None)
    stream.start(SpeechHints(GRAMMAR))
    stream.push(await say("my number is five"))
    stream.pause()
    stream.push(await say("six three"))
    stream.pause()
    assert (await stream.finish()).text == "my number is five six three"
    await stream.aclose()


async def test_a_dead_worker_fails_its_utterances_and_is_replaced(stt):
    stream = stt.open_stream(lambda _: None)
    stream.start(SpeechHints(GRAMMAR))
    stream.push(bytes(32_000))
    (worker,) = workers()
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(DependencyError) as caught:
        await asyncio.wait_for(stream.finish(), WAIT_S)
    assert (caught.value.code, caught.value.retryable) == ("stt_worker_down", True)
    async with time_limit():
        await stt._pool._workers[0].ready.wait()
    assert (await hear(stt, await say("what are your opening hours"))).text == "what are your opening hours"
    assert worker not in workers()
    await stream.aclose()


async def test_signals_meant_for_the_server_leave_the_workers_alone(stt):
    (worker,) = workers()
    os.kill(worker, signal.SIGTERM)
    os.kill(worker, signal.SIGINT)
    assert (await hear(stt, bytes(32_000))).text == ""
    assert workers() == [worker]


async def test_closing_leaves_no_process():
    require(find_spec("pocketsphinx") is not None, "pocketsphinx", "pip install pocketsphinx")
    async with registry.create("stt", "pocketsphinx", {"workers": 2}, DEPS):
        assert len(workers()) == 2
    assert workers() == []


async def test_more_utterances_than_allowed_are_refused():
    require(find_spec("pocketsphinx") is not None, "pocketsphinx", "pip install pocketsphinx")
    async with registry.create("stt", "pocketsphinx", {"max_utterances": 1}, DEPS) as stt:
        first, second = stt.open_stream(lambda _: None), stt.open_stream(lambda _: None)
        first.start(SpeechHints(GRAMMAR))
        second.start(SpeechHints(GRAMMAR))
        with pytest.raises(DependencyError) as caught:
            await second.finish()
        assert caught.value.code == "stt_overloaded"
        await first.aclose()
        assert (await hear(stt, bytes(32_000))).text == ""


async def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path):
    require(find_spec("pocketsphinx") is not None, "pocketsphinx", "pip install pocketsphinx")
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import asyncio\n"
        "from vox.providers import registry\n"
        "from vox.providers.contract import Deps\n"
        "from vox.runtime.clock import SystemClock\n"
        "async def main():\n"
        "    async with registry.create('stt', 'pocketsphinx', {}, Deps(SystemClock(), None)) as stt:\n"
        "        print(stt._pool._workers[0]._process.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, str(parent), stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with time_limit():
        worker = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    async with time_limit():
        while is_running(worker):  # noqa: ASYNC110  the end of somebody else's process has no event
            await asyncio.sleep(0.02)
