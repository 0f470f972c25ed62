"""Ports for servers that are started after their port was chosen.

A port that the kernel gives for `bind(0)` may be given again, to a connection or to another process of tests, before the server of
this test listens. These come from below the kernel's range, and no two processes of tests hold the same one.
"""

import fcntl
import itertools
import os
import random
import socket
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

FIRST: Final = 18_000
HELD: Final = 100
"""So many of a process's newest ports are kept from the others."""
_FOLDER: Final = Path(tempfile.gettempdir()) / "vox-test-ports"
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


class _Ports:
    def __init__(self) -> None:
        last = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
        ports = list(range(FIRST, last))
        random.Random(os.getpid()).shuffle(ports)  # processes that start at different places seldom meet
        self._ports: Iterator[int] = itertools.cycle(ports)
        self._held: deque[int] = deque()

    def take(self) -> int:
        _FOLDER.mkdir(exist_ok=True, mode=0o777)
        while True:
            port = next(self._ports)
            if (lock := _locked(port)) is None:
                continue
            if not _is_free(port):
                os.close(lock)
                continue
            self._held.append(lock)
            if len(self._held) > HELD:
                os.close(self._held.popleft())
            return port


def _locked(port: int) -> int | None:
    lock = os.open(_FOLDER / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as one:
            try:
                one.bind(("", port))
            except OSError:
                return False
    return True


_ports = _Ports()


def free_port() -> int:
    """A TCP and UDP port of this machine that no server has, and that no other process of tests is given meanwhile."""
    return _ports.take()
