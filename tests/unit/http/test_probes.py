"""Readiness: the life cycle first, then checks; a check that hangs on virtual time (virtual_loop)."""

import asyncio

import pytest

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError, UsageError
from vox.http.probes import ReadinessProbe
from vox.runtime.health import Checks
from vox.runtime.lifecycle import Lifecycle, State

DRAIN_S = 20.0


class Dependencies:
    """Two checks, of which any can fail; counts how often they were asked."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.asked = 0
        self.checks = Checks()
        for name in ("database", "storage"):
            self.checks.add(name, self._check(name))

    def _check(self, name: str):
        async def check() -> None:
            self.asked += 1
            if name in self.failing:
                raise DependencyError("postgresql://user:secret@db", code=f"{name}_away")

        return check


def lifecycle() -> Lifecycle:
    return Lifecycle(FakeClock(), DRAIN_S)


def test_a_probe_without_checks_cannot_be_built():
    with pytest.raises(UsageError) as caught:
        ReadinessProbe(lifecycle(), Checks())
    assert caught.value.code == "no_readiness_checks"


async def test_a_server_whose_checks_are_well_is_ready():
    life, found = lifecycle(), Dependencies()
    life.ready()
    answer = await ReadinessProbe(life, found.checks).ask()
    assert (answer.is_ready, answer.state, answer.retry_after_s) == (True, State.READY, None)
    assert (answer.checks, answer.failed) == ({"database": None, "storage": None}, {})


async def test_the_check_that_fails_is_named_by_its_code_only():
    life, found = lifecycle(), Dependencies("storage")
    life.ready()
    answer = await ReadinessProbe(life, found.checks).ask()
    assert not answer.is_ready
    assert answer.retry_after_s is None
    assert answer.failed == {"storage": "storage_away"}
    assert answer.checks == {"database": None, "storage": "storage_away"}


@pytest.mark.usefixtures("virtual_loop")
async def test_a_check_that_hangs_fails_alone():
    life, found = lifecycle(), Dependencies()
    life.ready()
    found.checks.add("queue", asyncio.Event().wait, 3.0)  # type: ignore[arg-type]
    answer = await ReadinessProbe(life, found.checks).ask()
    assert answer.failed == {"queue": "no answer within 3 s"}


@pytest.mark.parametrize("opens_on_demand", [False, True])
async def test_a_draining_server_says_when_to_come_back_without_asking_its_checks(opens_on_demand):
    life, found = lifecycle(), Dependencies()
    life.ready()
    life.drain()
    answer = await ReadinessProbe(life, found.checks, opens_on_demand=opens_on_demand).ask()
    assert (answer.is_ready, answer.state, answer.retry_after_s) == (False, State.DRAINING, DRAIN_S)
    assert (answer.checks, found.asked) == ({}, 0)


async def test_a_server_that_is_starting_is_not_ready():
    life, found = lifecycle(), Dependencies()
    answer = await ReadinessProbe(life, found.checks).ask()
    assert (answer.is_ready, answer.state, found.asked) == (False, State.STARTING, 0)
    assert answer.retry_after_s is not None


async def test_a_server_that_opens_on_demand_is_opened_by_its_checks():
    life, found = lifecycle(), Dependencies()
    probe = ReadinessProbe(life, found.checks, opens_on_demand=True)
    assert (await probe.ask()).is_ready
    assert found.asked == 2
    found.failing = ("database",)
    assert (await probe.ask()).failed == {"database": "database_away"}
