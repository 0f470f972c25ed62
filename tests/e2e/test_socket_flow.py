"""Writes that are joined and reading that pauses, on real connections: what the other side sees of it."""

import asyncio
from typing import Any

from tests.e2e.http_server_harness import FAST, PLAIN, Place, Recorder, Wire, everywhere, serving
from tests.e2e.segments import segments_in
from tests.time_limits import WAIT_S
from vox.http.coalescing_socket import coalesced
from vox.http.websocket import Socket, open_socket

MESSAGES: list[str | bytes] = ["text", b"\x01\x02", "", b"", "é" * 40, b"x" * 300, b"y" * 70_000, "end"]


def tcp(wire: Wire) -> Any:
    return wire.writer.get_extra_info("socket")


async def opened(place: Place) -> tuple[Wire, Socket]:
    """A raw client, and the socket on the server's side."""
    wire = await Wire.connect(place.port)
    return wire, (await place.listener()).socket


async def sent(wire: Wire, socket: Socket, count: int, *, at_once: bool = False) -> int:
    """Sends so many small messages, one a turn of the loop unless at once; the segments in which they arrived."""
    before = segments_in(tcp(wire))
    for number in range(count):
        socket.send(f"message {number}")
        if not at_once:
            await asyncio.sleep(0)
    assert [await wire.receive() for _ in range(count)] == [(1, b"message %d" % number) for number in range(count)]
    return segments_in(tcp(wire)) - before


@everywhere(FAST)
async def test_without_a_window_each_message_is_a_segment_and_with_one_they_share_it(server: str):
    async with serving(server, Place()) as place:
        wire, socket = await opened(place)
        assert coalesced(socket, 0, 10) is socket
        assert await sent(wire, coalesced(socket, 0, 10), 20) == 20
        assert await sent(wire, coalesced(socket, 60_000, 10), 20) == 2
        assert await sent(wire, coalesced(socket, 60_000, 4), 20) == 5
        assert await sent(wire, coalesced(socket, 20, 1000), 20, at_once=True) == 1
        await wire.drop()


@everywhere(FAST, PLAIN)
async def test_joined_messages_arrive_whole_and_in_order(server: str):
    async with serving(server, Place()) as place:
        client = Recorder()
        await open_socket(place.url, client)
        assert await client.next() == "opened"
        socket = coalesced((await place.listener()).socket, 5, 3)
        for message in MESSAGES:
            socket.send(message)
        assert [await client.next() for _ in MESSAGES] == MESSAGES


@everywhere(FAST, PLAIN)
async def test_what_waits_goes_out_before_the_close(server: str):
    async with serving(server, Place()) as place:
        client = Recorder()
        await open_socket(place.url, client)
        assert await client.next() == "opened"
        socket = coalesced((await place.listener()).socket, 60_000, 100)
        socket.send("one")
        socket.send("two")
        socket.close(1000, "bye")
        assert [await client.next() for _ in range(3)] == ["one", "two", (1000, "bye")]
        socket.send("three")
        assert not socket.is_open


@everywhere(FAST)
async def test_a_client_that_does_not_read_is_closed_with_joined_writes_too(server: str):
    async with serving(server, Place()) as place:
        wire = await Wire.connect(place.port)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        listener = await place.listener()
        socket = coalesced(listener.socket, 1, 10)
        while socket.is_open:
            socket.send(b"x" * 4000)
            await asyncio.sleep(0)
        assert socket.backlog_bytes < 2 << 20
        await wire.drop()


@everywhere(FAST, PLAIN)
async def test_a_connection_that_is_not_read_makes_its_peer_wait_and_no_other(server: str):
    async with serving(server, Place(ping_interval_s=0.0)) as place:
        client, other = Recorder(), Recorder()
        sending = await open_socket(place.url, client, max_backlog_bytes=1 << 30)
        slow = await place.listener()
        quick = await open_socket(place.url, other)
        heard = await place.listener()
        slow.socket.pause_reading()
        count, size = 2000, 16_000  # 32 MB: more than kernels keep
        for number in range(count):
            sending.send(number.to_bytes(2, "big") + bytes(size))
        for number in range(50):
            quick.send(f"{number}")
            assert await heard.next() == f"{number}"
        assert sending.backlog_bytes > count * size // 2
        assert slow.events.qsize() * size < 2 << 20
        slow.socket.resume_reading()
        for number in range(count):
            message = await slow.next()
            assert message[:2] == number.to_bytes(2, "big")
        sending.close()
        assert (await slow.until_closed())[0] == 1000


@everywhere(FAST, PLAIN)
async def test_a_paused_connection_can_be_closed_and_lost(server: str):
    async with serving(server, Place(ping_interval_s=0.0)) as place:
        client = Recorder()
        await open_socket(place.url, client)
        listener = await place.listener()
        listener.socket.pause_reading()
        listener.socket.close(1000, "enough")
        assert (await client.until_closed()) == (1000, "enough")
        assert (await listener.until_closed())[0] == 1000
        listener.socket.resume_reading()
        listener.socket.pause_reading()


@everywhere(FAST)
async def test_a_pause_is_not_held_against_the_peer(server: str):
    async with serving(server, Place(ping_interval_s=0.05, ping_timeout_s=0.05)) as place:
        client = Recorder()
        socket = await open_socket(place.url, client, ping_interval_s=0)
        listener = await place.listener()
        listener.socket.pause_reading()
        await asyncio.sleep(0.5)  # several keepalives
        listener.socket.resume_reading()
        socket.send("here")
        assert await asyncio.wait_for(listener.next(), WAIT_S) == "here"
