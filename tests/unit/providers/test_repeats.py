"""When a vendor is asked again, and how long one is waited for: the same at every driver that asks over HTTP."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from tests.fakes.clock import FakeClock
from tests.time_limits import WAIT_S, time_limit
from vox.errors import DependencyError
from vox.providers import registry
from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.llm.contract import LlmRequest
from vox.providers.tts._vendor import Piece, Sentence, Vendor, VendorOptions, VendorSpeech
from vox.runtime.clock import SystemClock

KEYS: dict[str, str] = dict.fromkeys(("openai", "anthropic", "google", "camb", "deepgram", "elevenlabs"), "k1")
SHORT_S = 0.5
"""A deadline that is meant to be missed."""
DRIVERS: list[tuple[registry.Kind, str]] = [
    ("llm", "openai"),
    ("llm", "anthropic"),
    ("llm", "google"),
    ("stt", "openai"),
    ("stt", "camb"),
    ("tts", "openai"),
    ("tts", "deepgram"),
    ("tts", "elevenlabs"),
]


class Wire(httpx2.AsyncBaseTransport):
    """Counts requests, and answers each with a status; without one, never."""

    def __init__(self, status: int | None = None, headers: dict[str, str] | None = None) -> None:
        self.requests = 0
        self._status = status
        self._headers = headers

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if self._status is None:
            await asyncio.Event().wait()
            raise AssertionError
        return httpx2.Response(self._status, headers=self._headers, json={"error": {"message": "busy"}})


async def use(driver: Any, kind: str) -> None:
    match kind:
        case "llm":
            [event async for event in driver.respond(LlmRequest(({"role": "user", "content": "Hi"},)))]
        case "tts":
            [chunk async for chunk in driver.synthesize("Good morning.")]
        case _:
            stream = driver.open_stream(lambda _: None)
            stream.start(None)
            stream.push(b"\x00\x40\x00\xc0" * 8000)
            await stream.finish()


async def ask(kind: registry.Kind, name: str, wire: Wire, timeout_s: float) -> str:
    """The code with which a request fails."""
    async with time_limit(), httpx2.AsyncClient(transport=wire) as http:
        options = {"timeout_s": timeout_s, "max_retries": 1}
        async with registry.create(kind, name, options, Deps(SystemClock(), http, KEYS)) as driver:
            with pytest.raises(DependencyError) as caught:
                await use(driver, kind)
    return caught.value.code


@pytest.mark.parametrize(("kind", "name"), DRIVERS)
async def test_a_vendor_that_did_not_answer_is_not_waited_for_again(kind, name):
    wire = Wire()
    assert await ask(kind, name, wire, SHORT_S) == "provider_timeout"
    assert wire.requests == 1, "the caller has waited long enough"


@pytest.mark.parametrize(("kind", "name"), DRIVERS)
async def test_a_failure_that_may_pass_is_tried_again_once(kind, name):
    wire = Wire(503)
    assert await ask(kind, name, wire, WAIT_S) == "provider_failed"
    assert wire.requests == 2


@pytest.mark.parametrize(("kind", "name"), DRIVERS)
async def test_a_vendor_that_asks_for_time_gets_it(kind, name):
    wire = Wire(429, {"Retry-After": "7"})
    assert await ask(kind, name, wire, WAIT_S) == "provider_rate_limited"
    assert wire.requests == 1


class Heartbeat(VendorSpeech):
    """Begins a sentence, and then shows signs of life only."""

    vendor = Vendor("Acme", "acme", "http://localhost", "ACME_URL", Key("acme"))

    async def pieces(self, sentence: Sentence) -> AsyncGenerator[Piece, None]:
        yield Piece(b"\x00\x01\x00\x01")
        while True:
            await asyncio.sleep(0)
            yield Piece()


async def test_signs_of_life_are_no_speech():
    async with time_limit(), httpx2.AsyncClient(transport=Wire()) as http:
        speech = Heartbeat(VendorOptions(timeout_s=SHORT_S), Deps(FakeClock(), http))
        with pytest.raises(DependencyError) as caught:
            [chunk async for chunk in speech.synthesize("Good morning.")]
    assert caught.value.code == "provider_timeout"
