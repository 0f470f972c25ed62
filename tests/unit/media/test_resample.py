import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.speech import chunks, noise, recording, sine
from vox.errors import UsageError
from vox.media.resample import ZERO_CROSSINGS, Resampler, resample

RATES = [
    (8000, 16000),
    (16000, 8000),
    (24000, 8000),
    (48000, 16000),
    (16000, 48000),
    (22050, 8000),
    (44100, 16000),
    (11025, 24000),
]


def _samples(pcm):
    return np.frombuffer(pcm, np.int16).astype(float)


def _level(pcm, hz, rate):
    """Amplitude of one frequency, edges left out, and the RMS of all else."""
    samples = _samples(pcm)[500:-500]
    angles = 2 * np.pi * hz * np.arange(len(samples)) / rate
    basis = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    found, *_ = np.linalg.lstsq(basis, samples, rcond=None)
    return float(np.hypot(*found)), float((samples - basis @ found).std())


@pytest.mark.parametrize(("source", "target"), RATES)
@pytest.mark.parametrize("hz", [300, 1000, 3400])
def test_the_telephone_band_passes_unchanged(source, target, hz):
    amplitude, rest = _level(Resampler(source, target).process(sine(source, 1.0, hz=hz), last=True), hz, target)
    assert amplitude == pytest.approx(8000, rel=0.01)
    assert rest < 8000 / 1000  # -60 dB


@pytest.mark.parametrize(
    ("source", "target", "hz"), [(16000, 8000, 4200), (24000, 8000, 9000), (48000, 16000, 8400), (22050, 8000, 5000)]
)
def test_what_the_lower_rate_cannot_carry_is_removed(source, target, hz):
    assert np.abs(_samples(Resampler(source, target).process(sine(source, 1.0, hz=hz), last=True))[500:-500]).max() < 10


@pytest.mark.parametrize(("source", "target"), RATES)
def test_the_delay_is_constant_and_short(source, target):
    stream, taken, given_ = Resampler(source, target), 0, 0
    limit = ZERO_CROSSINGS / min(source, target) + 2 / target + 1 / source
    for chunk in chunks(noise(source, 1.0), source // 50 * 2):
        taken += len(chunk) // 2
        given_ += len(stream.process(chunk)) // 2
        assert -1 / source < taken / source - given_ / target < limit


@given(st.sampled_from(RATES), st.data())
def test_cutting_the_stream_anywhere_changes_nothing(rates, data):
    audio = noise(8000, 0.05, seed=data.draw(st.integers(0, 9)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(audio)), max_size=8)))
    whole = Resampler(*rates).process(audio, last=True)
    stream, pieces, place = Resampler(*rates), [], 0
    for cut in cuts:
        pieces.append(stream.process(audio[place:cut]))
        place = cut
    pieces += [stream.process(audio[place:]), stream.process(b"", last=True)]
    parted = b"".join(pieces)
    assert len(parted) == len(whole) == -(-len(audio) // 2 * rates[1] // rates[0]) * 2
    assert np.abs(_samples(parted) - _samples(whole)).max() <= 1  # rounding


def test_after_the_last_audio_a_stream_starts_anew():
    stream = Resampler(8000, 16000)
    first = stream.process(recording(8000), last=True)
    assert stream.process(recording(8000), last=True) == first


def test_equal_rates_pass_through():
    stream = Resampler(16000, 16000)
    assert stream.process(b"\x01\x02\x03") == b"\x01\x02\x03"
    assert stream.process(b"", last=True) == b""
    assert resample(b"\1\2", 8000, 8000) == b"\1\2"


def test_loud_audio_is_clipped_and_not_wrapped():
    square = np.repeat(np.tile(np.array([32767, -32768], np.int16), 50), 20).tobytes()
    converted = _samples(Resampler(8000, 16000).process(square, last=True))
    assert np.sign(converted[200:220]).tolist() == [np.sign(converted[210])] * 20


def test_state_stays_small_over_a_long_stream():
    stream = Resampler(24000, 8000)
    for chunk in chunks(noise(24000, 5.0), 960):
        stream.process(chunk)
    assert stream._tail.nbytes + len(stream._odd) < 2000


def test_a_clip_is_converted_whole():
    amplitude, rest = _level(resample(sine(22050, 1.0, hz=1000), 22050, 16000), 1000, 16000)
    assert amplitude == pytest.approx(8000, rel=0.001)
    assert rest < 8
    assert resample(b"", 8000, 16000) == b""


@pytest.mark.parametrize("rates", [(0, 8000), (8000, -1), (8000, 10**6)])
def test_rates_that_are_no_audio_are_refused(rates):
    for make in (lambda: Resampler(*rates), lambda: resample(b"", *rates)):
        with pytest.raises(UsageError) as caught:
            make()
        assert caught.value.code == "invalid_sample_rate"


def test_half_a_sample_of_a_clip_is_refused():
    with pytest.raises(UsageError) as caught:
        resample(b"\0", 8000, 16000)
    assert caught.value.code == "odd_audio_length"


@pytest.mark.parametrize(("from_hz", "to_hz"), [(48_000, 8000), (44_100, 16_000)])
def test_much_audio_in_one_message_needs_no_more_memory_than_a_few_copies_of_it(from_hz: int, to_hz: int):
    resampler = Resampler(from_hz, to_hz)
    pcm = bytes(2 * 10 * from_hz)
    tracemalloc.start()
    try:
        resampler.process(pcm)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(pcm)
