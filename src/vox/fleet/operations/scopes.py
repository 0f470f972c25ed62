"""A worker that is being replaced lives on in a scope of its own, where systemd goes on to account for it and to stop it.

`detach` runs when a unit stops: on a restart, and only then, it moves the worker out of the unit. `retire` runs when the
next worker is ready: it tells the ones before it to leave the port. Between the two both accept calls, so there is no
moment without an open port, and a worker that cannot start takes no capacity away.
"""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from vox.errors import DependencyError
from vox.fleet.operations.supervisor import control_group
from vox.runtime.clock import Clock

RESTARTS: Final = frozenset({"restart", "try-restart"})
MOVE_TIMEOUT_S: Final = 10.0
COMMAND_TIMEOUT_S: Final = 30.0
PROMISED_S: Final = 45.0
"""A phone rings that long."""
ANSWER_TIMEOUT_S: Final = 3.0
_MOST_BYTES: Final = 1 << 20
_POLL_S: Final = 0.02
_USEC_PER_S: Final = 1_000_000
_MANAGER: Final = (
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
)

Run = Callable[[Sequence[str]], str]


def run_program(command: Sequence[str]) -> str:
    """What a program of systemd prints.

    Raises:
        DependencyError: it is missing, fails or hangs (systemd_unusable).
    """
    try:
        return subprocess.run(  # noqa: S603  programs of systemd, with names of units
            command, check=True, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, stdin=subprocess.DEVNULL
        ).stdout
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip() or f"exit code {error.returncode}"
        raise DependencyError(
            f"{command[0]} failed: {why}",
            code="systemd_unusable",
            hint="`busctl status` must work as root: install dbus",
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DependencyError(
            f"{command[0]} cannot be run: {error}", code="systemd_unusable", hint="install systemd and dbus"
        ) from error


def detach(
    unit: str,
    main_pid: int,
    *,
    keep_s: float,
    sockets: Path | None = None,
    promised_s: float = PROMISED_S,
    clock: Clock,
    sleep: Callable[[float], None],
    run: Run = run_program,
) -> str | None:
    """Moves what a unit's main process started into a scope, if the unit is being restarted.

    Calls that were told to come to this worker, and have not come yet, are waited for first: another one would not know them.

    Args:
        unit: name of the unit, with its suffix.
        main_pid: its main process, which stays.
        keep_s: how long the scope may take to end when the machine stops.
        sockets: folder of the worker's own socket.
        promised_s: how long calls that were promised a slot are waited for.
        clock: for the deadlines.
        sleep: waits for so many seconds.
        run: runs systemd's programs.

    Returns:
        The scope; None where nothing was moved, because the unit is stopped for good or has no worker.

    Raises:
        DependencyError: systemd refuses (systemd_unusable), or does not do it in time (not_moved). The worker stays in its unit, and
            the restart waits for its calls.
    """
    if job_of(unit, run(["systemctl", "list-jobs", "--no-legend", "--plain", "--full"])) not in RESTARTS:
        return None
    moved = descendants(main_pid, _parents())
    if not moved:
        return None

    def wait(condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline = clock.now() + timeout_s
        while not condition():
            if clock.now() > deadline:
                return False
            sleep(_POLL_S)
        return True

    if sockets is not None and (own := sockets / f"{moved[0]}.sock").exists():
        os.kill(moved[0], signal.SIGUSR2)  # no further promises
        wait(lambda: not promised_at(own), promised_s)
    scope = scope_name(unit, moved[0])
    slice_name = run(["systemctl", "show", "--property=Slice", "--value", unit]).strip()
    run(
        start_scope(scope, moved, description=f"{unit}, until its calls are over", slice_name=slice_name, keep_s=keep_s)
    )
    if not wait(lambda: scope in control_group(moved[0]), MOVE_TIMEOUT_S):
        raise DependencyError(
            f"{unit} was not moved to {scope} within {MOVE_TIMEOUT_S:g} s", code="not_moved", hint="see the journal"
        )
    return scope


def promised_at(path: Path) -> int:
    """How many calls have been promised a slot at a worker and have not come yet; 0 where it does not say."""
    connection = HTTPConnection("worker", timeout=ANSWER_TIMEOUT_S)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(ANSWER_TIMEOUT_S)
        connection.sock.connect(str(path))
        connection.request("GET", "/health")
        reserved = json.loads(connection.getresponse().read(_MOST_BYTES))["reserved"]
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return 0
    finally:
        connection.close()
    return reserved if isinstance(reserved, int) else 0


def retire(unit: str, *, run: Run = run_program) -> list[str]:
    """Tells the workers that a unit's present one replaces to leave the port, and returns their scopes."""
    listed = run(
        ["systemctl", "list-units", "--type=scope", "--no-legend", "--plain", "--full", f"{_prefix(unit)}*.scope"]
    )
    retired: list[str] = []
    for scope, leader in scopes_of(unit, listed):
        if scope in control_group(leader):  # else its number belongs to another process by now
            os.kill(leader, signal.SIGUSR1)
            retired.append(scope)
    return retired


def scope_name(unit: str, leader: int) -> str:
    """The scope of a worker; no pattern that names the units matches it, or `systemctl restart 'voxcore@*'` would end it."""
    return f"{_prefix(unit)}{leader}.scope"


def scopes_of(unit: str, listed: str) -> list[tuple[str, int]]:
    """The scopes of a unit, and their leaders, in what `systemctl list-units` prints."""
    pattern = re.compile(rf"^\W*({re.escape(_prefix(unit))}(\d+)\.scope)\s", re.MULTILINE)
    return [(found[1], int(found[2])) for found in pattern.finditer(listed)]


def job_of(unit: str, listed: str) -> str:
    """The kind of job that a unit has in what `systemctl list-jobs` prints; empty for none."""
    found = re.search(rf"^\s*\d+\s+{re.escape(unit)}\s+(\S+)", listed, re.MULTILINE)
    return found[1] if found else ""


def descendants(pid: int, parents: Mapping[int, int]) -> list[int]:
    """Every process below another, the nearest first.

    Args:
        pid: of the process, which is not among them.
        parents: parent of each process.
    """
    children: dict[int, list[int]] = {}
    for child, parent in sorted(parents.items()):
        children.setdefault(parent, []).append(child)
    found = list(children.get(pid, ()))
    for each in found:
        found += children.get(each, ())
    return found


def start_scope(name: str, pids: Iterable[int], *, description: str, slice_name: str, keep_s: float) -> list[str]:
    """The command that makes systemd put processes into a new scope."""
    moved = [str(pid) for pid in pids]
    properties = [
        ["PIDs", "au", str(len(moved)), *moved],
        ["Description", "s", description],
        ["CollectMode", "s", "inactive-or-failed"],
        ["TimeoutStopUSec", "t", str(int(keep_s * _USEC_PER_S))],
        *([["Slice", "s", slice_name]] if slice_name else []),
    ]
    return [
        "busctl", "--quiet", "call", *_MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail",
        str(len(properties)), *(word for one in properties for word in one), "0",
    ]  # fmt: skip


def _prefix(unit: str) -> str:
    return f"vox-draining-{unit.removesuffix('.service').replace('@', '-')}-"


def _parents() -> dict[int, int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            parents[int(folder.name)] = int(fields[1])
    return parents
