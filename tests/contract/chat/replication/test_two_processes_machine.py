"""Random lives of a server of two processes: no event is lost, repeated or leaked, whoever comes, goes and is shut out.

Hypothesis plans each life, lives it on an empty database and an empty Redis, and cuts down one that fails. Before changing: it must be
able to repeat a plan, so there are no bundles and no preconditions; `tests.contract.chat.replication.two_processes_plans` says more.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.contract.chat.replication import two_processes_plans as plans
from tests.contract.chat.replication.two_processes import TwoProcesses, two_processes
from tests.contract.chat.replication.two_processes_plans import Arrival, Bounce, Break, Change, Return, Word
from tests.e2e.redis_server import RunningRedis, redis_server
from vox.chat.bus import redis_sessions

TEMPLATE = "vox_template"
"""What `postgres_server` makes its databases from."""
LEAST_STEPS = 350
"""In a life, on average, far below what is usual."""
RULES_PER_LIFE = 160

NewDatabase = Callable[[], contextlib.AbstractContextManager[tuple[str, Path]]]


@dataclass(slots=True)
class Tally:
    """What the lives of a test have done together.

    Args:
        goal: steps after which further lives are planned, but not lived any more.
    """

    goal: int
    steps: int = 0
    resumes: int = 0
    has_failed: bool = False

    @property
    def is_reached(self) -> bool:
        """Never after a failure, which is repeated as often as it takes to cut it down."""
        return self.steps >= self.goal and not self.has_failed


class TwoProcessesMachine(RuleBasedStateMachine):
    """One life.

    Args:
        redis: to be emptied for it.
        new_database: its database.
        tally: to add to.
    """

    def __init__(self, redis: RunningRedis, new_database: NewDatabase, tally: Tally) -> None:
        super().__init__()
        self.redis = redis
        self.new_database = new_database
        self.tally = tally
        self.is_idle = tally.is_reached
        self.is_shaken = self.has_failed = False
        self.runner = asyncio.Runner()
        self.life: asyncio.Task[None] | None = None

    @initialize(arrivals=plans.arrivals)
    def begin(self, arrivals: list[Arrival]) -> None:
        if not self.is_idle:
            self.run(self.beginning)
        self.round(lambda server: server.join(arrivals))

    @rule(changes=plans.changes)
    def change(self, changes: list[Change]) -> None:
        self.round(lambda server: server.change(changes))

    @rule(words=plans.words, bounces=plans.bounces, changes=st.lists(plans.change, max_size=1))
    def storm(self, words: list[Word], bounces: list[Bounce], changes: list[Change]) -> None:
        self.round(lambda server: server.storm(words, bounces, changes))

    @rule(breaks=plans.breaks, words=plans.words, changes=plans.changes, returns=plans.returns)
    def be_away(self, breaks: list[Break], words: list[Word], changes: list[Change], returns: list[Return]) -> None:
        self.round(lambda server: server.be_away(breaks, words, changes, returns))

    @rule(bounces=plans.bounces)
    def half_open(self, bounces: list[Bounce]) -> None:
        self.round(lambda server: server.half_open(bounces))

    @rule(person=plans.numbers, at=st.tuples(*[plans.processes] * 3), arrivals=plans.arrivals)
    def ban(self, person: int, at: tuple[int, ...], arrivals: list[Arrival]) -> None:
        self.round(lambda server: server.ban(person, at))
        self.round(lambda server: server.join(arrivals))

    @rule(words=plans.words)
    def shake(self, words: list[Word]) -> None:
        if not self.is_shaken:  # once in a life: it may take a second until it is noticed
            self.is_shaken = True
            self.round(lambda server: server.shake(words))

    def teardown(self) -> None:
        try:
            if self.life is not None:
                self.runner.run(self.ending())
        except Exception:
            if not self.has_failed:  # otherwise that is what is to be told
                self.tally.has_failed = True
                raise
        finally:
            self.runner.close()

    def round(self, happening: Callable[[TwoProcesses], Coroutine[Any, Any, None]]) -> None:
        async def rounded() -> None:
            await happening(self.server)
            await self.server.after_round()

        if not self.is_idle:
            self.run(rounded)

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            self.runner.run(work())
        except BaseException:
            self.has_failed = self.tally.has_failed = True
            raise

    async def beginning(self) -> None:
        begun: asyncio.Future[TwoProcesses] = asyncio.get_running_loop().create_future()
        self.is_ending = asyncio.Event()
        self.life = asyncio.create_task(self.living(begun))
        await asyncio.wait({self.life, begun}, return_when=asyncio.FIRST_COMPLETED)
        if self.life.done():
            self.life.result()
        self.server = begun.result()

    async def living(self, begun: asyncio.Future[TwoProcesses]) -> None:
        """One task for the whole life: what it enters must be left by the same one."""
        with self.new_database() as (url, folder):
            async with two_processes(self.redis, url, folder) as server:
                begun.set_result(server)
                await self.is_ending.wait()
                self.tally.steps += server.steps
                self.tally.resumes += server.resumes

    async def ending(self) -> None:
        assert self.life is not None
        try:
            if not self.has_failed:
                await self.server.look()
        finally:
            self.is_ending.set()
            await self.life


@pytest.fixture(scope="module")
def redis() -> Iterator[RunningRedis]:
    with redis_server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> NewDatabase:
    """Makes empty databases, each with a folder for its files."""
    count = itertools.count(1)
    server: str = "" if request.param == "sqlite" else request.getfixturevalue("postgres_server")

    @contextlib.contextmanager
    def made() -> Generator[tuple[str, Path]]:
        folder = tmp_path / str(next(count))
        folder.mkdir()
        if not server:
            yield f"sqlite+aiosqlite:///{folder / 'vox.db'}", folder
            return
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS vox_machine WITH (FORCE)")
            connection.execute(f"CREATE DATABASE vox_machine TEMPLATE {TEMPLATE}")  # pyright: ignore[reportArgumentType, reportCallIssue]  the name is ours
        yield f"{server.rpartition('/')[0]}/vox_machine", folder

    return made


@pytest.mark.timeout(400)  # a run that finds nothing takes seconds; one that does may spend 5 min on cutting it down
@pytest.mark.parametrize(("new_database", "steps"), [("sqlite", 9300), ("postgresql", 700)], indirect=["new_database"])
def test_nothing_is_lost_repeated_or_leaked_over_two_processes(
    redis: RunningRedis, new_database: NewDatabase, steps: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_sessions, "ASK_EVERY_S", 0.002)  # most of the time would go into these pauses
    tally = Tally(steps)
    run_state_machine_as_test(
        lambda: TwoProcessesMachine(redis, new_database, tally),  # pyright: ignore[reportArgumentType]  a function will do
        settings=settings(
            max_examples=3 + steps // LEAST_STEPS,
            stateful_step_count=RULES_PER_LIFE,
            # A life is two servers and takes as long as they do; `Tally` bounds how many there are.
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    assert tally.steps >= steps
    assert tally.resumes > steps / 5
