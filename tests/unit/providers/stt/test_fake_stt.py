"""The fake recogniser on virtual time."""

import asyncio

import pytest

from vox.errors import DependencyError
from vox.providers.stt.fake import Config, FakeSpeechToText


async def finished(stream) -> str:
    stream.start(None)
    stream.push(bytes(640))
    return (await stream.finish()).text


async def test_the_script_goes_round_for_each_stream():
    driver = FakeSpeechToText(Config(transcripts=("one", "two")))
    first, second = driver.open_stream(lambda _: None), driver.open_stream(lambda _: None)
    assert [await finished(first) for _ in range(3)] == ["one", "two", "one"]
    assert await finished(second) == "one"


async def test_it_takes_as_long_as_told(virtual_loop):
    stream = FakeSpeechToText(Config(delay_s=0.3)).open_stream(lambda _: None)
    began = virtual_loop.time()
    assert await finished(stream) == "hello"
    assert virtual_loop.time() - began == pytest.approx(0.3)


async def test_a_silent_one_never_answers(virtual_loop):
    stream = FakeSpeechToText(Config(silent=True)).open_stream(lambda _: None)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await stream.finish()


async def test_a_failing_one_fails():
    stream = FakeSpeechToText(Config(failing=True)).open_stream(lambda _: None)
    with pytest.raises(DependencyError):
        await stream.finish()
