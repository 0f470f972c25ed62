"""The queue of recordings and its workers, on virtual time, against a store under the test's hand."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vox.agent.recording.pending import PendingFiles
from vox.agent.recording.settings import Recording
from vox.agent.recording.uploads import Uploads
from vox.errors import DependencyError
from vox.media.recording import wav
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import supervised

pytestmark = pytest.mark.usefixtures("virtual_loop")
DAY = datetime(2026, 5, 15, tzinfo=UTC)


@dataclass
class Store:
    """Fails so many times, or takes so long."""

    failures: int = 0
    delay_s: float = 0.0
    error: Exception = field(default_factory=lambda: DependencyError("away", code="storage_failed", retryable=True))
    kept: dict[str, tuple[bytes, str]] = field(default_factory=dict[str, tuple[bytes, str]])
    tried_at: list[float] = field(default_factory=list[float])
    busy: int = 0
    most_busy: int = 0

    async def put_file(self, path: str, file: Path, *, content_type: str) -> None:
        self.tried_at.append(asyncio.get_running_loop().time())
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        try:
            await asyncio.sleep(self.delay_s)
            if self.failures:
                self.failures -= 1
                raise self.error
            self.kept[path] = (await asyncio.to_thread(file.read_bytes), content_type)
        finally:
            self.busy -= 1

    async def probe(self, path: str) -> None: ...

    def prepare(self) -> None: ...


class Line:
    """Uploads at work in a folder."""

    def __init__(self, folder: Path, store: Store, **settings: Any) -> None:
        self.metrics = Metrics()
        self.pending = PendingFiles(folder)
        recording = Recording(bucket="bucket", **settings)
        self.uploads = Uploads(recording, self.pending, store, self.metrics)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Line"]:
        async with supervised(self.uploads.run, "store"):
            await asyncio.sleep(0)
            yield self

    def file(self, name: str) -> Path:
        part = self.pending.part_for(name, DAY)
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(wav.header(8000, 1, 4) + name[:4].ljust(4).encode())
        return self.pending.complete(part)

    def counted(self, name: str) -> float:
        lines = [line.split() for line in self.metrics.render().decode().splitlines()]
        return sum(float(line[1]) for line in lines if line[0] == name)

    @property
    def jobs(self) -> tuple[float, float, float]:
        return tuple(self.counted(f"recording_jobs_{what}_total") for what in ("enqueued", "success", "failed"))  # type: ignore[return-value]


async def test_a_recording_is_stored_under_its_key_and_then_deleted_here(tmp_path: Path):
    store = Store()
    async with Line(tmp_path, store).running() as line:
        file = line.file("sess_abc123")
        content = file.read_bytes()
        line.uploads.add(file)
        await asyncio.sleep(1)
        assert store.kept == {"recordings/2026/05/15/sess_abc123.wav": (content, "audio/wav")}
        assert list(line.pending.folder.iterdir()) == []
        assert line.jobs == (1, 1, 0)


async def test_a_recording_that_a_sweep_saw_before_its_call_told_of_it_is_one_job(tmp_path: Path):
    store = Store(delay_s=1)
    async with Line(tmp_path, store).running() as line:
        file = line.file("a")
        await line.uploads.sweep()
        line.uploads.add(file)
        await asyncio.sleep(3)
        assert line.jobs == (1, 1, 0)


async def test_a_failure_is_tried_again_after_100_ms_and_then_twice_as_long(tmp_path: Path):
    store = Store(failures=3)
    async with Line(tmp_path, store).running() as line:
        line.uploads.add(line.file("a"))
        await asyncio.sleep(2)
    gaps = [late - early for early, late in zip(store.tried_at, store.tried_at[1:], strict=False)]
    assert gaps == pytest.approx([0.1, 0.2, 0.4], abs=0.01)
    assert line.jobs == (1, 1, 0)


async def test_after_the_last_try_the_file_stays_and_is_stored_when_the_store_is_back(tmp_path: Path):
    store = Store(failures=4)
    async with Line(tmp_path, store).running() as line:
        file = line.file("a")
        line.uploads.add(file)
        await asyncio.sleep(2)
        assert (len(store.tried_at), line.jobs) == (4, (1, 0, 1))
        assert file.exists()
        await line.uploads.sweep()
        assert line.counted("vox_agent_recordings_waiting") == 1
        await asyncio.sleep(1)
        assert len(store.kept) == 1
        assert line.jobs == (2, 1, 1)


async def test_a_full_queue_drops_the_job_with_a_warning_and_not_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    store = Store(delay_s=1)
    async with Line(tmp_path, store, worker_count=1, queue_cap=2).running() as line:
        for number in range(5):
            line.uploads.add(line.file(f"call{number}"))
            await asyncio.sleep(0.01)
        assert line.counted("recording_queue_depth") == 2
        assert line.jobs == (3, 0, 2)
        assert "recording queue is full" in capsys.readouterr().out
        await asyncio.sleep(10)  # without a sweep of anyone else's
        assert len(store.kept) == 5
        assert store.most_busy == 1


async def test_once_the_store_is_back_everything_that_waits_is_stored_at_once(tmp_path: Path):
    store = Store(failures=8)
    async with Line(tmp_path, store, worker_count=1, queue_cap=1).running() as line:
        for number in range(2):
            line.uploads.add(line.file(f"call{number}"))
            await asyncio.sleep(5)
        assert store.kept == {}
        line.uploads.add(line.file("call2"))
        await asyncio.sleep(1)
        assert len(store.kept) == 3


async def test_as_many_at_once_as_there_are_workers(tmp_path: Path):
    store = Store(delay_s=1)
    async with Line(tmp_path, store, worker_count=3).running() as line:
        for number in range(9):
            line.uploads.add(line.file(f"call{number}"))
        await asyncio.sleep(1.5)
        assert (store.most_busy, len(store.kept)) == (3, 3)


async def test_a_sweep_queues_nothing_twice(tmp_path: Path):
    store = Store(delay_s=1)
    async with Line(tmp_path, store).running() as line:
        line.uploads.add(line.file("a"))
        for _ in range(3):
            await line.uploads.sweep()
            await asyncio.sleep(0.1)
        assert line.jobs[0] == 1


async def test_draining_waits_for_everything_on_the_disk_also_beyond_the_queue(tmp_path: Path):
    store = Store(delay_s=0.1)
    async with Line(tmp_path, store, worker_count=1, queue_cap=1).running() as line:
        for number in range(4):
            line.file(f"call{number}")
        await line.uploads.drain()
        assert len(store.kept) == 4


async def test_draining_a_store_that_is_away_ends(tmp_path: Path):
    store = Store(failures=1000)
    async with Line(tmp_path, store, queue_cap=1, worker_count=1).running() as line:
        for number in range(3):
            line.file(f"call{number}")
        async with asyncio.timeout(60):
            await line.uploads.drain()
        assert len(line.pending.waiting()) == 3


async def test_a_file_that_another_server_stores_is_left_to_it(tmp_path: Path):
    from vox.agent.recording.pending import lock

    store = Store()
    async with Line(tmp_path, store).running() as line:
        file = line.file("a")
        with file.open("rb") as taken:
            lock(taken)
            line.uploads.add(file)
            await asyncio.sleep(1)
        assert store.tried_at == []
        assert line.jobs == (1, 0, 0)


async def test_a_worker_survives_whatever_a_store_raises(tmp_path: Path):
    store = Store(failures=1, error=RuntimeError("a bug"))
    async with Line(tmp_path, store, worker_count=1).running() as line:
        line.uploads.add(line.file("a"))
        line.uploads.add(line.file("b"))
        await asyncio.sleep(1)
        assert list(store.kept) == ["recordings/2026/05/15/b.wav"]
        assert line.jobs == (2, 1, 1)


async def test_opus_is_encoded_before_it_is_stored_and_a_file_that_is_none_is_put_aside(tmp_path: Path):
    import importlib.util

    from tests.require import require

    require(importlib.util.find_spec("av") is not None, "PyAV", "pip install '.[opus]'")
    store = Store()
    async with Line(tmp_path, store, format="opus").running() as line:
        good, bad = line.file("good"), line.file("bad")
        good.write_bytes(wav.header(8000, 1, 16_000) + bytes(16_000))
        bad.write_bytes(b"no recording")
        line.uploads.add(bad)
        line.uploads.add(good)
        await line.uploads.drain()
        ((key, (content, kind)),) = store.kept.items()
        assert (key, content[:4], kind) == ("recordings/2026/05/15/good.opus", b"OggS", "audio/ogg")
        assert sorted(path.name for path in line.pending.folder.rglob("*") if path.is_file()) == ["bad.wav.unreadable"]
        assert line.jobs == (2, 1, 1)
