"""One generation of a server follows another on the same port: no connection is refused and no request is lost."""

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.http_server_harness import Place, Recorder, both_loops
from tests.time_limits import WAIT_S
from vox.http.generation import Generation
from vox.http.server import Server
from vox.http.websocket import open_socket
from vox.runtime.clock import SystemClock
from vox.runtime.lifecycle import Lifecycle, State
from vox.runtime.service_environment import ServiceEnvironment
from vox.runtime.systemd import PORT_NAME, Systemd

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


@both_loops
async def test_a_closed_port_refuses_and_what_stood_goes_on():
    place = Place()
    async with Server(place.app, "127.0.0.1", 0) as server:
        place.port = server.port
        call = Recorder()
        open_call = await open_socket(place.url, call)
        idle_reader, idle = await connect(server.port)
        idle.write(REQUEST)
        await idle_reader.readuntil(b"page")
        fresh_reader, fresh = await connect(server.port)
        with socket.socket() as waiting:
            waiting.connect(("127.0.0.1", server.port))
            await server.stop_accepting()
            with pytest.raises(OSError, match=r"."):
                await connect(server.port)
            assert await idle_reader.read() == b"", "a client that keeps a connection asks where new ones go"
            waiting.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(waiting, REQUEST)
            assert b"200 OK" in await loop.sock_recv(waiting, 4096)
        fresh.write(REQUEST)
        answer = await fresh_reader.read()
        assert b"connection: close" in answer.lower()
        assert open_call.is_open
        idle.close()
        fresh.close()
    assert (await call.until_closed())[0] == 1001


@both_loops
async def test_the_port_can_be_bound_again_while_the_old_generation_drains():
    first, second = Place(), Place()
    async with Server(first.app, "127.0.0.1", 0) as old:
        first.port = second.port = old.port
        call = Recorder()
        open_call = await open_socket(first.url, call)
        await old.stop_accepting()
        async with Server(second.app, "127.0.0.1", old.port):
            newer = Recorder()
            await open_socket(second.url, newer)
            assert open_call.is_open


@both_loops
async def test_a_handed_over_socket_is_served_and_its_queue_is_not_lost():
    place = Place()
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        port.listen()
        address = port.getsockname()
        early_reader, early = await connect(address[1])  # before anything serves there
        early.write(REQUEST)
        given = ServiceEnvironment("", None, ((os.dup(port.fileno()), PORT_NAME),))
        manager = Systemd(given)
        sockets = manager.take_sockets("127.0.0.1", address[1])
        assert not manager.has_socket_unit
        async with Server(place.app, "127.0.0.1", address[1], sockets=sockets) as server:
            assert server.port == address[1]
            assert b"page" in await early_reader.readuntil(b"page")
            await server.stop_accepting()
            late_reader, late = await connect(address[1])  # the port is open, whoever serves it next
            late.write(REQUEST)
        place_after = Place()
        async with Server(place_after.app, "127.0.0.1", address[1], sockets=[port.dup()]):
            assert b"page" in await late_reader.readuntil(b"page")
        early.close()
        late.close()


@both_loops
async def test_another_address_than_the_stored_one_is_obeyed():
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        port.listen()
        for host, number in (("127.0.0.1", port.getsockname()[1] ^ 1), ("127.0.0.2", port.getsockname()[1])):
            manager = Systemd(ServiceEnvironment("", None, ((os.dup(port.fileno()), PORT_NAME),)))
            assert manager.take_sockets(host, number) == []


def names_in(folder: str) -> list[str]:
    return [each.name for each in Path(folder).iterdir()]


def leave_behind(path: str) -> None:
    """What a process that crashed leaves."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)


@asynccontextmanager
async def running(place: Place, **environment: str) -> AsyncGenerator[tuple[Generation, Lifecycle]]:
    """A generation that is told to end by nothing else than the test, and has ended when the block is left."""
    lifecycle = Lifecycle(SystemClock(), WAIT_S)
    generation = Generation(
        place.app, "127.0.0.1", 0, lifecycle, environment, status=lambda: lifecycle.state, closes_port=True
    )
    async with generation:
        lifecycle.ready()
        ended = asyncio.create_task(generation.run())
        await asyncio.sleep(0)
        yield generation, lifecycle
        assert await ended is True
        assert lifecycle.state is State.STOPPED


@both_loops
async def test_a_drain_that_anything_began_closes_the_port():
    async with running(Place()) as (generation, lifecycle):
        with lifecycle.hold():
            lifecycle.drain()
            while generation.server.sockets:  # noqa: ASYNC110  a few turns of the loop
                await asyncio.sleep(0)
            with pytest.raises(OSError, match=r"."):
                await connect(generation.server.port)


@both_loops
async def test_a_signal_closes_the_port_before_the_drain_begins():
    async with running(Place()) as (generation, lifecycle):
        states: list[bool] = []
        lifecycle.subscribe(lambda _: states.append(bool(generation.server.sockets)))
        os.kill(os.getpid(), signal.SIGTERM)
    assert not any(states)


@both_loops
async def test_the_port_of_a_socket_unit_stays_open_and_the_drain_answers_there():
    async with running(Place()) as (generation, lifecycle):
        generation._owns_port = False
        with lifecycle.hold():
            lifecycle.drain()
            reader, writer = await connect(generation.server.port)
            writer.write(REQUEST)
            await reader.readuntil(b"page")
            writer.close()


@both_loops
async def test_a_generation_without_a_port_answers_on_its_socket_in_the_runtime_directory():
    with tempfile.TemporaryDirectory() as folder:
        own = f"{folder}/{os.getpid()}.sock"
        leave_behind(f"{folder}/999999999.sock")
        told = str(Path(folder, "notify"))
        async with running(Place(), RUNTIME_DIRECTORY=folder, NOTIFY_SOCKET=told) as (generation, lifecycle):
            assert names_in(folder) == [f"{os.getpid()}.sock"]
            with lifecycle.hold():
                lifecycle.drain()
                while generation.server.sockets:  # noqa: ASYNC110  a few turns of the loop
                    await asyncio.sleep(0)
                reader, writer = await asyncio.open_unix_connection(own)
                writer.write(REQUEST)
                await reader.readuntil(b"page")
                writer.close()
        assert not names_in(folder)


def test_what_is_no_listening_socket_is_not_taken(tmp_path: Path):
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    with socket.socket() as unconnected:
        given = ServiceEnvironment("", None, ((file, PORT_NAME), (unconnected.fileno(), PORT_NAME)))
        manager = Systemd(given)
        assert not manager.has_socket_unit
        assert manager.take_sockets("127.0.0.1", 8001) == []
    os.close(file)


def test_a_socket_unit_s_socket_is_taken_wherever_it_listens(tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "port"))
        listener.listen()
        given = ServiceEnvironment("", None, ((os.dup(listener.fileno()), "voxcore@1.socket"),))
        manager = Systemd(given)
        assert manager.has_socket_unit
        (taken,) = manager.take_sockets("127.0.0.1", 8001)
        assert taken.getsockname() == str(tmp_path / "port")
        assert manager.take_sockets("127.0.0.1", 8001) == []
        taken.close()
