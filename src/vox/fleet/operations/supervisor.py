"""The main process of a worker's unit: starts the worker, passes signals on, and ends with it.

It exists because systemd considers a unit stopped when its main process has ended. On a restart the worker is moved out of
the unit with its calls (`scopes.detach`); this process then ends at once, and the unit starts the next worker, while the
worker that was moved goes on until its last call is over. Python's start-up apart it costs nothing.
"""

import os
import signal
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Final

from vox.errors import UsageError
from vox.runtime.service_environment import read_environment

_FORWARDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_NOT_FOUND: Final = 127  # as shells report it
_BY_SIGNAL: Final = 128


def supervise(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs the command as a child and returns its exit code; 0 as soon as it has been moved to another control group.

    Args:
        command: the worker's program and arguments.
        environment: the worker's, but that what systemd addressed to this process becomes the worker's.

    Raises:
        UsageError: there is no command (no_command).
    """
    if not command:
        raise UsageError(
            "there is no command to run", code="no_command", hint="vox fleet supervise -- vox worker --port 8001"
        )
    given = read_environment(environment, os.getpid())
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_FORWARDED, signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        _become(command, {**environment})
    for descriptor, _ in given.descriptors:  # the port is the worker's: while this copy is open, it would not close
        os.close(descriptor)
    return _follow(child)


def control_group(pid: int | str) -> str:
    """The control groups of a process as the kernel lists them; empty where the process is gone."""
    try:
        return Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return ""


def for_child(environment: MutableMapping[str, str], pid: int) -> None:
    """Addresses the variables of systemd to the process that really serves."""
    if "LISTEN_PID" in environment:
        environment["LISTEN_PID"] = str(pid)
    environment.pop("WATCHDOG_PID", None)  # without it the watchdog holds for whichever process answers


def _become(command: Sequence[str], environment: dict[str, str]) -> None:
    for_child(environment, os.getpid())
    for descriptor, _ in read_environment(environment, os.getpid()).descriptors:
        os.set_inheritable(descriptor, True)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_FORWARDED, signal.SIGCHLD})
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606  what the unit says
    except OSError as error:
        sys.stderr.write(f"vox fleet supervise: {command[0]} cannot be run: {error.strerror} [no_command]\n")
        sys.stderr.flush()
    finally:
        os._exit(_NOT_FOUND)


def _follow(child: int) -> int:
    while True:
        number = signal.sigwait({*_FORWARDED, signal.SIGCHLD})
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else _BY_SIGNAL - code
        if number == signal.SIGCHLD:
            continue
        if number == signal.SIGTERM and control_group(child) != control_group("self"):
            return 0
        os.kill(child, number)
