"""WAV files as other programs read them, and the repair of those whose writer was killed."""

import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import UsageError
from vox.media.recording import wav


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 2), (24_000, 1)])
def test_other_programs_read_it(rate: int, channels: int):
    samples = bytes(range(2 * channels)) * 100
    with wave.open(io.BytesIO(wav.header(rate, channels, len(samples)) + samples)) as read:
        assert (read.getframerate(), read.getnchannels(), read.getsampwidth()) == (rate, channels, 2)
        assert read.readframes(1000) == samples


@given(st.binary(max_size=200), st.sampled_from([1, 2]))
def test_a_file_without_sizes_is_repaired_to_whole_samples(audio: bytes, channels: int):
    file = io.BytesIO(wav.header(8000, channels) + audio)
    length = wav.repair(file)
    block = 2 * channels
    with wave.open(io.BytesIO(file.getvalue())) as read:
        assert read.readframes(1000) == audio[: len(audio) // block * block]
    assert length == len(audio) // block / 8000


def test_a_repaired_file_is_repaired_to_itself():
    file = io.BytesIO(wav.header(8000, 1, 4) + b"abcd")
    before = file.getvalue()
    wav.repair(file)
    assert file.getvalue() == before


@pytest.mark.parametrize("start", [b"", b"RIFF", b"x" * 44, wav.header(8000, 1)[:43], wav.header(0, 1), b"\0" * 100])
def test_what_is_no_recording_is_refused(start: bytes):
    with pytest.raises(UsageError) as error:
        wav.repair(io.BytesIO(start))
    assert error.value.code == "not_a_recording"


def test_a_file_longer_than_its_sizes_can_say_has_the_largest():
    assert wav.header(48_000, 2, 5_000_000_000)[-4:] == b"\xff\xff\xff\xff"
