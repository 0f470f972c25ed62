"""What is done to a run's audio: silence, level, ends. What listeners would notice is a click, clipping, or a jump in level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.tts import _kokoro_audio as audio

RATE = audio.SAMPLE_RATE


def tone(amplitude: float, seconds: float = 0.5, before_s: float = 0.33, after_s: float = 0.5) -> audio.Floats:
    """A run as the model gives it: a tone that begins and ends at full height, with silence around it."""
    body = amplitude * np.cos(np.arange(int(seconds * RATE)) * 2 * np.pi * 200 / RATE)
    return np.concatenate([np.zeros(int(before_s * RATE)), body, np.zeros(int(after_s * RATE))]).astype(np.float32)


def test_the_silence_around_the_speech_goes():
    clip = audio.finish(tone(0.3), 1.0, "")
    assert 0.5 < len(clip.samples) / RATE < 0.6
    assert clip.speech_begins_s < 0.03
    assert clip.speech_ends_s == pytest.approx(len(clip.samples) / RATE)


@pytest.mark.parametrize(("mark", "pause_s"), [("", 0.0), (",", 0.12), (".", 0.3), ("?", 0.3), ("…", 0.35)])
def test_the_punctuation_sets_the_pause(mark, pause_s):
    clip = audio.finish(tone(0.3), 1.0, mark)
    assert len(clip.samples) / RATE - clip.speech_ends_s == pytest.approx(pause_s, abs=0.001)
    assert not clip.samples[round(clip.speech_ends_s * RATE) :].any()


def test_the_gain_is_applied_and_never_clips():
    assert np.abs(audio.finish(tone(0.2), 2.0, "").samples).max() == pytest.approx(0.4, rel=0.02)
    assert np.abs(audio.finish(tone(0.8), 4.0, "").samples).max() == pytest.approx(audio.PEAK, rel=0.01)


@given(st.floats(0.01, 1.5), st.floats(0.02, 0.4), st.floats(0.0, 0.2), st.sampled_from(["", ",", "."]))
def test_joints_do_not_click(amplitude, seconds, silence_s, mark):
    clip = audio.finish(tone(amplitude, seconds, silence_s, silence_s), 1.0, mark)
    steps = np.abs(np.diff(np.concatenate([clip.samples, clip.samples])))
    at = len(clip.samples)
    assert steps[at - 3 : at + 3].max() <= 0.001, "nothing is heard where one run meets the next"


@given(st.floats(0.01, 1.5), st.floats(0.05, 0.4))
def test_speech_that_fills_the_run_is_faded_at_both_ends(amplitude, seconds):
    clip = audio.finish(tone(amplitude, seconds, 0.0, 0.0), 1.0, "")
    of_tone = min(amplitude, audio.PEAK) * 2 * np.pi * 200 / RATE
    assert np.abs(np.diff(clip.samples, prepend=0.0, append=0.0)).max() <= of_tone * 1.6


def test_nothing_audible_is_nothing():
    clip = audio.finish(np.full(RATE, 0.0005, np.float32), 1.0, ".")
    assert len(clip.samples) == 0


def test_the_level_of_speech_does_not_count_its_pauses():
    speech = np.concatenate([tone(0.2, 1.0, 0, 0), np.zeros(3 * RATE), tone(0.2, 1.0, 0, 0)]).astype(np.float32)
    assert audio.active_dbfs(speech) == pytest.approx(20 * np.log10(0.2 / np.sqrt(2)), abs=0.1)
    assert audio.active_dbfs(np.zeros(RATE, np.float32)) == -120.0


def test_samples_become_bytes_at_both_ends_of_the_scale():
    assert audio.pcm(np.array([0.0, 1.0, -1.0, 2.0], np.float32)) == b"\x00\x00\xff\x7f\x01\x80\xff\x7f"
