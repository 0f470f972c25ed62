"""What becomes of one call's file when its folder goes away, or its writer breaks."""

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fakes.clock import EPOCH
from vox.agent.recording.call_writer import CallWriter
from vox.agent.recording.pending import PendingFiles
from vox.media.recording.call_file import Batch, CallFile


class Writing:
    def __init__(self, folder: Path) -> None:
        self.whole, self.broken, self.missing = list[Path](), list[str](), list[float]()
        self.pending = PendingFiles(folder)
        self.part = self.pending.part_for("call_1", EPOCH)
        self.executor = ThreadPoolExecutor(1)
        file = CallFile(self.part, began=0.0, sample_rate=8000, layout="mono", agent_rate=8000, agent_encoding="mulaw")
        self.writer = CallWriter(
            "call_1",
            file,
            self.part,
            self.pending,
            self.executor,
            on_whole=self.whole.append,
            on_broken=self.broken.append,
            on_left_out=self.missing.append,
        )

    async def settle(self) -> None:
        await asyncio.to_thread(lambda: self.executor.submit(int).result())
        await asyncio.sleep(0)

    async def close(self) -> None:
        await asyncio.to_thread(self.executor.shutdown)
        await asyncio.sleep(0)


async def test_a_finished_file_is_whole(tmp_path: Path):
    writing = Writing(tmp_path)
    writing.writer.write(Batch(2.0))
    writing.writer.finish(Batch(3.0))
    await writing.close()
    assert [path.name for path in writing.whole] == ["call_1.wav"]
    assert writing.writer.outstanding == 0
    assert writing.broken == []


async def test_a_call_that_lasted_no_time_leaves_nothing(tmp_path: Path):
    writing = Writing(tmp_path)
    writing.writer.finish(Batch(0.0))
    await writing.close()
    assert writing.whole == []
    assert not writing.part.exists()


async def test_a_file_that_cannot_be_made_breaks_the_recording_once(tmp_path: Path):
    (tmp_path / ".pending").write_text("in the way")
    writing = Writing(tmp_path)
    await writing.settle()
    assert writing.writer.is_broken
    writing.writer.write(Batch(2.0))
    writing.writer.finish(None)
    await writing.close()
    assert writing.broken == ["disk_failed"]
    assert writing.whole == []


async def test_a_folder_that_was_deleted_breaks_nothing_else(tmp_path: Path):
    writing = Writing(tmp_path)
    await writing.settle()
    shutil.rmtree(tmp_path / ".pending")
    writing.writer.finish(Batch(3.0))
    await writing.close()
    assert writing.whole == []


async def test_a_fault_of_ours_ends_the_recording_and_not_the_thread(tmp_path: Path):
    writing = Writing(tmp_path)
    writing.writer.write(Batch(2.0, [b"odd"], [], caller_rate=8000))
    writing.writer.finish(Batch(3.0))
    await writing.close()
    assert writing.broken == ["failed"]


async def test_a_caller_who_sends_a_whole_file_at_once_is_told_of(tmp_path: Path, capsys):
    writing = Writing(tmp_path)
    writing.writer.finish(Batch(2.0, [b"\x10\x10" * 8000] * 60, [1.0] * 60, caller_rate=8000))
    await writing.close()
    assert "faster than it can have been spoken" in capsys.readouterr().out
    assert len(writing.whole) == 1


async def test_missing_audio_is_told_each_time_and_logged_once(tmp_path: Path, capsys):
    writing = Writing(tmp_path)
    writing.writer.left_out(1.0)
    writing.writer.left_out(2.0)
    writing.writer.finish(Batch(3.0))
    await writing.close()
    assert writing.missing == [1.0, 2.0]
    assert capsys.readouterr().out.count("recording has gaps") == 1
