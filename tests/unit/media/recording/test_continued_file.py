"""A recording that another process began: gone on with on the same clock, and left alone while it is that process's."""

import wave
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vox.agent.recording.pending import lock
from vox.errors import UsageError
from vox.media.recording.call_file import MOST_HELD, Batch, CallFile

RATE = 8000
FRAME = array("h", [6000] * 160).tobytes()


def call_file(path: Path, began: float, **more: Any) -> CallFile:
    settings: dict[str, Any] = {"sample_rate": RATE, "layout": "stereo", "agent_rate": RATE, "agent_encoding": "s16le"}
    return CallFile(path, began=began, lock=lock, **{**settings, **more})


def speech(begin: float, seconds: float) -> Batch:
    """Both sides sound all the time."""
    at = [begin + number * 0.02 for number in range(round(seconds * 50))]
    heard = [time + 0.02 for time in at]
    return Batch(begin + seconds, [FRAME] * len(at), heard, [FRAME] * len(at), at, RATE)


def first_half(path: Path) -> CallFile:
    file = call_file(path, began=100.0)
    file.open()
    file.finish(speech(100.0, 2.0))
    return file


def silence_s(samples: Sequence[int]) -> tuple[float, float]:
    """Where the one gap begins and ends, in seconds."""
    quiet = [number for number, sample in enumerate(samples) if abs(sample) < 1000]
    return quiet[0] / RATE, (quiet[-1] + 1) / RATE


def test_the_second_process_goes_on_behind_the_gap_on_both_sides(tmp_path: Path):
    path = tmp_path / "call.wav.part"
    first_half(path).close()
    # The other process's clock shows other seconds: the call began 3 s ago on it.
    file = call_file(path, began=5000.0 - 3.0, is_continued=True)
    file.open()
    file.write(speech(5000.0, 1.5))
    file.finish(speech(5001.5, 0.5))
    assert file.close() == pytest.approx(5.0, abs=0.03)
    with wave.open(str(path)) as read:
        samples = array("h", read.readframes(read.getnframes()))
    for side in (0, 1):
        begins, ends = silence_s(samples[side::2][: round(4.9 * RATE)])
        assert begins == pytest.approx(2.0, abs=0.03)
        assert ends == pytest.approx(3.0, abs=0.03)


def test_what_comes_before_the_first_process_has_closed_the_file_waits_for_that(tmp_path: Path):
    path = tmp_path / "call.wav.part"
    before = first_half(path)
    file = call_file(path, began=98.0, is_continued=True)
    file.open()
    assert file.is_foreign
    file.write(speech(100.0, 1.0))
    before.close()
    file.write(speech(101.0, 1.0))
    assert not file.is_foreign
    file.finish(speech(102.0, 0.5))
    assert file.close() == pytest.approx(4.5, abs=0.03)


def test_a_file_that_is_never_let_go_ends_the_recording_and_is_not_touched(tmp_path: Path):
    path = tmp_path / "call.wav.part"
    before = first_half(path)
    size = path.stat().st_size
    file = call_file(path, began=98.0, is_continued=True)
    file.open()
    for number in range(MOST_HELD):
        file.write(speech(100.0 + number, 1.0))
    with pytest.raises(OSError, match="another process"):
        file.write(speech(100.0 + MOST_HELD, 1.0))
    assert file.close() == 0.0
    assert file.is_foreign
    assert path.stat().st_size == size
    before.close()


def test_a_recording_of_another_form_is_refused(tmp_path: Path):
    path = tmp_path / "call.wav.part"
    first_half(path).close()
    for more in ({"sample_rate": 16_000}, {"layout": "mono"}):
        file = call_file(path, began=98.0, is_continued=True, **more)
        with pytest.raises(UsageError):
            file.open()
        assert file.close() == pytest.approx(2.0, abs=0.03), "what there is stays"
