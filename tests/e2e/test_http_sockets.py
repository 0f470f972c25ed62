"""Sockets over real loopback connections: on uvloop, on asyncio, and under plain uvicorn."""

import asyncio
import struct
from contextlib import suppress
from typing import Any

import pytest
import websockets

from tests.e2e.http_server_harness import (
    FAST,
    PLAIN,
    Place,
    Recorder,
    Wire,
    both_loops,
    echo,
    everywhere,
    serving,
    short,
)
from tests.time_limits import WAIT_S
from vox.errors import DependencyError, UsageError
from vox.http import asgi_socket, picows_socket
from vox.http.server import Server
from vox.http.websocket import Socket, UpgradeRefusedError, open_socket


@everywhere(FAST, PLAIN)
async def test_messages_of_all_sizes_come_back_in_order(server):
    async with serving(server, Place(echo)) as place:
        client = Recorder()
        socket = await open_socket(place.url, client)
        assert await client.next() == "opened"
        sent = ["hi", b"\x00\x01", "", b"", b"a" * 9000, b"b", "é" * 5000, b"c" * 200_000, "z", b"d" * 70_000, b"e"]
        for message in sent:
            socket.send(message)
        assert [await client.next() for _ in sent] == sent
        socket.close()
        assert await client.next() == (1000, "")


@everywhere(FAST)
async def test_messages_queued_for_a_slow_reader_keep_their_headers(server):
    async with serving(server, Place(max_backlog_bytes=1 << 30)) as place:
        wire = await Wire.connect(place.port)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        listener = await place.listener()
        sent = [
            (2, b"x" * 9000),
            (1, b"small"),
        ] * 1500  # more than the kernel takes; the last header written is another
        for opcode, payload in sent:
            listener.socket.send(payload if opcode == 2 else payload.decode())
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert [await wire.receive() for _ in sent] == sent
        await wire.drop()


@everywhere(FAST, PLAIN)
async def test_a_library_of_another_house_can_talk_to_us(server):
    async with serving(server, Place(echo)) as place:
        async with websockets.connect(
            place.url, subprotocols=[websockets.Subprotocol("rtvi"), websockets.Subprotocol("x")]
        ) as peer:
            assert peer.subprotocol == "rtvi"
            assert peer.response is not None
            assert peer.response.headers["X-Vox"] == "1"
            await peer.send(["frag", "men", "ted"])
            assert await peer.recv() == "fragmented"
            await peer.send(b"x" * 100_000)
            assert await peer.recv() == b"x" * 100_000
            await (await peer.ping())
        listener = await place.listener()
        assert await listener.until_closed() == (1000, "")


@everywhere(FAST, PLAIN)
async def test_the_peers_close_code_reaches_the_listener(server):
    async with serving(server, Place()) as place:
        client = Recorder()
        socket = await open_socket(place.url, client)
        listener = await place.listener()
        socket.close(4001, "bye")
        assert not socket.is_open
        socket.send("ignored")
        socket.close(4002)
        assert await listener.next() == (4001, "bye")
        assert await client.until_closed() == (4001, "bye")
        await asyncio.wait_for(place.finished.wait(), WAIT_S)


@everywhere(FAST, PLAIN)
async def test_our_close_code_reaches_the_peer_behind_what_was_sent(server):
    async with serving(server, Place()) as place:
        client = Recorder()
        await open_socket(place.url, client)
        listener = await place.listener()
        listener.socket.send("last words")
        listener.socket.close(4003, "enough")
        assert [await client.next() for _ in range(3)] == ["opened", "last words", (4003, "enough")]
        assert await listener.next() == (4003, "enough")


