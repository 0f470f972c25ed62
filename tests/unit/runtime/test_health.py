"""Checks: all at once, each with a deadline, and no foreign text in the answer."""

import asyncio

import pytest

from vox.errors import DependencyError, UsageError
from vox.runtime.health import Checks


async def well():
    pass


async def test_checks_run_at_once_and_say_which_failed(virtual_loop):
    async def slow():
        await asyncio.sleep(60)

    async def down():
        raise DependencyError("redis does not answer", code="store_down")

    async def strange():
        raise ConnectionError("postgres://user:password@host")

    checks = Checks()
    for name, check in {"a": well, "b": slow, "c": slow, "d": down, "e": strange}.items():
        checks.add(name, check, timeout_s=2)
    before = virtual_loop.time()
    verdicts = await checks.run()
    assert verdicts == {
        "a": None,
        "b": "no answer within 2 s",
        "c": "no answer within 2 s",
        "d": "store_down",
        "e": "ConnectionError",
    }
    assert virtual_loop.time() - before == pytest.approx(2, abs=0.1)


async def test_no_checks_means_well():
    assert await Checks().run() == {}


def test_a_name_is_used_once():
    checks = Checks()
    checks.add("a", well)
    with pytest.raises(UsageError):
        checks.add("a", well)
