"""A Redis of its own for a test: on a free port, gone afterwards."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import WAIT_S


@dataclass(slots=True)
class RunningRedis:
    """A server under test that can be stopped and started again under the same address.

    Args:
        port: where it listens, on the loopback interface.
        folder: its working folder.
        is_persistent: whether it has everything again after `kill` and `start`.
        options: further options of its command line.
    """

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    is_persistent: bool = False
    options: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        command = [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "yes" if self.is_persistent else "no", "--appendfsync", "always",
            "--dir", str(self.folder), *self.options,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + WAIT_S
        while not self._answers():
            assert self.process.poll() is None, "redis-server ended"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """Ends it without warning; what it held is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(WAIT_S)
            self.process = None

    def flush(self) -> None:
        """Empties it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S) as one:
            one.sendall(b"FLUSHALL\r\n")
            assert one.recv(16).startswith(b"+OK")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S) as one:
                one.sendall(b"PING\r\n")
                return one.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@contextlib.contextmanager
def redis_server(*options: str, is_persistent: bool = False) -> Generator[RunningRedis, None, None]:
    """An empty Redis, with further options of its command line."""
    require(shutil.which("redis-server") is not None, "redis-server", "apt-get install redis-server")
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="voxredis"))
    running = RunningRedis(port, folder, is_persistent=is_persistent, options=options)
    try:
        running.start()
        yield running
    finally:
        running.kill()
        shutil.rmtree(folder, ignore_errors=True)


async def cut_all_connections(redis: RunningRedis) -> None:
    """Ends every client's connection, as a restart would, and keeps the data."""
    reader, writer = await asyncio.open_connection("127.0.0.1", redis.port)
    for kind in (b"normal", b"pubsub"):
        writer.write(b"CLIENT KILL TYPE %b SKIPME yes\r\n" % kind)
        await writer.drain()
        await reader.readline()
    writer.close()
    await writer.wait_closed()