@everywhere(FAST, PLAIN)
async def test_a_connection_that_breaks_is_1006_and_a_close_without_code_1005(server):
    async with serving(server, Place()) as place:
        wire = await Wire.connect(place.port)
        listener = await place.listener()
        await wire.drop()
        assert (await listener.next())[0] in ({1006} if server == FAST else {1005, 1006})  # uvicorn says 1005
        wire = await Wire.connect(place.port)
        listener = await place.listener()
        wire.send(Wire.frame(8))
        assert (await listener.next())[0] == 1005
        assert (await wire.receive())[0] == 8
        assert await wire.reader.read() == b""
        await wire.drop()


@everywhere(FAST)
async def test_what_arrives_behind_the_upgrade_request_is_not_lost(server):
    async with serving(server, Place(echo)) as place:
        early = Wire.frame(1, b"early") + Wire.frame(2, b"x" * 40_000)
        wire = await Wire.connect(place.port, behind=early)
        assert await wire.receive() == (1, b"early")
        assert await wire.receive() == (2, b"x" * 40_000)
        await wire.drop()


@everywhere(FAST)
async def test_what_arrives_while_the_application_decides_waits_within_bounds(server):
    place = Place(echo)
    place.gate.clear()
    async with serving(server, place):
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(Wire.request())
        await place.asked.wait()
        writer.write(Wire.frame(2, b"y" * 300_000) + Wire.frame(1, b"then"))
        await asyncio.sleep(0)
        place.gate.set()
        await reader.readuntil(b"\r\n\r\n")
        wire = Wire(reader, writer)
        assert await wire.receive() == (2, b"y" * 300_000)
        assert await wire.receive() == (1, b"then")
        await wire.drop()


@both_loops
async def test_an_application_that_speaks_plain_asgi_under_our_server_gets_early_bytes_too():
    async def app(scope, receive, send):
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})
        await receive()

    async with Server(app, "127.0.0.1", 0) as server:
        wire = await Wire.connect(server.port, behind=Wire.frame(1, b"early"))
        assert await wire.receive() == (1, b"early")
        await wire.drop()


@everywhere(FAST)
async def test_firefox_upgrades_with_keep_alive(server):
    async with serving(server, Place(echo)) as place:
        wire = await Wire.connect(place.port, connection="keep-alive, Upgrade")
        wire.send(Wire.frame(1, b"hi"))
        assert await wire.receive() == (1, b"hi")
        await wire.drop()


@everywhere(FAST)
async def test_a_client_that_leaves_before_the_decision_is_never_told_to_the_listener(server):
    place = Place()
    place.gate.clear()
    async with serving(server, place):
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(Wire.request())
        await place.asked.wait()
        writer.transport.abort()
        await asyncio.sleep(0.1)
        place.gate.set()
        await asyncio.wait_for(place.finished.wait(), WAIT_S)
        assert place.served.get_nowait().events.empty()
        assert await reader.read() == b""


BROKEN = {
    "invalid UTF-8": ([Wire.frame(1, b"\xff\xfe")], 1007),
    "invalid UTF-8 over fragments": ([Wire.frame(1, b"\xc3", fin=False), Wire.frame(0, b"\x28")], 1007),
    "frame too big": ([Wire.frame(2, b"x" * 2001)], 1009),
    "fragments too big": ([Wire.frame(2, b"x" * 1500, fin=False), Wire.frame(0, b"x" * 1500)], 1009),
    "endless empty fragments": ([Wire.frame(2, b"", fin=False), Wire.frame(0, b"", fin=False) * 2100], 1009),
    "continuation of nothing": ([Wire.frame(0, b"x")], 1002),
    "message inside a message": ([Wire.frame(1, b"x", fin=False), Wire.frame(1, b"y")], 1002),
    "not masked": ([Wire.frame(1, b"x", masked=False)], 1002),
    "unknown opcode": ([Wire.frame(3, b"x")], 1002),
    "compressed without agreement": ([Wire.frame(1, b"x", rsv=0x40)], 1002),
    "close code 1006": ([Wire.frame(8, struct.pack("!H", 1006))], None),
}


