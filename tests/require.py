"""What a test needs from the machine, named when it is missing.

On a developer's machine a missing program skips the test by name; `VOX_TEST_REQUIRE=all`, which `.ci/run` sets after
installing everything, turns every such skip into a failure, so that no test is quietly absent there. `VOX_TEST_WITHOUT`
names, separated by commas, what could not be installed there; that skips by name again.
"""

import os

import pytest


def require(condition: bool, what: str, remedy: str) -> None:
    """Skips the running test unless `condition` holds, saying what is missing and how to get it.

    Args:
        condition: whether the thing is there.
        what: its name, as in "chromium" or "a writable /dev/shm".
        remedy: how to get it, as in "apt-get install chromium".
    """
    if condition:
        return
    reason = f"needs {what}: {remedy}"
    is_missed = what in os.environ.get("VOX_TEST_WITHOUT", "").split(",")
    if os.environ.get("VOX_TEST_REQUIRE") == "all" and not is_missed:
        pytest.fail(f"{reason} (VOX_TEST_REQUIRE=all forbids skipping)", pytrace=False)
    pytest.skip(reason)
