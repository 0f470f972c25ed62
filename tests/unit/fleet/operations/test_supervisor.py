"""The main process of a unit: its child's exit code is its own, and signals reach the child."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.time_limits import WAIT_S
from vox.errors import UsageError
from vox.fleet.operations.supervisor import control_group, for_child, supervise

SUPERVISE = """
import os, signal, sys
from vox.fleet.operations.supervisor import supervise
signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell's background jobs are started with it ignored, and pass that on
sys.exit(supervise(sys.argv[1:], os.environ))
"""


def supervised(*command: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, *command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 2", 2), ("kill -9 $$", 128 + 9)])
def test_it_ends_as_its_child_ends(script: str, code: int):
    process = supervised("sh", "-c", script)
    process.communicate(timeout=WAIT_S)
    assert process.returncode == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1])
def test_signals_reach_the_child(number: signal.Signals):
    script = f"trap 'echo heard; exit 5' {number.name.removeprefix('SIG')}; echo up; while :; do sleep 0.05; done"
    process = supervised("sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    output, _ = process.communicate(timeout=WAIT_S)
    assert (output, process.returncode) == ("heard\n", 5)


def test_a_program_that_is_not_there_is_named():
    process = supervised("vox-no-such-program")
    _, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 127
    assert "vox-no-such-program cannot be run" in errors


def test_the_port_is_the_child_s_alone():
    reading, writing = os.pipe()
    command = 'echo "$LISTEN_PID $$ $LISTEN_FDS ${WATCHDOG_PID-none}"; exec 3>&-; exec sleep 60'
    script = f"import os; os.dup2({writing}, 3); os.environ['LISTEN_PID'] = str(os.getpid()); os.environ['WATCHDOG_PID'] = '1'; {SUPERVISE}"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "sh", "-c", command], text=True, stdout=subprocess.PIPE,
        pass_fds=[writing], env={**os.environ, "LISTEN_FDS": "1"},
    )  # fmt: skip
    os.close(writing)
    assert process.stdout is not None
    listen_pid, pid, number, watchdog = process.stdout.readline().split()
    assert (listen_pid, number, watchdog) == (pid, "1", "none")
    assert not Path(f"/proc/{process.pid}/fd/3").exists(), "the copy of the main process is closed"
    process.terminate()
    process.communicate(timeout=WAIT_S)
    os.close(reading)


def test_what_was_meant_for_the_main_process_is_meant_for_the_child():
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "WATCHDOG_PID": "1", "WATCHDOG_USEC": "5"}
    for_child(environment, 7)
    assert environment == {"LISTEN_PID": "7", "LISTEN_FDS": "2", "WATCHDOG_USEC": "5"}
    environment = {"A": "b"}
    for_child(environment, 7)
    assert environment == {"A": "b"}


def test_a_process_that_is_gone_has_no_control_group():
    assert control_group("self")
    assert control_group(999_999_999) == ""


def test_nothing_to_run_is_refused():
    with pytest.raises(UsageError, match="no command"):
        supervise([], {})
