import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from vox.http.signals import drain_before_shutdown


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What the server's own handler heard, as uvicorn installs it."""
    said: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: said.append(signal.Signals(number).name))
    yield said
    signal.signal(signal.SIGTERM, before)


async def test_the_drain_comes_before_the_server_s_own_handler_however_often_it_is_told(heard: list[str]):
    gate, begun = asyncio.Event(), asyncio.Event()

    async def drain() -> None:
        heard.append("drain")
        begun.set()
        await gate.wait()

    async with drain_before_shutdown(drain):
        os.kill(os.getpid(), signal.SIGTERM)
        await begun.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == ["drain"]
        gate.set()
    assert heard == ["drain", "SIGTERM"]
    os.kill(os.getpid(), signal.SIGTERM)
    assert heard == ["drain", "SIGTERM", "SIGTERM"]


async def test_a_drain_that_fails_does_not_keep_the_server_alive(heard: list[str]):
    begun = asyncio.Event()

    async def drain() -> None:
        begun.set()
        raise RuntimeError("no")

    async with drain_before_shutdown(drain):
        os.kill(os.getpid(), signal.SIGTERM)
        await begun.wait()
    assert heard == ["SIGTERM"]


async def test_without_such_a_handler_nothing_is_touched():
    before = signal.getsignal(signal.SIGTERM)

    async def drain() -> None:
        raise AssertionError("not asked for")

    async with drain_before_shutdown(drain):
        assert signal.getsignal(signal.SIGTERM) is before
