"""Asks the Python that is to run Pipecat what it has installed, before a worker is started with it."""

import asyncio
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress

import msgspec

from vox.errors import DependencyError, UsageError

PACKAGES = ("pipecat-ai", "msgspec")
"""What the worker needs; the second carries its messages."""
OLDEST = (1, 14)
TIMEOUT_S = 20.0

_QUESTION = """\
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


async def check_interpreter(python: str, timeout_s: float = TIMEOUT_S) -> None:
    """Returns where Pipecat can run.

    Args:
        python: the interpreter; empty: the one that runs Vox.
        timeout_s: how long it may take to answer.

    Raises:
        UsageError: it cannot be started, or lacks a package (`provider_not_installed`).
        DependencyError: it does not answer in time (`provider_timeout`).
    """
    executable = python or sys.executable
    installed = await _installed(executable, timeout_s)
    if missing := [name for name in PACKAGES if name not in installed]:
        names = " ".join(f"'{name}>={OLDEST[0]}.{OLDEST[1]}'" if name == "pipecat-ai" else name for name in missing)
        remedy = f"run `{executable} -m pip install {names}`"
        if not python:
            remedy += ", or set the option python to an environment that has them"
        raise UsageError(
            f"the provider 'pipecat' needs {' and '.join(missing)} in {executable}",
            code="provider_not_installed",
            hint=remedy,
        )
    version = installed["pipecat-ai"]
    if release(version) < OLDEST:
        raise UsageError(
            f"{executable} has Pipecat {version}, which is too old",
            code="provider_not_installed",
            hint=f"run `{executable} -m pip install --upgrade 'pipecat-ai>={OLDEST[0]}.{OLDEST[1]}'`",
        )


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version: `(1, 14)` of `1.14.0rc1`."""
    return tuple(int(number) for number in re.findall(r"(?:^|\.)(\d+)", version)[:2])


async def _installed(executable: str, timeout_s: float) -> dict[str, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            executable, "-P", "-c", _QUESTION, *PACKAGES, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
        )
    except OSError as error:
        raise _no_python(executable, error.strerror or str(error)) from error
    try:
        async with asyncio.timeout(timeout_s):
            answer, _ = await process.communicate()
    except TimeoutError as error:
        raise DependencyError(
            f"{executable} does not answer", code="provider_timeout", hint="check the option python", retryable=True
        ) from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    try:
        return msgspec.json.decode(answer, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise _no_python(executable, "it is no Python 3.11 or later") from error


def _no_python(executable: str, why: str) -> UsageError:
    return UsageError(
        f"{executable} cannot be started: {why}",
        code="provider_not_installed",
        hint="set the option python to the interpreter of an environment with pipecat-ai and msgspec",
    )
