"""Recordings in Opus, decoded again."""

import importlib.util
import math
from array import array
from pathlib import Path
from typing import Any

import pytest

from tests.require import require
from vox.errors import UsageError
from vox.media.recording import opus, wav
from vox.media.recording.opus import encode_ogg_opus


def tone(rate: int, channels: int, samples: int, hz: float = 440.0) -> bytes:
    return array(
        "h", [round(8000 * math.sin(2 * math.pi * hz * at / rate)) for at in range(samples) for _ in range(channels)]
    ).tobytes()


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 2), (24_000, 1), (44_100, 1)])
def test_it_is_as_long_and_has_the_channels(tmp_path: Path, rate: int, channels: int):
    require(importlib.util.find_spec("av") is not None, "PyAV", "pip install '.[opus]'")
    av: Any = importlib.import_module("av")
    samples = rate * 3 + 123
    source, target = tmp_path / "call.wav", tmp_path / "call.opus"
    source.write_bytes(wav.header(rate, channels, samples * 2 * channels) + tone(rate, channels, samples))
    target.write_bytes(b"of an earlier try")
    encode_ogg_opus(source, target)
    assert target.read_bytes()[:4] == b"OggS"
    assert target.stat().st_size < source.stat().st_size / 3
    with av.open(str(target)) as container:
        (stream,) = container.streams.audio
        assert stream.layout.nb_channels == channels
        decoded = sum(frame.samples for frame in container.decode(stream))
        assert decoded / stream.rate == pytest.approx(samples / rate, abs=0.001)


def test_what_is_no_recording_is_refused(tmp_path: Path):
    require(importlib.util.find_spec("av") is not None, "PyAV", "pip install '.[opus]'")
    (tmp_path / "call.wav").write_bytes(b"text")
    with pytest.raises(UsageError) as error:
        encode_ogg_opus(tmp_path / "call.wav", tmp_path / "call.opus")
    assert error.value.code == "not_a_recording"


def test_a_missing_library_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    def missing(_name: str) -> None:
        return None

    monkeypatch.setattr(opus, "find_spec", missing)
    with pytest.raises(UsageError) as error:
        opus.check_installed()
    assert error.value.code == "provider_not_installed"
    assert ".[opus]" in str(error.value)
