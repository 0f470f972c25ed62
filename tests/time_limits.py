"""How long tests wait on real time, in one place, so that a slow or busy machine changes no verdict.

A wait ends as soon as what it waits for has happened; its limit decides only when a test that hangs counts as failed, so
it is far longer than anything takes. `VOX_TEST_TIME_SCALE` (default 1) multiplies every limit, pytest's own included:
`VOX_TEST_TIME_SCALE=5 make test` for an emulated or heavily shared machine. What has to be fast is asserted in virtual
time (`tests/fakes/loop.py`), in CPU time, or against the time-out that it must not run into, never in seconds of a clock
on the wall.
"""

import asyncio
import os

TIME_SCALE = float(os.environ.get("VOX_TEST_TIME_SCALE", "1"))
WAIT_S = 60.0 * TIME_SCALE
"""The longest that a test waits for one thing."""

TEST_TIMEOUT_S = {"unit": 120.0, "contract": 180.0, "e2e": 300.0}
"""When pytest ends a test of that folder that has no `timeout` of its own; before the scale."""


def scaled(seconds: float) -> float:
    """A limit in real seconds as this machine needs it."""
    return seconds * TIME_SCALE


def time_limit(seconds: float = 60.0) -> asyncio.Timeout:
    """Fails the block with `TimeoutError` if it hangs, after that many seconds times the scale."""
    return asyncio.timeout(scaled(seconds))
