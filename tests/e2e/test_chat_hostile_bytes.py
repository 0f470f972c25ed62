"""Bytes that are no HTTP and no WebSocket, sent to a real server: each is refused, and the server goes on as before."""

import asyncio
import contextlib
import struct
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.chats import bearer, chat_server, register
from tests.time_limits import time_limit

UPGRADE = (
    b"GET /gateway HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
POST = b"POST /api/v1/feeds HTTP/1.1\r\nHost: x\r\n"
CLOSE = b"\x88"
"""How a close frame begins; nothing else that the server sends here has this byte."""
REQUESTS: dict[bytes, int] = {
    b"GET /api/v1/feeds/%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"9" * 60_000): 422,
    b"GET /api/v1/feeds/\x00 HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /api/v1/feeds/\xff HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /api/v1/nowhere#x HTTP/1.1\r\nHost: x\r\n\r\n": 404,
    POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
    POST + b"Content-Length: -1\r\n\r\n": 400,
    POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx": 400,
    POST + b"Content-Length: 99999999999999999999\r\n\r\n": 400,
    POST + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n": 400,
    UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"): 400,
    UPGRADE.replace(b": 13", b": 8"): 400,
    UPGRADE.replace(b"/gateway", b"/api/v1/server"): 403,
}
FRAMES: tuple[tuple[int, bytes, dict[str, Any]], ...] = (
    (1, b"{}", {"is_masked": False}),
    (2, b"\x00\xff", {}),
    (1, b"\xff\xfe", {}),
    (1, b"{}", {"reserved": 0x40}),
    (0, b"x", {}),
    (3, b"", {}),
    (9, b"x" * 126, {}),
    (8, b"\x03", {}),
    (1, b"x" * (12 << 20), {}),
)  # fmt: skip


async def test_a_server_survives_bytes_that_nobody_understands(tmp_path: Path) -> None:
    async with chat_server(tmp_path) as chat, httpx2.AsyncClient(base_url=chat.http) as http:
        alice = await register(http, "alice")
        for request, status in REQUESTS.items():
            head = await answer(chat.port, request)
            assert head.startswith(b"HTTP/1.1 %d" % status), (request[:80], head)
        over = POST + b"Authorization: Bearer %b\r\nTransfer-Encoding: chunked\r\n\r\n" % alice["token"].encode()
        assert (await answer(chat.port, over + (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 20)).startswith(
            b"HTTP/1.1 413"
        )
        for opcode, payload, how in FRAMES:
            await closed_after(chat.port, frame(opcode, payload, **how))
        await closed_after(chat.port, b"\x81\xff" + b"\xff" * 8)
        assert (await http.get("/ready")).status_code == 200
        assert (await http.get("/api/v1/server", headers=bearer(alice))).status_code == 200
        assert "Traceback" not in chat.log.read_text()


async def answer(port: int, request: bytes) -> bytes:
    """The head of what comes back; the server may close before it has read everything."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with time_limit():
            return await reader.readuntil(b"\r\n")
    finally:
        writer.close()


async def closed_after(port: int, data: bytes) -> None:
    """Opens a gateway connection, sends that, and waits until the server says that it closes, or does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(UPGRADE)
        async with time_limit(20):  # a silent client is closed only after that
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            with contextlib.suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
                while (piece := await reader.read(4096)) and CLOSE not in piece:
                    pass
    finally:
        writer.close()


def frame(opcode: int, payload: bytes, *, is_masked: bool = True, reserved: int = 0) -> bytes:
    """A WebSocket frame; its mask is zero, so that the payload stands in it as it is."""
    mask = 0x80 if is_masked else 0
    size = len(payload)
    if size < 126:
        length = bytes([mask | size])
    elif size < 1 << 16:
        length = bytes([mask | 126]) + struct.pack(">H", size)
    else:
        length = bytes([mask | 127]) + struct.pack(">Q", size)
    return bytes([0x80 | reserved | opcode]) + length + (b"\0\0\0\0" if is_masked else b"") + payload
