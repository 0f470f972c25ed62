"""Sessions for requests: used again, bounded, interrupted, and given up where they fail. The worker is played."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from vox.errors import DependencyError
from vox.providers.pipecat import messages as wire
from vox.providers.pipecat import pool as pool_module
from vox.providers.pipecat.host import Host
from vox.providers.pipecat.options import ServiceOptions
from vox.providers.pipecat.pool import SessionPool

pytestmark = pytest.mark.usefixtures("virtual_loop")


class PlayedSession:
    """A session whose answers the test gives."""

    def __init__(self, number: int, voice: str, on_message: Callable[[Any], None]):
        self.number = number
        self.voice = voice
        self.say = on_message
        self.sent: list[Any] = []
        self.is_open = True

    def send(self, message: Any) -> None:
        self.sent.append(message)

    def close(self) -> None:
        self.is_open = False


class PlayedHost(Host):
    """Begins sessions at once."""

    def __init__(self):
        options = ServiceOptions(service="house.Voice")
        super().__init__(options, wire.Configure("tts", "house.Voice", {}, [], "", "", 24_000, 0.0, 1.0))
        self.sessions: list[PlayedSession] = []

    def begin(self, on_message: Callable[[Any], None], *, voice: str = "", language: str = "") -> Any:
        self.sessions.append(PlayedSession(len(self.sessions) + 1, voice, on_message))
        return self.sessions[-1]


def pool_of(host: PlayedHost, *, most: int = 2) -> SessionPool:
    return SessionPool(host, most=most, wait_s=5.0, idle_s=60.0)


async def ask(pool: SessionPool, host: PlayedHost, voice: str = "", *answers: Any) -> list[Any]:
    """A request that the session answers with these and the end."""
    async with pool.request(voice=voice) as request:
        request.send(wire.Speak(request.number, "text"))
        session = host.sessions[request.number - 1]
        for answer in (*answers, wire.Finished(request.number)):
            session.say(answer)
        return [answer async for answer in request.answers()]


async def test_a_session_serves_one_request_after_the_other():
    host = PlayedHost()
    pool = pool_of(host)
    for _ in range(3):
        spoken = wire.Spoken(1, b"\x00\x00", [])
        assert await ask(pool, host, "", wire.Begun(1), spoken) == [spoken]
    assert len(host.sessions) == 1
    assert [type(message) for message in host.sessions[0].sent] == [wire.Speak] * 3


async def test_another_voice_is_another_session_and_the_oldest_makes_room():
    host = PlayedHost()
    pool = pool_of(host)
    for voice in ("low", "high", "low", "deep"):
        await ask(pool, host, voice)
    assert [session.voice for session in host.sessions] == ["low", "high", "deep"]
    assert [session.is_open for session in host.sessions] == [True, False, True]


async def test_a_session_without_requests_is_closed_after_a_while():
    host = PlayedHost()
    pool = pool_of(host)
    await ask(pool, host)
    await asyncio.sleep(59.0)
    await ask(pool, host)
    await asyncio.sleep(59.0)
    assert host.sessions[0].is_open
    await asyncio.sleep(2.0)
    assert not host.sessions[0].is_open
    await ask(pool, host)
    assert len(host.sessions) == 2
    pool.close()
    assert not host.sessions[1].is_open


async def test_a_request_that_is_left_interrupts_and_its_late_answers_reach_no_other():
    host = PlayedHost()
    pool = pool_of(host, most=1)
    async with pool.request() as request:
        request.send(wire.Speak(request.number, "text"))
    (session,) = host.sessions
    assert session.sent[-1] == wire.Interrupt(1)
    waiting = asyncio.create_task(ask(pool, host))
    await asyncio.sleep(1.0)
    session.say(wire.Spoken(1, b"\x00\x00", []))
    session.say(wire.Finished(1))
    await asyncio.sleep(1.0)
    assert not waiting.done(), "an end that crossed the interruption does not free the session"
    session.say(wire.Interrupted(1))
    assert await waiting == []
    assert len(host.sessions) == 1


async def test_further_requests_wait_and_no_longer_than_allowed():
    host = PlayedHost()
    pool = pool_of(host, most=1)
    async with pool.request():
        with pytest.raises(DependencyError) as caught:
            await ask(pool, host)
        assert caught.value.code == "provider_timeout"
    assert await ask(pool, host) == []


async def test_a_session_that_fails_is_told_and_not_used_again():
    host = PlayedHost()
    pool = pool_of(host, most=1)
    async with pool.request() as request:
        request.send(wire.Speak(request.number, "text"))
        host.sessions[0].say(wire.Failed(1, 429, "slow down", 7.0))
        with pytest.raises(DependencyError) as caught:
            await anext(request.answers())
    assert (caught.value.code, caught.value.retry_after_s) == ("provider_rate_limited", 7.0)
    assert await ask(pool, host) == []
    host.sessions[1].say(wire.Failed(2, wire.LOST, "the worker process ended"))
    assert await ask(pool, host) == []
    assert len(host.sessions) == 3, "one that failed while it rested is replaced too"


async def test_a_session_that_fails_while_it_is_interrupted_frees_its_place():
    host = PlayedHost()
    pool = pool_of(host, most=1)
    async with pool.request() as request:
        request.send(wire.Speak(request.number, "text"))
    host.sessions[0].say(wire.Failed(1, wire.LOST, "it cannot be interrupted"))
    assert await ask(pool, host) == []


async def test_a_service_that_never_stops_is_ended(monkeypatch):
    monkeypatch.setattr(pool_module, "MAX_WAITING_BYTES", 1000)
    host = PlayedHost()
    pool = pool_of(host, most=1)
    async with pool.request() as request:
        request.send(wire.Speak(request.number, "text"))
        for _ in range(20):
            if host.sessions[0].is_open:
                host.sessions[0].say(wire.Spoken(1, bytes(100), []))
        assert not host.sessions[0].is_open
        async with aclosing(request.answers()) as answers:
            with pytest.raises(DependencyError, match="more came"):
                async for _ in answers:
                    pass
    assert await ask(pool, host) == []
