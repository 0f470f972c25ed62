"""Bare samples come out of PCM and WAV however they are cut, and nothing that would be noise."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import DependencyError
from vox.providers.tts._pcm import PcmReader

AUDIO = bytes(range(1, 201))


def wav(audio: bytes, rate: int = 16_000) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 0, b"WAVE") + form + struct.pack("<4sI", b"data", len(audio)) + audio


def read(data: bytes, cuts: list[int], **options) -> bytes:
    reader = PcmReader("Acme", 16_000, **options)
    places = [0, *sorted(cuts), len(data)]
    pieces = [reader.feed(data[start:end]) for start, end in pairwise(places)]
    assert all(len(piece) % 2 == 0 for piece in pieces)
    return b"".join(pieces) + reader.finish()


CUTS = st.lists(st.integers(0, 244), max_size=12)


@given(CUTS)
def test_pcm_cut_anywhere(cuts):
    assert read(AUDIO, cuts) == AUDIO
    assert read(AUDIO + b"\x09", cuts) == AUDIO, "half a sample is none"


@given(CUTS, st.sampled_from(["pcm", "wav"]))
def test_wav_cut_anywhere(cuts, asked_for):
    assert read(wav(AUDIO), cuts, asked_for=asked_for) == AUDIO


def test_one_sample_is_speech_too():
    assert read(b"\x01\x02", []) == b"\x01\x02"


@pytest.mark.parametrize(
    ("head", "content_type", "name"),
    [
        (b"ID3\x04", "", "audio/mpeg"),
        (b"OggS", "", "audio/ogg"),
        (b"fLaC", "", "audio/flac"),
        (b"\xff\xfb\x90\x00", "audio/mpeg; rate=1", "audio/mpeg"),
    ],
)
def test_compressed_audio_is_refused_by_its_name(head, content_type, name):
    with pytest.raises(DependencyError, match=f"Acme sent {name}, not pcm") as caught:
        read(head + AUDIO, [], content_type=content_type)
    assert caught.value.code == "provider_bad_audio"


def test_loud_samples_are_no_mpeg_frame_without_its_type():
    assert read(b"\xff\xfb\x90\x00", [], content_type="audio/pcm") == b"\xff\xfb\x90\x00"


def test_another_rate_is_refused():
    with pytest.raises(DependencyError, match="8000 Hz, not 16000") as caught:
        read(wav(AUDIO, 8000), [])
    assert caught.value.hint == "set the option sample_rate to 8000"


def test_a_header_without_audio_is_refused():
    with pytest.raises(DependencyError, match="ends in its header"):
        read(wav(AUDIO)[:30], [])
