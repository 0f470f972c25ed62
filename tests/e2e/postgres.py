"""A PostgreSQL of its own for a test: a fresh cluster in a temporary folder, gone afterwards."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path

from tests.require import require
from tests.time_limits import WAIT_S


@contextlib.contextmanager
def postgres() -> Generator[str, None, None]:
    """The URL of an empty database; PostgreSQL refuses to run as root, so then it runs as nobody."""
    programs = [_program(name) for name in ("initdb", "pg_ctl")]
    require(None not in programs, "PostgreSQL's initdb and pg_ctl", "apt-get install postgresql")
    initdb, pg_ctl = (str(program) for program in programs)
    folder = Path(tempfile.mkdtemp(prefix="voxpg"))  # short: the path of a unix socket may have 107 characters
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    data, log = str(folder / "data"), str(folder / "log")

    def run(*command: str) -> None:
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=WAIT_S)

    run(initdb, "-D", data, "-U", "vox", "-A", "trust", "--no-sync")
    run(pg_ctl, "-D", data, "-o", options, "-l", log, "-w", "start")
    try:
        yield f"postgresql://vox@127.0.0.1:{port}/postgres"
    finally:
        run(pg_ctl, "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str | None:
    """Debian keeps the server's programs out of the search path, one folder a version."""
    if (found := shutil.which(name)) is not None:
        return found
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(installed[-1]) if installed else None
