"""A vendor's sockets wait for the next sentence, unless something speaks against it."""

import asyncio
from contextlib import aclosing

import httpx2
import pytest

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError
from vox.http.websocket import UpgradeRefusedError
from vox.providers.contract import Deps
from vox.providers.tts import _vendor_sockets, cartesia
from vox.providers.tts._vendor_sockets import MAX_IDLE, MAX_WAITING_BYTES, SocketPool, VendorSocket


class Wire:
    """One opened socket, as the vendor has it."""

    def __init__(self, listener: VendorSocket) -> None:
        self.listener = listener
        self.sent: list[str | bytes] = []
        self.is_open = True
        self.backlog_bytes = 0
        self.write_frames = None

    def send(self, message: str | bytes) -> None:
        self.sent.append(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.is_open:
            self.is_open = False
            self.listener.closed(code, reason)


class Vendor:
    """Takes the place of the network."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.wires: list[Wire] = []
        self.error: DependencyError | None = None

    async def open(self, url, listener, **options):
        if self.error is not None:
            raise self.error
        wire = Wire(listener)
        self.wires.append(wire)
        listener.opened(wire)
        return wire


@pytest.fixture
def vendor(monkeypatch):
    played = Vendor()
    monkeypatch.setattr(_vendor_sockets, "open_socket", played.open)
    return played


@pytest.fixture
async def pool(vendor):
    async with httpx2.AsyncClient() as http:
        speech = cartesia.create(cartesia.Config(), Deps(vendor.clock, http, {"cartesia": "k"}))
        yield SocketPool(speech, vendor.clock, "wss://vendor.example", {}, timeout_s=10, idle_s=60)


async def test_a_socket_serves_the_next_sentence(vendor, pool):
    for _ in range(3):
        async with pool.lease() as socket:
            socket.send("hello")
    assert [wire.sent for wire in vendor.wires] == [["hello"] * 3]
    pool.close()
    assert not vendor.wires[0].is_open


async def test_sentences_at_once_have_a_socket_each(vendor, pool):
    async with pool.lease() as one, pool.lease() as other:
        assert one is not other
    async with pool.lease():
        assert len(vendor.wires) == 2


async def test_a_socket_that_waited_too_long_is_not_used_again(vendor, pool):
    async with pool.lease():
        pass
    vendor.clock.advance(61)
    async with pool.lease():
        pass
    assert [wire.is_open for wire in vendor.wires] == [False, True]


async def test_a_socket_that_the_vendor_closed_is_not_used_again(vendor, pool):
    async with pool.lease():
        pass
    vendor.wires[0].close(1001, "idle")
    async with pool.lease():
        pass
    assert len(vendor.wires) == 2


async def cut(pool, vendor, *, on_cut, silent_s=0.0):
    async def sentence():
        async with pool.lease(on_cut=on_cut) as socket:
            socket.send("speak")
            yield await socket.receive()
            yield await socket.receive()

    async with aclosing(sentence()) as pieces:
        waiting = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        vendor.wires[-1].listener.received("audio")
        await waiting
        vendor.clock.advance(silent_s)


async def test_a_cut_sentence_is_cancelled_and_its_socket_kept(vendor, pool):
    await cut(pool, vendor, on_cut="cancel")
    assert vendor.wires[0].sent == ["speak", "cancel"]
    assert vendor.wires[0].is_open


async def test_a_cut_sentence_that_cannot_be_cancelled_ends_its_socket(vendor, pool):
    await cut(pool, vendor, on_cut="")
    assert not vendor.wires[0].is_open


async def test_a_socket_that_fell_silent_is_not_kept(vendor, pool):
    await cut(pool, vendor, on_cut="cancel", silent_s=9)
    assert not vendor.wires[0].is_open


async def test_a_failed_sentence_ends_its_socket(vendor, pool):
    with pytest.raises(ValueError, match="unreadable"):
        async with pool.lease(on_cut="cancel"):
            raise ValueError("unreadable")
    assert not vendor.wires[0].is_open


async def test_what_arrived_before_the_end_is_still_taken(vendor, pool):
    async with pool.lease() as socket:
        vendor.wires[0].listener.received("one")
        vendor.wires[0].listener.closed(1011, "broken")
        assert await socket.receive() == "one"
        with pytest.raises(DependencyError, match="1011 \\(broken\\)") as caught:
            await socket.receive()
    assert (caught.value.code, caught.value.retryable) == ("provider_unreachable", True)


async def test_a_vendor_that_sends_without_end_is_cut_off(vendor, pool):
    async with pool.lease() as socket:
        for _ in range(3):
            vendor.wires[0].listener.received(bytes(MAX_WAITING_BYTES // 2))
        assert not vendor.wires[0].is_open
        taken = [await socket.receive() for _ in range(3)]
        with pytest.raises(DependencyError, match="too much at once"):
            await socket.receive()
    assert len(taken) == 3


async def test_only_so_many_sockets_wait(vendor, pool):
    leases = [pool.lease() for _ in range(MAX_IDLE + 2)]
    for lease in leases:
        await lease.__aenter__()
    for lease in leases:
        await lease.__aexit__(None, None, None)
    assert sum(wire.is_open for wire in vendor.wires) == MAX_IDLE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpgradeRefusedError("wss://v", 401, {}, b"no"), "provider_refused_key"),
        (UpgradeRefusedError("wss://v", 429, {"retry-after": "3"}, b""), "provider_rate_limited"),
        (DependencyError("slow", code="connect_timed_out"), "provider_timeout"),
        (DependencyError("refused", code="connect_failed"), "provider_unreachable"),
    ],
)
async def test_a_connection_that_is_not_had_says_why(vendor, pool, error, code):
    vendor.error = error
    with pytest.raises(DependencyError) as caught:
        async with pool.lease():
            pass
    assert caught.value.code == code
    assert caught.value.retry_after_s == (3.0 if code == "provider_rate_limited" else None)
