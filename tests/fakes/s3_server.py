"""An S3 server in a process of its own, with one empty bucket; gone afterwards.

versitygw where it is installed (`go install github.com/versity/versitygw/cmd/versitygw@v1.8.0`): it checks keys and signatures and
keeps its objects over a restart. Else moto's, which does neither, but is read without a key, as a public bucket is.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx2

from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import WAIT_S

BUCKET = "vox-test"
ACCESS_KEY = SECRET_KEY = "key"


def versitygw() -> str | None:
    """The program, where there is one: on the path or where Go installs programs."""
    installed = os.environ.get("GOBIN") or str(Path(os.environ.get("GOPATH") or Path.home() / "go") / "bin")
    return shutil.which("versitygw") or shutil.which("versitygw", path=installed)


def aws_environment(server: "S3Server") -> dict[str, str]:
    """What AWS's tools need to use it."""
    return {
        "AWS_ENDPOINT_URL": server.address,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
    }


class S3Server:
    """A server that can be stopped and started again at the same address.

    Args:
        folder: where versitygw keeps its objects.
        is_public: whether anyone may read the bucket.
        bucket: its name.

    Attributes:
        kind: which server it is.
        address: where it answers.
    """

    def __init__(self, folder: Path, *, is_public: bool = False, bucket: str = BUCKET) -> None:
        require(find_spec("obstore") is not None, "obstore", "pip install '.[s3]'")
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._bucket = bucket
        self._process: subprocess.Popen[bytes] | None = None
        gateway = None if is_public else versitygw()
        self.kind = "versitygw" if gateway is not None else "moto"
        if gateway is not None:
            keys = ("--access", ACCESS_KEY, "--secret", SECRET_KEY)
            self._command = [gateway, *keys, "--port", f"127.0.0.1:{port}", "--quiet", "posix", str(folder)]
            return
        moto = shutil.which("moto_server", path=str(Path(sys.executable).parent)) or shutil.which("moto_server")
        require(moto is not None, "an S3 server", "pip install 'moto[s3]' flask flask-cors")
        self._command = [str(moto), "-H", "127.0.0.1", "-p", str(port)]

    def start(self) -> None:
        """Returns once the server answers and has the bucket."""
        if self.kind == "versitygw":
            (self._folder / self._bucket).mkdir(parents=True, exist_ok=True)
        process = self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(int(WAIT_S / 0.2)):
            try:
                if self.kind == "versitygw":
                    httpx2.get(self.address, timeout=WAIT_S)
                else:
                    httpx2.put(f"{self.address}/{self._bucket}", timeout=WAIT_S).raise_for_status()
            except httpx2.TransportError:
                try:
                    process.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
                raise AssertionError(f"{self.kind} ended") from None
            else:
                return
        raise AssertionError(f"{self.kind} does not answer within {WAIT_S:g} s")

    def stop(self) -> None:
        """Ends the server; idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(WAIT_S)


@contextmanager
def running_s3(*, is_public: bool = False, bucket: str = BUCKET) -> Generator[S3Server]:
    """A server that is there while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        server = S3Server(Path(folder), is_public=is_public, bucket=bucket)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def s3_server() -> Generator[str, None, None]:
    """The address of a server whose bucket anyone may read."""
    with running_s3(is_public=True) as server:
        yield server.address
