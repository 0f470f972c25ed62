"""A PostgreSQL of its own for a test: a fresh cluster in a temporary folder, gone afterwards."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import WAIT_S


@dataclass(slots=True)
class RunningPostgres:
    """A server under test that can be stopped and started again under the same address, with its data."""

    port: int
    folder: Path
    pg_ctl: str
    user: str | None

    @property
    def url(self) -> str:
        return f"postgresql://vox@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self.run(self.pg_ctl, "-D", self._data, "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self) -> None:
        """Ends it without waiting for its clients; what was committed stays."""
        self.run(self.pg_ctl, "-D", self._data, "-m", "immediate", "-w", "stop")

    def run(self, *command: str) -> None:
        """Runs one of its programs as the server's user."""
        subprocess.run(command, user=self.user, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, timeout=WAIT_S)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")


@contextlib.contextmanager
def postgres_server() -> Generator[RunningPostgres, None, None]:
    """An empty database; PostgreSQL refuses to run as root, so then it runs under the unprivileged account."""
    programs = [_program(name) for name in ("initdb", "pg_ctl")]
    require(None not in programs, "PostgreSQL's initdb and pg_ctl", "apt-get install postgresql")
    initdb, pg_ctl = (str(program) for program in programs)
    folder = Path(tempfile.mkdtemp(prefix="voxpg"))  # short: the path of a unix socket may have 107 characters
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    port = free_port()
    running = RunningPostgres(port, folder, pg_ctl, user)
    running.run(initdb, "-D", str(folder / "data"), "-U", "vox", "-A", "trust", "--no-sync")
    running.start()
    try:
        yield running
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # a test may have stopped it
            running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def postgres() -> Generator[str, None, None]:
    """The URL of an empty database."""
    with postgres_server() as running:
        yield running.url


def _program(name: str) -> str | None:
    """Debian keeps the server's programs out of the search path, one folder a version."""
    if (found := shutil.which(name)) is not None:
        return found
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(installed[-1]) if installed else None
