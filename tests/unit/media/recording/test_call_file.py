"""The file of a call, written in batches as a recorder hands them over."""

import audioop
import resource
import tracemalloc
import wave
from array import array
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vox.media.recording import wav
from vox.media.recording.call_file import Batch, CallFile
from vox.media.recording.mixing import Layout
from vox.protocols.media_stream import Encoding

LOUD = array("h", [6000]).tobytes()


def new_file(path: Path, **more: object) -> CallFile:
    settings = {"began": 100.0, "sample_rate": 8000, "layout": "stereo", "agent_rate": 8000, "agent_encoding": "mulaw"}
    file = CallFile(path, **{**settings, **more})  # type: ignore[arg-type]
    file.open()
    return file


def frames(begin: float, seconds: float, frame: bytes, *, arrival_s: float) -> tuple[list[bytes], list[float]]:
    """Frames of 20 ms that are spoken from `begin` on, and when each is there."""
    count = round(seconds / 0.02)
    return [frame] * count, [begin + number * 0.02 + arrival_s for number in range(count)]


def read(path: Path) -> tuple[int, list[list[int]]]:
    """The rate and the samples of each channel."""
    with wave.open(str(path)) as file:
        samples = array("h", file.readframes(file.getnframes()))
        return file.getframerate(), [list(samples[side :: file.getnchannels()]) for side in range(file.getnchannels())]


def span(samples: list[int], rate: int) -> tuple[float, float]:
    """First and last sound, in seconds."""
    loud = [index for index, sample in enumerate(samples) if abs(sample) > 1000]
    return loud[0] / rate, (loud[-1] + 1) / rate


@pytest.mark.parametrize("caller_rate", [8000, 16_000, 48_000])
@pytest.mark.parametrize(("encoding", "agent_rate"), [("mulaw", 8000), ("alaw", 8000), ("s16le", 24_000)])
@pytest.mark.parametrize("sample_rate", [8000, 24_000])
def test_both_sides_are_in_step_at_any_rates(
    tmp_path: Path, caller_rate: int, encoding: Encoding, agent_rate: int, sample_rate: int
):
    path = tmp_path / "call.wav"
    file = new_file(path, sample_rate=sample_rate, agent_rate=agent_rate, agent_encoding=encoding)
    pcm = LOUD * (agent_rate // 50)
    frame = {"mulaw": audioop.lin2ulaw(pcm, 2), "alaw": audioop.lin2alaw(pcm, 2), "s16le": pcm}[encoding]
    caller, caller_at = frames(102.0, 1.0, LOUD * (caller_rate // 50), arrival_s=0.02)
    agent, agent_at = frames(102.5, 1.0, frame, arrival_s=0.0)
    file.write(Batch(101.0))
    file.write(Batch(104.0, caller, caller_at, agent, agent_at, caller_rate))
    file.finish(Batch(105.25))
    assert file.close() == 5.25
    rate, (left, right) = read(path)
    assert rate == sample_rate
    assert len(left) == len(right) == round(5.25 * sample_rate)
    assert span(left, rate) == pytest.approx((2.0, 3.0), abs=0.004)
    assert span(right, rate) == pytest.approx((2.5, 3.5), abs=0.004)


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_what_is_settled_is_on_the_disk_and_a_killed_writer_loses_seconds_only(tmp_path: Path, layout: Layout):
    path = tmp_path / "call.wav"
    file = new_file(path, layout=layout)
    for second in range(10):
        caller, at = frames(100.0 + second, 1.0, LOUD * 160, arrival_s=0.02)
        file.write(Batch(101.0 + second, caller, at, caller_rate=8000))
    with path.open("r+b") as left_behind:
        assert wav.repair(left_behind) == 9.0
    rate, channels = read(path)
    assert span(channels[0], rate) == pytest.approx((0.0, 9.0), abs=0.001)
    file.close()


def test_a_batch_that_was_left_out_is_silence_and_the_rest_stays_in_its_place(tmp_path: Path):
    path = tmp_path / "call.wav"
    file = new_file(path)
    for second in (0, 1, 4):
        caller, at = frames(100.0 + second, 1.0, LOUD * 160, arrival_s=0.02)
        agent, agent_at = frames(100.0 + second, 1.0, b"\x20" * 160, arrival_s=0.0)
        file.write(Batch(101.0 + second, caller, at, agent, agent_at, 8000))
    file.finish(Batch(106.0))
    file.close()
    for side in read(path)[1]:
        assert [round(sum(map(abs, side[8000 * second : 8000 * (second + 1)])) / 8000) > 1000 for second in range(6)] == [
            True, True, False, False, True, False,
        ]  # fmt: skip


def test_a_call_without_a_caller_or_without_anything_is_as_long_as_it_was(tmp_path: Path):
    file = new_file(tmp_path / "call.wav", layout="mono")
    file.write(Batch(103.0))
    file.finish(Batch(104.5))
    assert file.close() == 4.5
    assert file.close() == 0.0


def test_a_side_that_is_silent_for_long_is_silence_on_the_disk_and_not_in_memory(tmp_path: Path):
    path = tmp_path / "call.wav"
    file = new_file(path, layout="mono")
    caller, at = frames(100.0, 1.0, LOUD * 160, arrival_s=0.02)
    file.write(Batch(101.0, caller, at, caller_rate=8000))
    tracemalloc.start()
    try:
        file.write(Batch(1901.0))
        caller, at = frames(1901.0, 1.0, LOUD * 160, arrival_s=0.02)
        file.write(Batch(1902.0, caller, at, caller_rate=8000))
        file.finish(Batch(3702.0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20  # each half hour has 29 MB
    assert file.close() == 3602.0
    rate, (samples,) = read(path)
    del samples[:rate]
    assert span(samples, rate) == pytest.approx((1800.0, 1801.0), abs=0.001)


def test_audio_far_ahead_of_the_clock_is_told(tmp_path: Path):
    file = new_file(tmp_path / "call.wav")
    assert file.left_out_s == 0
    file.finish(Batch(101.0, [LOUD * 8000] * 60, [100.5] * 60, caller_rate=8000))
    assert file.left_out_s >= 28
    file.close()


@contextmanager
def little_room(size: int) -> Generator[None]:
    """No file of this process may grow beyond this size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_a_file_that_plays_as_far_as_it_goes(tmp_path: Path):
    path = tmp_path / "call.wav"
    file = new_file(path, layout="mono")
    caller, at = frames(100.0, 5.0, LOUD * 160, arrival_s=0.02)
    with little_room(32_001 + wav.HEADER_BYTES), pytest.raises(OSError):
        file.write(Batch(106.0, caller, at, caller_rate=8000))
    assert file.close() == 2.0
    assert len(read(path)[1][0]) == 16_000


def test_an_existing_file_is_not_overwritten(tmp_path: Path):
    path = tmp_path / "call.wav"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        new_file(path)
    assert path.read_bytes() == b"precious"


def test_only_the_owner_may_read_it(tmp_path: Path):
    path = tmp_path / "day" / "call.wav"
    file = new_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    file.close()
    with pytest.raises(OSError, match="not open"):
        file.finish(Batch(102.0))
