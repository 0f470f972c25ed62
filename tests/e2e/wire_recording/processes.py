"""Starts a part of the product as a process on loopback, knowing nothing of it but its command and its health route."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from tests.e2e.wire_recording.http_client import request

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
KEPT_VARIABLES = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR")
"""What a process inherits. Everything else could be a setting of the product."""


@dataclass(slots=True)
class Running:
    """A process under test."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def terminate(self) -> None:
        """Asks the process to drain and end."""
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Waits for the end and returns the exit code."""
        return self.process.wait(STOP_TIMEOUT_S)

    def wait_until_healthy(self, path: str) -> None:
        """Waits until `GET path` answers 200.

        Raises:
            AssertionError: the process ended or did not answer in time; the message ends with its log.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, HTTPException):
                if request(self.port, "GET", path).status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{self.process.args} did not start:\n{self.log.read_text()[-4000:]}")


@contextlib.contextmanager
def started(
    command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str] | None = None
) -> Generator[Running]:
    """Runs a command in `folder` and kills the process when the block is left; the caller waits until it is healthy.

    Args:
        command: the program and its arguments, which say the port.
        port: where the process listens.
        folder: its working directory, where the log is written too.
        environment: variables besides KEPT_VARIABLES.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "process.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, env={**inherited(), **(environment or {})}
        )
    try:
        yield Running(process, port, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(STOP_TIMEOUT_S)


def wait_until(condition: Callable[[], bool]) -> None:
    """Polls a condition of another process, about which there is nothing to wait for.

    Raises:
        TimeoutError: it does not come about.
    """
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the process does not become what the recording waits for")
        time.sleep(0.005)


def inherited() -> dict[str, str]:
    """What a process gets of this one's environment."""
    return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
