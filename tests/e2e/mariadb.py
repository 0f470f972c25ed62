"""A MariaDB of its own for a test: a fresh data folder, gone afterwards."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import WAIT_S

PASSWORD = "p@ss:w/rd"
"""With the marks that a data source name is cut at."""
PROGRAMS = ("mariadbd", "mariadb-install-db")


@dataclass(slots=True)
class RunningMariaDb:
    """A server under test that can be stopped and started again under the same address, with its data."""

    port: int
    folder: Path
    user: str | None
    process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """The address as Go's driver writes it."""
        return f"vox:{PASSWORD}@tcp(127.0.0.1:{self.port})/vox?parseTime=true"

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        command = [
            _program("mariadbd"), "--no-defaults", f"--datadir={self.folder / 'data'}", f"--port={self.port}",
            f"--socket={self.folder / 'socket'}", f"--pid-file={self.folder / 'pid'}", "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=16M", "--skip-log-bin",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, user=self.user, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + WAIT_S
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "mariadbd does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it without warning; what was committed stays. Idempotent."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(WAIT_S)
            self.process = None

    def _answers(self) -> bool:
        """Whether it takes a login; a server that only listens may not be stopped yet, and its driver leaks the socket."""
        with socket.socket(socket.AF_UNIX) as one:
            if one.connect_ex(str(self.folder / "socket")) != 0:
                return False
        try:
            self.root().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def root(self) -> Any:
        """A connection as the administrator."""
        return pymysql.connect(unix_socket=str(self.folder / "socket"), user="root", charset="utf8mb4", autocommit=True)


@contextlib.contextmanager
def mariadb_server() -> Generator[RunningMariaDb, None, None]:
    """An empty database `vox` with a user of that name; as root the server runs under the system's unprivileged account."""
    require(all(map(_program, PROGRAMS)), "mariadbd and mariadb-install-db", "apt-get install mariadb-server")
    folder = Path(tempfile.mkdtemp(prefix="voxmy"))  # short: the path of a unix socket may have 107 characters
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    port = free_port()
    subprocess.run(
        [_program("mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
         f"--datadir={folder / 'data'}"],
        user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=WAIT_S,
    )  # fmt: skip
    running = RunningMariaDb(port, folder, user)
    running.start()
    try:
        with running.root() as root, root.cursor() as cursor:
            cursor.execute("CREATE DATABASE vox")
            cursor.execute("CREATE USER vox@'%%' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute("GRANT ALL ON vox.* TO vox@'%'")
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    """Debian keeps the server in a folder that only root's search path has."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin") or ""
