"""Recordings of a server from its start to its end, in a folder and on real threads."""

import asyncio
import resource
import wave
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import EPOCH, FakeClock
from vox.agent.recording import recordings as module
from vox.agent.recording.pending import PendingFiles
from vox.agent.recording.recordings import Recordings
from vox.agent.recording.settings import Recording
from vox.errors import DependencyError, UsageError
from vox.media.recording import wav
from vox.runtime.metrics import Metrics

PCM = array("h", [3000] * 160).tobytes()


class Server:
    """What a server gives its recordings."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None, **settings: Any) -> None:
        self.folder, self.clock, self.metrics = folder, FakeClock(), Metrics()
        self.recordings = Recordings(
            Recording(enable=True, **settings),
            folder,
            self.clock,
            self.metrics,
            environment or {},
            shutdown_timeout_s=5,
        )

    def call(self, name: str, seconds: float) -> None:
        recorder = self.recordings.begin(name, agent_rate=8000, agent_encoding="mulaw")
        recorder.listen(8000)
        for _ in range(round(seconds / 0.02)):
            self.clock.advance(0.02)
            recorder.heard(PCM)
        recorder.close()

    def counted(self, name: str) -> float:
        lines = [line.split() for line in self.metrics.render().decode().splitlines()]
        return sum(float(line[1]) for line in lines if line[0].partition("{")[0] == name)

    def kept(self) -> dict[str, float]:
        """The recordings in the folder, and their seconds."""
        found: dict[str, float] = {}
        for file in (self.folder / "recordings").glob("[0-9]*/*/*/*.wav"):
            with wave.open(str(file)) as read:
                found[file.stem] = read.getnframes() / read.getframerate()
        return found


async def test_a_call_becomes_a_file_in_the_folder_of_its_day(tmp_path: Path):
    server = Server(tmp_path)
    async with server.recordings:
        server.call("call_1", 3.0)
    assert server.kept() == {"call_1": 3.0}
    (file,) = (tmp_path / "recordings").rglob("*.wav")
    assert file.relative_to(tmp_path).as_posix() == f"recordings/{EPOCH:%Y/%m/%d}/call_1.wav"
    assert file.stat().st_mode & 0o777 == 0o600
    assert server.counted("recording_jobs_success_total") == 1


async def test_leaving_ends_the_calls_that_are_left_and_keeps_their_recordings(tmp_path: Path):
    server = Server(tmp_path)
    async with server.recordings:
        recorder = server.recordings.begin("call_1", agent_rate=8000, agent_encoding="mulaw")
        assert server.counted("vox_agent_recordings_active") == 1
        server.clock.advance(2.0)
        recorder.sent(b"\x20" * 160)
    assert server.kept() == {"call_1": 2.0}
    assert server.counted("vox_agent_recordings_active") == 0


async def test_the_next_start_stores_what_was_left_whole_or_torn(tmp_path: Path):
    pending = PendingFiles(tmp_path / "recordings")
    for name in ("torn", "whole"):
        part = pending.part_for(name, EPOCH)
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(wav.header(8000, 1) + bytes(16_000))
    with part.open("r+b") as file:
        wav.repair(file)
    pending.complete(part)
    server = Server(tmp_path)
    async with server.recordings:
        pass
    assert server.kept() == {"torn": 1.0, "whole": 1.0}


async def test_a_full_disk_ends_the_recording_with_a_warning_and_keeps_what_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    server = Server(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with server.recordings:
        recorder = server.recordings.begin("call_1", agent_rate=8000, agent_encoding="mulaw")
        recorder.listen(8000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (32_044, hard))
        try:
            for _ in range(400):
                server.clock.advance(0.02)
                recorder.heard(PCM)
            await asyncio.to_thread(lambda: server.recordings._executor.submit(int).result())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not recorder.is_recording
        await asyncio.sleep(0)
        assert server.counted("vox_agent_recordings_broken_total") == 1
        recorder.heard(PCM)
        recorder.close()
    assert server.kept() == {"call_1": 2.0}
    log = capsys.readouterr().out
    assert "recording ended early, the call goes on" in log
    assert "make room" in log


async def test_a_folder_that_cannot_be_used_is_told_at_the_start(tmp_path: Path):
    (tmp_path / "recordings").write_text("in the way")
    with pytest.raises(UsageError) as error:
        await Server(tmp_path).recordings.__aenter__()
    assert error.value.code == "storage_unusable"
    assert "recording.folder" in str(error.value)


async def test_old_recordings_are_deleted_at_the_start(tmp_path: Path):
    for day in ("2025/12/01", "2025/12/30"):
        (tmp_path / "recordings" / day).mkdir(parents=True)
        (tmp_path / "recordings" / day / "a.wav").touch()
    async with Server(tmp_path, retention_days=10).recordings:
        assert [path.parent.name for path in (tmp_path / "recordings").rglob("*.wav")] == ["30"]


async def test_a_store_is_not_asked_at_each_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = Server(tmp_path)
    probes: list[str] = []

    async def probe(path: str) -> None:
        probes.append(path)
        if len(probes) == 2:
            raise DependencyError("away", code="storage_failed")

    async with server.recordings as recordings:
        monkeypatch.setattr(recordings._store, "probe", probe)
        await recordings.check()
        assert probes == []  # it was well at the start, a moment ago
        server.clock.advance(module.CHECKED_FOR_S)
        await recordings.check()
        assert probes == [module.PROBE]
        server.clock.advance(module.CHECKED_FOR_S)
        for _ in range(3):
            with pytest.raises(DependencyError):
                await recordings.check()
        assert len(probes) == 2
        server.clock.advance(module.CHECK_AGAIN_S)
        await recordings.check()
        assert len(probes) == 3


async def test_opus_without_its_library_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def missing(_name: str) -> None:
        return None

    monkeypatch.setattr("vox.media.recording.opus.find_spec", missing)
    with pytest.raises(UsageError) as error:
        await Server(tmp_path, format="opus").recordings.__aenter__()
    assert "'.[opus]'" in str(error.value)
