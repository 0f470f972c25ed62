"""The queue of rows: batches, repeated writes, and what is lost at the bound or at the end. The database is played."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import OperationalError

from tests.fakes.loop import VirtualClock
from vox.agent.transcripts.database import Stored
from vox.agent.transcripts.rows import TranscriptRow
from vox.agent.transcripts.writer import MAX_BATCH, TranscriptWriter
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import supervised

pytestmark = pytest.mark.usefixtures("virtual_loop")

LOST, WAITING = "vox_agent_transcript_rows_lost_total", "vox_agent_transcript_rows_waiting"


class Database:
    """Takes rows, or is away until `is_away` is False."""

    def __init__(self) -> None:
        self.batches: list[list[TranscriptRow]] = []
        self.attempts: list[float] = []
        self.is_away = False

    @property
    def texts(self) -> list[str]:
        return [row.text for batch in self.batches for row in batch]

    def store(self, rows: list[TranscriptRow]) -> Stored:
        self.attempts.append(0.0)
        if self.is_away:
            raise OperationalError("INSERT", {"text": "private"}, Exception("away"))
        self.batches.append(list(rows))
        return Stored(len(rows), 0)

    def interrupt(self) -> None:
        pass


class World:
    def __init__(self, *, max_rows: int = 1000, max_bytes: int = 1 << 20) -> None:
        self.database, self.metrics = Database(), Metrics()
        clock = VirtualClock(asyncio.get_running_loop())
        self.writer = TranscriptWriter(self.database, clock, self.metrics, max_rows=max_rows, max_bytes=max_bytes)
        self._seq = 0

    def put(self, text: str, session_id: str = "call_1") -> None:
        self._seq += 1
        self.writer.put(TranscriptRow(session_id, self._seq, "user", text, datetime.now(UTC)))

    def counted(self, metric: str) -> float:
        lines = self.metrics.render().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == metric)


@asynccontextmanager
async def running(world: World) -> AsyncGenerator[None]:
    try:
        async with supervised(world.writer.run, "write"):
            yield
    finally:
        world.writer.close()
        await asyncio.to_thread(world.writer._thread.shutdown)


async def test_rows_that_come_together_share_a_write():
    world = World()
    async with running(world):
        for text in "abc":
            world.put(text)
        await world.writer.flush(5.0)
    assert [[row.text for row in batch] for batch in world.database.batches] == [["a", "b", "c"]]


async def test_a_write_is_of_bounded_size():
    world = World(max_rows=5 * MAX_BATCH)
    async with running(world):
        for number in range(2 * MAX_BATCH + 1):
            world.put(str(number))
        await world.writer.flush(5.0)
    assert [len(batch) for batch in world.database.batches] == [MAX_BATCH, MAX_BATCH, 1]


async def test_a_database_that_is_away_is_tried_again_ever_more_slowly_and_gets_everything_in_order():
    world = World()
    world.database.is_away = True
    async with running(world):
        world.put("a")
        await asyncio.sleep(60.0)
        assert 12 <= len(world.database.attempts) <= 20
        world.put("b")
        assert [row.text for row in world.writer.waiting("call_1")] == ["a", "b"]
        assert world.writer.waiting("call_2") == []
        world.database.is_away = False
        await world.writer.flush(20.0)
    assert world.database.texts == ["a", "b"]
    assert world.counted("vox_agent_transcript_rows_written_total") == 2
    assert world.counted(WAITING) == 0


@pytest.mark.parametrize("bound", [{"max_rows": 3}, {"max_bytes": 1000}])
async def test_what_exceeds_the_bound_is_lost_and_counted_and_the_rest_is_kept(bound: dict[str, int]):
    world = World(**bound)
    world.database.is_away = True
    async with running(world):
        for text in "abcde":
            world.put(text)
            await asyncio.sleep(1.0)
        assert world.counted(f'{LOST}{{reason="queue_full"}}') == 2
        world.database.is_away = False
        await asyncio.sleep(10.0)
        world.put("f")
        await world.writer.flush(5.0)
    assert world.database.texts == ["a", "b", "c", "f"]


async def test_an_end_without_the_database_counts_what_is_lost():
    world = World()
    world.database.is_away = True
    async with running(world):
        world.put("a")
        await asyncio.sleep(1.0)
        world.put("b")
        await world.writer.flush(2.0)
    assert world.counted(f'{LOST}{{reason="shutdown"}}') == 2


async def test_the_end_tries_again_at_once_and_does_not_wait_for_the_next_attempt():
    world = World()
    world.database.is_away = True
    async with running(world):
        world.put("a")
        await asyncio.sleep(30.0)
        world.database.is_away = False
        await world.writer.flush(0.5)
    assert world.database.texts == ["a"]


async def test_an_empty_queue_has_nothing_to_flush():
    world = World()
    async with running(world):
        await world.writer.flush(0.0)
    assert world.counted(f'{LOST}{{reason="shutdown"}}') == 0
