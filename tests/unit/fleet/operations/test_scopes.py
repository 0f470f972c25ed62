"""What is asked of systemd, and what is read in its answers; the real one is asked in tests/e2e/test_fleet_systemd.py."""

import os
import subprocess
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError
from vox.fleet.operations.scopes import (
    descendants,
    detach,
    job_of,
    promised_at,
    retire,
    run_program,
    scope_name,
    scopes_of,
    start_scope,
)

JOBS = "25 voxcore@1.service restart running\n30 voxcore@11.service stop    waiting\n"


def test_the_job_of_a_unit_is_its_own():
    assert job_of("voxcore@1.service", JOBS) == "restart"
    assert job_of("voxcore@11.service", JOBS) == "stop"
    assert job_of("voxcore@2.service", JOBS) == ""
    assert job_of("voxcore@1xservice", JOBS) == ""


@pytest.mark.parametrize("pattern", ["voxcore@*", "voxcore*", "voxcore@1*", "*voxcore@*"])
def test_no_pattern_that_restarts_the_units_matches_a_scope(pattern: str):
    assert not fnmatch(scope_name("voxcore@1.service", 38), pattern)


def test_scopes_of_one_unit_are_not_those_of_another():
    listed = (
        "vox-draining-voxcore-1-38.scope  loaded active running voxcore@1.service, until its calls are over\n"
        "● vox-draining-voxcore-1-40.scope loaded active running x\n"
        "vox-draining-voxcore-1-1-7.scope loaded active running of voxcore@1-1\n"
        "vox-draining-voxcore-11-39.scope loaded active running y\n"
    )
    assert scopes_of("voxcore@1.service", listed) == [
        ("vox-draining-voxcore-1-38.scope", 38), ("vox-draining-voxcore-1-40.scope", 40),
    ]  # fmt: skip


def test_descendants_are_found_at_any_depth_the_nearest_first():
    assert descendants(10, {11: 10, 12: 11, 13: 10, 14: 12, 20: 1, 10: 1}) == [11, 13, 12, 14]
    assert descendants(99, {11: 10}) == []


def test_the_scope_gets_every_process_and_the_unit_s_slice():
    command = start_scope("x.scope", [11, 12], description="a, b", slice_name="system-voxcore.slice", keep_s=60)
    assert command[:2] == ["busctl", "--quiet"]
    text = " ".join(command)
    assert "PIDs au 2 11 12" in text
    assert "Slice s system-voxcore.slice" in text
    assert "TimeoutStopUSec t 60000000" in text
    assert command[command.index("fail") + 1] == "5"
    assert command[-1] == "0"


def answering(**answers: str):
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> str:
        asked.append(command)
        return next((answer for name, answer in answers.items() if name.replace("_", "-") in command), "")

    return asked, run


def test_a_unit_that_stops_for_good_keeps_its_worker(clock: FakeClock):
    asked, run = answering(list_jobs="7 voxcore@1.service stop running\n")
    assert detach("voxcore@1.service", 1, keep_s=1, clock=clock, sleep=clock.advance, run=run) is None
    assert len(asked) == 1


def test_a_unit_without_a_worker_has_nothing_to_move(clock: FakeClock):
    _, run = answering(list_jobs="7 voxcore@1.service restart running\n")
    assert detach("voxcore@1.service", 999_999_999, keep_s=1, clock=clock, sleep=clock.advance, run=run) is None


def test_a_number_that_belongs_to_another_process_by_now_is_left_alone():
    _, run = answering(list_units="vox-draining-voxcore-1-1.scope loaded active running x\n")
    assert retire("voxcore@1.service", run=run) == []


@pytest.mark.parametrize("command", [["false"], ["vox-no-such-program"]])
def test_a_program_that_fails_is_named(command: list[str]):
    with pytest.raises(DependencyError, match=command[0]) as failed:
        run_program(command)
    assert failed.value.code == "systemd_unusable"


def test_a_worker_that_is_not_moved_in_time_stays_in_its_unit(clock: FakeClock):
    _, run = answering(list_jobs="7 voxcore@1.service restart running\n")
    with subprocess.Popen(["sleep", "60"]) as child:
        with pytest.raises(DependencyError, match="was not moved") as failed:
            detach("voxcore@1.service", os.getpid(), keep_s=1, clock=clock, sleep=clock.advance, run=run)
        child.kill()
    assert failed.value.code == "not_moved"


def test_a_worker_that_does_not_say_what_it_promised_is_not_waited_for(tmp_path: Path):
    assert promised_at(tmp_path / "gone.sock") == 0
