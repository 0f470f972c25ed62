"""Our server over real loopback connections, on uvloop and on asyncio: starting, limits, closing, TLS."""

import asyncio
import logging
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from tests.e2e.certificates import certificate
from tests.e2e.http_server_harness import (
    FAST,
    LOOPS,
    Place,
    Recorder,
    Wire,
    both_loops,
    echo,
    everywhere,
    serving,
)
from tests.require import require
from tests.time_limits import WAIT_S, time_limit
from vox.errors import DependencyError, UsageError
from vox.http import server as server_module
from vox.http import uvicorn_protocols
from vox.http.server import Server, run
from vox.http.websocket import open_socket


@both_loops
async def test_closing_the_server_says_1001_and_does_not_wait_for_idle_connections():
    place = Place()
    server = Server(place.app, "127.0.0.1", 0, close_timeout_s=WAIT_S)
    async with server:
        place.port = server.port
        client = Recorder()
        await open_socket(place.url, client)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"page" in await reader.readuntil(b"page")
        began = time.monotonic()
    assert time.monotonic() - began < WAIT_S, "nothing was waited for"
    assert await client.until_closed() == (1001, "server is closing")
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection("127.0.0.1", server.port)


@both_loops
async def test_closing_the_server_never_hangs():
    place = Place(max_backlog_bytes=1 << 30)
    server = Server(place.app, "127.0.0.1", 0, close_timeout_s=0.3)
    async with server:
        wire = await Wire.connect(server.port)
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        listener = await place.listener()
        for _ in range(500):
            listener.socket.send(b"x" * 20_000)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"x\r\n")
    assert (await asyncio.wait_for(listener.until_closed(), WAIT_S))[0] == 1001
    assert not server._server.server_state.connections
    writer.close()
    await wire.drop()


@both_loops
async def test_a_used_port_is_a_usage_error_that_names_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as caught:
            async with Server(Place().app, "127.0.0.1", port):
                pass
    assert caught.value.code == "address_in_use"
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "another port" in str(caught.value)


@both_loops
async def test_an_address_of_another_machine_is_a_usage_error():
    with pytest.raises(UsageError) as caught:
        async with Server(Place().app, "192.0.2.1", 0):
            pass
    assert caught.value.code == "address_unusable"


@both_loops
async def test_no_host_means_all_interfaces_and_localhost_means_ipv4():
    for host in ("", "localhost"):
        async with Server(Place().app, host, 0) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.close()


@both_loops
async def test_an_application_that_fails_to_start_raises_instead_of_ending_the_process():
    @asynccontextmanager
    async def broken(_app: Any) -> AsyncGenerator[None]:
        raise RuntimeError("no database")
        yield

    with pytest.raises(DependencyError) as caught:
        async with Server(Starlette(lifespan=broken), "127.0.0.1", 0):
            pass
    assert caught.value.code == "startup_failed"


def test_tls_needs_both_files():
    for files in ({"tls_cert": "c.pem"}, {"tls_key": "k.pem"}):
        with pytest.raises(UsageError) as caught:
            Server(Starlette(), "127.0.0.1", 0, **files)  # type: ignore[arg-type]
        assert caught.value.code == "tls_incomplete"