@everywhere(FAST)
async def test_a_peer_that_breaks_the_protocol_is_closed_with_the_code_that_says_why(server):
    async with serving(server, Place(echo, max_message_bytes=2000)) as place:
        for name, (frames, code) in BROKEN.items():
            wire = await Wire.connect(place.port)
            listener = await place.listener()
            wire.send(*frames)
            if code is not None:
                assert await wire.close_code() == code, name
                wire.send(Wire.frame(8, struct.pack("!H", code)))
            with suppress(ConnectionResetError):
                await asyncio.wait_for(wire.reader.read(), WAIT_S)
            told = await listener.until_closed()
            assert told[0] == code or code is None, name
            await wire.drop()


@everywhere(FAST, PLAIN)
async def test_a_message_at_the_limit_passes_and_one_byte_more_does_not(server):
    async with serving(server, Place(echo, max_message_bytes=2000)) as place:
        client = Recorder()
        socket = await open_socket(place.url, client)
        await client.next()
        socket.send(b"x" * 2000)
        assert await client.next() == b"x" * 2000
        socket.send(b"x" * 2001)
        assert (await client.until_closed())[0] == 1009


FLOODS = {
    "pings": ([Wire.frame(9)], 1008),
    "pongs": ([Wire.frame(10)], 1008),
    "pings of the largest size": ([Wire.frame(9, b"x" * 125)], 1008),
    "fragments of one byte": ([Wire.frame(2, b"a", fin=False), *[Wire.frame(0, b"a", fin=False)] * 2000], 1009),
}


