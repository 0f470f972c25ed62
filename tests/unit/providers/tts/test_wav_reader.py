"""Speech out of WAV files that arrive in pieces."""

import io
import struct
import wave
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.openai_server import wav_head
from vox.errors import DependencyError
from vox.providers.tts._wav import WavReader


def wav(pcm: bytes, channels: int = 1, width: int = 2, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(pcm)
    return file.getvalue()


@given(st.binary(max_size=300).map(lambda pcm: pcm[: len(pcm) & ~1]), st.integers(1, 70), st.booleans())
def test_the_audio_comes_out_however_the_file_is_cut(pcm, size, is_streamed):
    file = wav_head(len(pcm)) + pcm if is_streamed else wav(pcm)
    reader = WavReader()
    assert b"".join(reader.feed(file[start : start + size]) for start in range(0, len(file), size)) == pcm
    assert reader.sample_rate == (24_000 if is_streamed else 16_000)


@pytest.mark.parametrize(
    "file",
    [
        b"ID3\x04" + bytes(20),
        wav(bytes(8), channels=2),
        wav(bytes(8), width=1),
        b"RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00",
        b"RIFF\x00\x00\x00\x00WAVE" + struct.pack("<4sI", b"LIST", 1 << 30),
        b"RIFF\x00\x00\x00\x00WAVE" + struct.pack("<4sI", b"fmt ", 4) + bytes(4) + bytes(8),
    ],
)
def test_what_is_no_speech_is_refused(file):
    with pytest.raises(DependencyError) as caught:
        WavReader().feed(file)
    assert caught.value.code == "provider_bad_audio"


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for(data):
    with suppress(DependencyError):
        assert len(WavReader().feed(b"RIFF\x00\x00\x00\x00WAVE" + data)) <= len(data)