@both_loops
async def test_a_missing_certificate_is_a_usage_error():
    with pytest.raises(UsageError) as caught:
        async with Server(Starlette(), "127.0.0.1", 0, tls_cert="missing.pem", tls_key="missing.key"):
            pass
    assert caught.value.code == "tls_unreadable"
    assert "missing.pem" in str(caught.value)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_fast_path_runs_over_tls(loop: str, tmp_path: Path):
    require(shutil.which("openssl") is not None, "openssl", "apt-get install openssl")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip

    async def scenario() -> None:
        place = Place(echo)
        async with Server(place.app, "127.0.0.1", 0, tls_cert=cert, tls_key=key) as server:
            url = f"wss://127.0.0.1:{server.port}/ws"
            client = Recorder()
            socket = await open_socket(url, client, tls=ssl.create_default_context(cafile=str(cert)))
            await client.next()
            for message in ("hi", b"x" * 100_000, b"y", "z" * 9000):
                socket.send(message)
                assert await client.next() == message
            socket.close()
            assert await client.next() == (1000, "")
            with pytest.raises(DependencyError) as caught:
                await open_socket(url, Recorder())
            assert caught.value.code == "connect_failed"

    LOOPS[loop](scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_renewed_certificate_is_served_without_a_restart_and_a_broken_one_is_not(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server_module, "RENEWAL_CHECK_S", 0.02)
    folders = [tmp_path / name for name in ("served", "renewed", "other")]
    for folder in folders:
        folder.mkdir()
    pair, renewed, other = [certificate(folder, ends_in_days=number + 2) for number, folder in enumerate(folders)]
    told: list[datetime] = []

    async def served(port: int) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with time_limit():
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.close()
        return shown

    async def scenario() -> None:
        first, second = (ssl.PEM_cert_to_DER_cert(each.cert.read_text()) for each in (pair, renewed))
        server = Server(
            Place(echo).app, "127.0.0.1", 0, tls_cert=pair.cert, tls_key=pair.key, on_certificate=told.append
        )
        async with server:
            assert await served(server.port) == first
            shutil.copy(other.cert, pair.cert)  # and not yet its key
            await asyncio.sleep(0.2)
            assert await served(server.port) == first
            shutil.copy(renewed.cert, pair.cert)
            shutil.copy(renewed.key, pair.key)
            async with time_limit():
                while await served(server.port) != second:  # noqa: ASYNC110  the files are looked at by time
                    await asyncio.sleep(0.02)
        assert told[0] < told[1]
        assert len(set(told)) == 2

    LOOPS[loop](scenario())


@pytest.mark.parametrize("host", ["localhost", "Localhost", "agent.localhost"])
async def test_a_client_reaches_its_own_machine_without_asking_a_name_server(host, monkeypatch):
    def fail(*_args: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    place = Place(echo)
    async with Server(place.app, "127.0.0.1", 0) as server:
        monkeypatch.setattr(socket, "getaddrinfo", fail)
        client = Recorder()
        one = await open_socket(f"ws://{host}:{server.port}/ws", client)
        await client.next()
        one.close()
        assert await client.next() == (1000, "")


@everywhere(FAST)
async def test_endless_headers_are_refused(server):
    async with serving(server, Place()) as place:
        for line in (b"X-A: " + b"b" * 1000 + b"\r\n", b"c" * 1000):
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(b"GET / HTTP/1.1\r\n")
            with suppress(OSError):
                for _ in range(200):
                    writer.write(line)
                    await writer.drain()
            with suppress(OSError):
                answer = await reader.read()
                assert answer == b"" or b" 400 " in answer
            writer.close()


UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
UNUSUAL_UPGRADES = {
    "POST": (f"POST /ws HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n", {404, 405}),
    "POST with a body": (f"POST /ws HTTP/1.1\r\nHost: a\r\n{UPGRADE}Content-Length: 5\r\n\r\nhello", {404, 405}),
    "HTTP/1.0": (f"GET /ws HTTP/1.0\r\nHost: a\r\n{UPGRADE}\r\n", {404}),
    "GET with a body": (f"GET /ws HTTP/1.1\r\nHost: a\r\n{UPGRADE}Content-Length: 5\r\n\r\nhello", {404}),
    "GET in chunks": (
        f"GET /ws HTTP/1.1\r\nHost: a\r\n{UPGRADE}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        {404},
    ),
    "many headers": (f"GET /ws HTTP/1.1\r\nHost: a\r\n{UPGRADE}" + "A: b\r\n" * 150 + "\r\n", {431}),
    "a long header": (f"GET /ws HTTP/1.1\r\nHost: a\r\n{UPGRADE}A: {'b' * 70_000}\r\n\r\n", {431}),
    "a long path": (f"GET /ws?{'a' * 70_000} HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n", {431}),
    "no key": ("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", {400, 426}),
}


@everywhere(FAST)
async def test_each_upgrade_request_is_answered(server):
    async with serving(server, Place()) as place:
        for name, (request, statuses) in UNUSUAL_UPGRADES.items():
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(request.encode("latin-1"))
            status = (await asyncio.wait_for(reader.readline(), WAIT_S)).split()
            assert status, f"{name}: closed without an answer"
            assert int(status[1]) in statuses, name
            writer.close()


@everywhere(FAST)
async def test_an_upgrade_that_the_application_never_decides_is_cut(server):
    before, uvicorn_protocols.UPGRADE_TIMEOUT_S = uvicorn_protocols.UPGRADE_TIMEOUT_S, 0.05
    try:
        place = Place()
        place.gate.clear()
        async with serving(server, place):
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(Wire.request())
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
            writer.close()
            place.gate.set()
    finally:
        uvicorn_protocols.UPGRADE_TIMEOUT_S = before


@everywhere(FAST)
async def test_a_client_that_never_finishes_its_headers_is_cut(server):
    before = uvicorn_protocols.HEADER_TIMEOUT_S
    uvicorn_protocols.HEADER_TIMEOUT_S = 0.1
    try:
        async with serving(server, Place()) as place:
            for start in (b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /"):
                reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
                writer.write(start)
                assert b" 408 " not in await asyncio.wait_for(reader.read(), WAIT_S)
                writer.close()
    finally:
        uvicorn_protocols.HEADER_TIMEOUT_S = before


@everywhere(FAST)
async def test_pipelined_requests_are_answered_in_order(server):
    async with serving(server, Place()) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        for _ in range(3):
            assert b" 200 OK" in await reader.readuntil(b"page")
        writer.close()


@both_loops
async def test_the_server_leaves_no_connection_behind():
    place = Place(echo)
    async with Server(place.app, "127.0.0.1", 0) as running:
        place.port = running.port
        for _ in range(20):
            client = Recorder()
            socket = await open_socket(place.url, client)
            socket.send("x")
            socket.close()
            await client.until_closed()
        for _ in range(100):
            if not running._server.server_state.connections and not running._server.server_state.tasks:
                break
            await asyncio.sleep(0.01)
        assert not running._server.server_state.connections
        assert not running._server.server_state.tasks


def test_run_uses_uvloop():
    async def which() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run(which()).startswith("uvloop")
    logging.getLogger("uvicorn").debug("the logging of uvicorn is ours")
