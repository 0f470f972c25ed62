"""What systemd is told arrives: by real datagrams, with real descriptors."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.time_limits import WAIT_S, time_limit
from vox.runtime.service_environment import ServiceEnvironment
from vox.runtime.systemd import PORT_NAME, Systemd


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """The other end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(WAIT_S)
        yield one


def manager(journal: socket.socket, **given: object) -> Systemd:
    return Systemd(ServiceEnvironment(journal.getsockname(), **given))  # type: ignore[arg-type]


def told(journal: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in journal.recv(4096).decode().splitlines())


async def told_until(journal: socket.socket, field: str) -> dict[str, str]:
    async with time_limit():
        while True:
            if field in (message := await asyncio.to_thread(told, journal)):
                return message


async def test_readiness_status_and_signs_of_life_arrive(journal: socket.socket):
    status, is_draining = "ready: 3 calls", False
    one = manager(journal, watchdog_s=0.02)
    async with one.reporting(lambda: status, lambda: is_draining):
        assert told(journal) == {"READY": "1", "STATUS": "ready: 3 calls"}
        await told_until(journal, "WATCHDOG")
        status = "ready: 4 calls"
        assert (await told_until(journal, "STATUS"))["STATUS"] == "ready: 4 calls"
        is_draining = True
        first = await told_until(journal, "STOPPING")
        assert first["EXTEND_TIMEOUT_USEC"] == "30000000"
        again = await told_until(journal, "EXTEND_TIMEOUT_USEC")
        assert "STOPPING" not in again


async def test_without_systemd_nothing_is_sent_and_nothing_fails(tmp_path: Path):
    for address in ("", str(tmp_path / "gone"), "@vox-test-gone"):
        one = Systemd(ServiceEnvironment(address))
        assert one.is_present is bool(address)
        async with one.reporting(lambda: "ready", lambda: False):
            one.forget()


def test_a_stored_socket_arrives_under_its_name(journal: socket.socket, tmp_path: Path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "port"))
        manager(journal).keep([listener])
        message, (received,), _, _ = socket.recv_fds(journal, 4096, 4)
        assert os.fstat(received).st_ino == os.fstat(listener.fileno()).st_ino
    os.close(received)
    assert message.decode().splitlines() == ["FDSTORE=1", f"FDNAME={PORT_NAME}"]
