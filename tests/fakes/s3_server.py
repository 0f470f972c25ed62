"""An S3 server in a process of its own, with one empty bucket; gone afterwards."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx2

from tests.require import require
from tests.time_limits import WAIT_S

BUCKET = "vox-test"


@contextmanager
def s3_server() -> Generator[str, None, None]:
    """The address of the server."""
    require(find_spec("obstore") is not None, "obstore", "pip install '.[s3]'")
    program = shutil.which("moto_server", path=str(Path(sys.executable).parent)) or shutil.which("moto_server")
    require(program is not None, "an S3 server", "pip install 'moto[s3]' flask flask-cors")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [str(program), "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _make_bucket(server, address)
        yield address
    finally:
        server.terminate()
        server.wait(WAIT_S)


def _make_bucket(server: "subprocess.Popen[bytes]", address: str) -> None:
    for _ in range(int(WAIT_S / 0.2)):
        try:
            httpx2.put(f"{address}/{BUCKET}", timeout=WAIT_S).raise_for_status()
        except httpx2.TransportError:
            try:
                server.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError("moto_server ended") from None
        else:
            return
    raise AssertionError(f"moto_server does not answer within {WAIT_S:g} s")