@everywhere(FAST)
async def test_a_peer_that_floods_is_cut_before_most_of_it_is_dealt_with(server):
    async with serving(server, Place()) as place:
        for name, (frames, code) in FLOODS.items():
            wire = await Wire.connect(place.port)
            listener = await place.listener()
            wire.send(*frames * (5000 // len(frames)))
            received = 0
            with suppress(ConnectionResetError):
                while data := await asyncio.wait_for(wire.reader.read(1 << 16), WAIT_S):
                    received += len(data)
            assert (await listener.until_closed())[0] == code, name
            assert received < 64 * (2 + 125) + 200, name  # the pongs within the bound, and the close frame
            await wire.drop()


@everywhere(FAST)
async def test_pings_at_a_keepalives_rate_are_answered_however_long_the_call(server):
    async with serving(server, Place(echo)) as place:
        wire = await Wire.connect(place.port)
        for _ in range(picows_socket.CONTROL_BURST - 1):
            wire.send(Wire.frame(9, b"p"))
            assert await wire.receive() == (10, b"p")
        wire.send(Wire.frame(1, b"still here"))
        assert await wire.receive() == (1, b"still here")
        await wire.drop()


@everywhere(FAST)
async def test_pings_of_a_peer_that_does_not_read_are_not_answered_beyond_a_bound(server):
    async with serving(server, Place(max_backlog_bytes=1 << 30)) as place:
        wire = await Wire.connect(place.port)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        listener = await place.listener()
        while listener.socket.backlog_bytes < 1 << 20:
            listener.socket.send(b"x" * 60_000)
        before = listener.socket.backlog_bytes
        wire.send(*[Wire.frame(9, b"x" * 125)] * 32, Wire.frame(1, b"behind the pings"))
        assert await listener.next() == "behind the pings"
        assert listener.socket.backlog_bytes == before
        await wire.drop()


@everywhere(FAST)
async def test_one_peer_has_no_more_handled_at_one_go_than_a_slice(server):
    handled: list[int] = [0]

    def count(_socket: Socket, message: Any) -> None:
        if handled[-1] == 0:
            asyncio.get_running_loop().call_soon(handled.append, 0)
        handled[-1] += len(message)

    async with serving(server, Place(count)) as place:
        wire = await Wire.connect(place.port)
        listener = await place.listener()
        wire.send(*[Wire.frame(2, b"x" * 1000)] * 2000)
        await wire.writer.drain()
        wire.send(Wire.frame(1, b"end"))
        while await listener.next() != "end":
            pass
        assert sum(handled) == 2_000_003
        assert max(handled) <= 2 * picows_socket.RECEIVE_BUFFER_BYTES + picows_socket.SLICE_BYTES
        await wire.drop()


@everywhere(FAST)
async def test_control_frames_may_stand_between_fragments(server):
    async with serving(server, Place(echo)) as place:
        wire = await Wire.connect(place.port)
        wire.send(Wire.frame(1, b"a", fin=False), Wire.frame(9, b"p"), Wire.frame(0, b"b"))
        assert await wire.receive() == (10, b"p")
        assert await wire.receive() == (1, b"ab")
        await wire.drop()


@everywhere(FAST)
async def test_a_silent_peer_is_pinged_and_then_closed(server):
    async with serving(server, Place(ping_interval_s=0.05, ping_timeout_s=0.1)) as place:
        wire = await Wire.connect(place.port)
        listener = await place.listener()
        opcode, payload = await wire.receive()
        assert opcode == 9
        wire.send(Wire.frame(10, payload))  # an answer keeps it open
        assert await wire.receive() == (9, payload)
        assert await wire.close_code() == 1011  # no answer does not
        assert (await listener.next())[0] == 1011
        await wire.drop()


@everywhere(FAST, PLAIN)
async def test_a_peer_that_does_not_read_is_closed_with_1013(server):
    async with short(0.3, asgi_socket, picows_socket), serving(server, Place(max_backlog_bytes=200_000)) as place:
        wire = await Wire.connect(place.port)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        listener = await place.listener()
        for _ in range(2000):
            listener.socket.send(b"x" * 20_000)
            if not listener.socket.is_open:
                break
            await asyncio.sleep(0)
        assert not listener.socket.is_open
        assert (await listener.next())[0] == 1013
        await wire.drop()


@everywhere(FAST, PLAIN)
async def test_a_listener_that_fails_closes_only_its_own_socket(server):
    def fail(_to: Socket, message: Any) -> None:
        if message == "fail":
            raise RuntimeError("a fault of ours")

    async with serving(server, Place(fail)) as place:
        one, other = Recorder(), Recorder()
        failing, well = await open_socket(place.url, one), await open_socket(place.url, other)
        failing.send("fail")
        assert (await one.until_closed())[0] == 1011
        assert well.is_open
        well.close()
        assert await other.until_closed() == (1000, "")


@everywhere(FAST, PLAIN)
async def test_an_upgrade_can_be_refused_with_any_response(server):
    async with serving(server, Place()) as place:
        with pytest.raises(UpgradeRefusedError) as caught:
            await open_socket(f"{place.url}?refuse=503&token=k", Recorder())
        error = caught.value
        assert (error.status, error.retry_after_s, error.retryable, error.code) == (503, 7.0, True, "upgrade_refused")
        assert error.body == b'{"error":"busy"}'
        assert error.headers["content-type"] == "application/json"
        assert "token" not in str(error)
        with pytest.raises(UpgradeRefusedError) as caught:
            await open_socket(f"{place.url}?refuse=401", Recorder())
        assert (caught.value.status, caught.value.retryable) == (401, False)


@both_loops
async def test_a_connection_that_cannot_be_made_is_a_dependency_error():
    async def mute(_reader: Any, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
        writer.close()

    async def hang_up(_reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for behaviour, code in ((mute, "connect_timed_out"), (hang_up, "connect_failed")):
        listening = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(DependencyError) as caught:
            await open_socket(f"ws://127.0.0.1:{port}/", Recorder(), connect_timeout_s=0.2)
        assert caught.value.code == code
        listening.close()
    with pytest.raises(DependencyError) as caught:
        await open_socket(f"ws://127.0.0.1:{port}/", Recorder())
    assert caught.value.code == "connect_failed"
    for url in ("ftp://x/", "x", "ws://", "ws://x:99999/"):
        with pytest.raises(UsageError) as usage:
            await open_socket(url, Recorder())
        assert usage.value.code == "invalid_url"
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
