"""What holds for every test: its marker comes from its folder, and unit tests reach no network and leave no thread.

`VOX_TEST_REQUIRE=all` is explained in `tests/require.py`, `VOX_TEST_TIME_SCALE` in `tests/time_limits.py`, time that jumps in
`tests/fakes/loop.py`.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_socket
import structlog
from hypothesis import HealthCheck, settings

from tests.fakes.clock import FakeClock
from tests.fakes.loop import VirtualClock, VirtualLoop
from tests.time_limits import TEST_TIMEOUT_S, scaled

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)

FOLDER = Path(__file__).parent
MARKERS = ("unit", "contract", "e2e")

os.environ.setdefault("VOX_MODELS", "none")  # no server under test fetches weights

# A deadline per example measures the machine, not the code. `ci` tries the same examples every time, so that a red run
# can be repeated; on a developer's machine every run looks somewhere new.
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
MAY_SKIP = os.environ.get("VOX_TEST_REQUIRE") != "all"
settings.load_profile("dev" if MAY_SKIP else "ci")


def _folder_of(path: Path) -> str | None:
    if not path.is_relative_to(FOLDER):
        return None
    first = path.relative_to(FOLDER).parts[0]
    return first if first in MARKERS else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks each test with the name of its folder, and scales the time it may take."""
    folder = _folder_of(item.path)
    if folder is not None:
        item.add_marker(folder)
        own = item.get_closest_marker("timeout")
        seconds: float = own.args[0] if own is not None else TEST_TIMEOUT_S[folder]
        item.add_marker(pytest.mark.timeout(scaled(seconds)), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns every skip into a failure where nothing may be missing, whichever way it was asked for."""
    report = yield
    return _forbid_skip(report) if not hasattr(report, "wasxfail") else report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is imported."""
    report = yield
    return _forbid_skip(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists what failed in the file that `VOX_TEST_FAILURES` names, for `make test` to print behind everything else."""
    file = os.environ.get("VOX_TEST_FAILURES")
    reports = [report for kind in ("failed", "error") for report in terminalreporter.stats.get(kind, [])]
    if file and reports:
        Path(file).write_text("".join(f"FAILED  {report.nodeid}\n" for report in reports), encoding="utf-8")


def _forbid_skip(report: _Report) -> _Report:
    if report.skipped and not MAY_SKIP:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason} (VOX_TEST_REQUIRE=all forbids skipping)"
    return report


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Runs a test on virtual time when it asks for the fixture `virtual_loop`."""
    wants_virtual = "virtual_loop" in getattr(item, "fixturenames", ())
    return {"virtual": VirtualLoop} if wants_virtual else {"system": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Blocks sockets in unit tests, except the local pairs that an event loop wakes itself with."""
    if _folder_of(request.path) != "unit":
        yield
        return
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture(autouse=True)
def no_leaked_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a unit test that leaves a thread behind which would keep the process alive."""
    if _folder_of(request.path) != "unit":
        yield
        return
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and not thread.daemon]
    for thread in left:
        thread.join(timeout=scaled(10.0))
    alive = [thread.name for thread in left if thread.is_alive()]
    if alive:
        pytest.fail(f"threads left running: {', '.join(alive)}")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Undoes what a test that starts a program in this process did to the logs: its level, and its stream that is closed by now."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test moves it."""
    return FakeClock()


@pytest.fixture
async def virtual_loop() -> VirtualLoop:
    """The loop this test runs on; its time jumps to the next timer whenever nothing is ready."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "virtual_loop serves asynchronous tests; a plain one uses run_virtual"
    return loop


@pytest.fixture
def virtual_clock(virtual_loop: VirtualLoop) -> VirtualClock:
    """A clock that follows the virtual loop."""
    return VirtualClock(virtual_loop)
