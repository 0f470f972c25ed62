import struct

import numpy as np
import pytest

from tests.unit.clients.fake_agent import tone
from vox.clients.audio_files import Recording, parse_wav, read_wav, sample_question, write_wav
from vox.errors import UsageError
from vox.media.g711 import alaw_encode, mulaw_decode, mulaw_encode
from vox.media.levels import rms


def wav(data, *, encoding=1, channels=1, rate=8000, bits=16, before=b""):
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", encoding, channels, rate, rate * block, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + before + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def samples(recording):
    return np.frombuffer(recording.pcm, "<i2")


PCM = tone(0.1)


def test_a_written_file_reads_back_with_both_voices_mixed(tmp_path):
    file = tmp_path / "call.wav"
    write_wav(file, (PCM, PCM[: len(PCM) // 2]), 8000)
    heard = read_wav(file)
    assert heard.sample_rate == 8000
    whole, half = np.frombuffer(PCM, "<i2"), len(PCM) // 4
    assert np.abs(samples(heard)[:half] - whole[:half]).max() <= 1
    assert np.abs(samples(heard)[half:] - whole[half:] / 2).max() <= 1


def test_telephone_encodings_are_read():
    assert parse_wav(wav(mulaw_encode(PCM), encoding=7, bits=8), "a").pcm == mulaw_decode(mulaw_encode(PCM))
    difference = samples(parse_wav(wav(alaw_encode(PCM), encoding=6, bits=8), "a")) - np.frombuffer(PCM, "<i2")
    assert np.abs(difference).max() < 400


def test_other_sample_sizes_keep_the_sound():
    wanted = np.frombuffer(PCM, "<i2")
    floats = (wanted / 32768).astype("<f4").tobytes()
    assert np.abs(samples(parse_wav(wav(floats, encoding=3, bits=32), "a")) - wanted).max() <= 2
    wide = (wanted.astype("<i4") << 16).tobytes()
    assert parse_wav(wav(wide, bits=32), "a").pcm == PCM
    three = b"".join(b"\x7f" + PCM[at : at + 2] for at in range(0, len(PCM), 2))
    assert parse_wav(wav(three, bits=24), "a").pcm == PCM
    narrow = ((wanted >> 8) + 128).astype(np.uint8).tobytes()
    assert np.abs(samples(parse_wav(wav(narrow, bits=8), "a")) - wanted).max() < 256


def test_unknown_chunks_are_skipped():
    assert parse_wav(wav(PCM, before=b"LIST" + struct.pack("<I", 3) + b"abc\0"), "a").pcm == PCM


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"not a wave file at all", wav(PCM, encoding=2), b"RIFF\0\0\0\0WAVE", wav(PCM)[:30]]
)
def test_what_is_not_speech_is_refused_by_name(content):
    with pytest.raises(UsageError) as error:
        parse_wav(content, "question.wav")
    assert error.value.code == "bad_audio_file"
    assert "question.wav" in str(error.value)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.wav"):
        read_wav(tmp_path / "nowhere.wav")


def test_the_sample_question_is_speech_of_the_documented_length():
    question = sample_question()
    assert 3.4 < question.duration_s < 3.6
    assert rms(question.pcm) > 0.02
    assert 3.4 < question.at(8000).duration_s < 3.6


def test_resampling_keeps_length_and_level():
    speech = Recording(tone(0.5, 16000), 16000).at(8000)
    assert speech.duration_s == pytest.approx(0.5, abs=0.002)
    assert rms(speech.pcm) == pytest.approx(rms(tone(0.5, 16000)), rel=0.05)


def test_a_recording_that_cannot_be_written_is_said_in_words(tmp_path):
    with pytest.raises(UsageError, match="cannot write") as caught:
        write_wav(tmp_path, [PCM], 8000)
    assert caught.value.code == "bad_audio_file"
