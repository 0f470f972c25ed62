"""Silence around an utterance is cut before it is decoded."""

import numpy as np

from vox.providers.stt._pocketsphinx_recogniser import trimmed

RATE = 16_000


def tone(seconds: float, level: int) -> bytes:
    return (np.sin(np.arange(int(seconds * RATE)) * 0.3) * level).astype("<i2").tobytes()


def test_a_tenth_of_a_second_stays_on_either_side():
    speech = tone(1.0, 5000)
    assert len(trimmed(bytes(RATE) + speech + bytes(RATE))) == len(speech) + 2 * 2 * RATE // 10


def test_a_quiet_line_counts_as_silence_and_quiet_speech_does_not():
    speech, noise = tone(1.0, 600), tone(1.0, 30)
    assert len(trimmed(noise + speech + noise)) == len(speech) + 2 * 2 * RATE // 10


def test_pauses_inside_stay():
    audio = tone(0.5, 5000) + bytes(RATE) + tone(0.5, 5000)
    assert trimmed(audio) == audio


def test_nothing_but_silence_and_next_to_nothing_stay_as_they_are():
    assert trimmed(bytes(RATE)) == bytes(RATE)
    assert trimmed(b"\x01\x02") == b"\x01\x02"
