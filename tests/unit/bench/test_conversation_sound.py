import numpy as np
import pytest
from bench.conversation.sound import SPEECH_LEVEL, add_noise, cough, joined, pink_noise, prepared

from vox.clients.audio_files import Recording
from vox.clients.carrier_lines import open_line
from vox.media.levels import rms
from vox.protocols import agent_protobuf
from vox.protocols.pipecat_frames import AudioRawFrame

RATE = 16_000


def tone(seconds, level):
    return (level * 32767 * np.sin(np.arange(int(seconds * RATE)) / 5)).astype("<i2").tobytes()


def test_speech_loses_the_silence_around_it_and_gets_the_common_level():
    made = prepared(Recording(bytes(RATE) + tone(1.0, 0.5) + bytes(RATE), RATE))
    assert made.duration_s == pytest.approx(1.0, abs=0.05)
    assert rms(made.pcm) == pytest.approx(SPEECH_LEVEL, rel=0.05)


def test_silence_stays_what_it_is():
    assert prepared(Recording(bytes(RATE), RATE)).pcm == bytes(RATE)


def test_a_pause_stands_between_two_recordings():
    whole = joined(Recording(tone(0.5, 0.2), RATE), 0.7, Recording(tone(0.25, 0.2), RATE))
    assert whole.duration_s == pytest.approx(1.45, abs=0.001)
    assert rms(whole.pcm[int(0.55 * RATE) * 2 : int(1.15 * RATE) * 2]) == 0


def test_noise_is_twenty_decibels_under_the_speech_and_the_same_for_a_seed():
    assert rms(pink_noise(RATE, 1)) == pytest.approx(SPEECH_LEVEL / 10, rel=0.02)
    assert pink_noise(RATE, 1) == pink_noise(RATE, 1) != pink_noise(RATE, 2)


def test_a_cough_has_its_length_and_is_the_same_for_a_seed():
    assert cough(0.25, 3).duration_s == pytest.approx(0.25)
    assert rms(cough(0.25, 3).pcm) > SPEECH_LEVEL
    assert cough(0.25, 3) == cough(0.25, 3) != cough(0.25, 4)


def test_a_noisy_line_is_never_silent():
    line = open_line("protobuf")
    add_noise(line, pink_noise(RATE, 1))
    frame = agent_protobuf.decode_server_message(line.audio(bytes(640), timestamp_ms=0))
    assert isinstance(frame, AudioRawFrame)
    assert rms(frame.audio) > 0
