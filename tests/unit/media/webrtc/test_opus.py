"""Opus through PyAV: what goes in comes out, at the other rate, and garbage costs no call."""

import contextlib

import numpy as np
import pytest

from tests.unit.media.speech import sine
from vox.errors import PeerError
from vox.media.webrtc.opus import OpusDecoder, OpusEncoder


def level(pcm: bytes) -> float:
    return float(np.sqrt(np.mean(np.frombuffer(pcm, np.int16).astype(float) ** 2)))


def test_a_tone_comes_back_at_the_other_rate():
    encoder, decoder = OpusEncoder(24_000), OpusDecoder(16_000)
    tone = sine(24_000, 1.0)
    packets = [encoder.encode(tone[at : at + 960]) for at in range(0, len(tone), 960)]
    assert all(0 < len(one) < 300 for one in packets)
    decoded = [decoder.decode(one) for one in packets]
    assert {ticks for _, ticks in decoded} == {960}
    heard = b"".join(pcm for pcm, _ in decoded)
    assert abs(len(heard) / 2 - 16_000) < 200
    assert level(heard[6400:]) == pytest.approx(level(tone), rel=0.1)


def test_silence_is_as_long_as_what_is_missing():
    decoder = OpusDecoder(16_000)
    decoder.silence(0.5)
    assert decoder.silence(0.1) == bytes(3200)
    assert decoder.decode(b"") == (b"", 0)


@pytest.mark.parametrize("payload", [b"\xff" * 40, b"\x03", b"\x03\xff\xff", bytes(range(200))])
def test_garbage_is_decoded_or_refused_and_the_next_packet_heard(payload: bytes):
    encoder, decoder = OpusEncoder(24_000), OpusDecoder(16_000)
    good = [encoder.encode(sine(24_000, 0.02)) for _ in range(3)]
    decoder.decode(good[0])
    with contextlib.suppress(PeerError):
        decoder.decode(payload)
    assert decoder.decode(good[1])[1] == 960
