"""Against the formulas of G.711, written down here independently of any table."""

import struct
from math import floor, log2

import pytest

from vox.errors import UsageError
from vox.media import g711

SAMPLES = list(range(-32768, 32768))
PCM = struct.pack("<65536h", *SAMPLES)
CODES = bytes(range(256))


def _mulaw_value(code):
    code ^= 0xFF
    exponent, mantissa = code >> 4 & 7, code & 15
    magnitude = (((2 * mantissa + 33) << exponent) - 33) * 4  # 14 bits in the upper part of 16
    return -magnitude if code & 0x80 else magnitude


def _mulaw_code(sample):
    value = sample >> 2
    magnitude = min(abs(value), 8158) + 33
    exponent = floor(log2(magnitude)) - 5
    return (0x80 if value < 0 else 0) | exponent << 4 | (magnitude >> exponent + 1) & 15


def _alaw_value(code):
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    magnitude = (2 * mantissa + 1) * 8 if exponent == 0 else (2 * mantissa + 33) << exponent + 2
    return magnitude if code & 0x80 else -magnitude


def _alaw_code(sample):
    value = sample >> 3
    sign, magnitude = (0x80, value) if value >= 0 else (0, -value - 1)
    exponent = max(floor(log2(magnitude | 1)) - 4, 0)
    mantissa = magnitude >> (exponent or 1)
    return (sign | exponent << 4 | mantissa & 15) ^ 0x55


def test_every_mulaw_code_decodes_by_the_formula():
    assert struct.unpack("<256h", g711.mulaw_decode(CODES)) == tuple(map(_mulaw_value, CODES))


def test_every_alaw_code_decodes_by_the_formula():
    assert struct.unpack("<256h", g711.alaw_decode(CODES)) == tuple(map(_alaw_value, CODES))


def test_every_sample_encodes_to_mulaw_by_the_formula():
    assert g711.mulaw_encode(PCM) == bytes(_mulaw_code(sample) ^ 0xFF for sample in SAMPLES)


def test_every_sample_encodes_to_alaw_by_the_formula():
    assert g711.alaw_encode(PCM) == bytes(map(_alaw_code, SAMPLES))


@pytest.mark.parametrize(("law", "zero"), [("mulaw", 0x7F), ("alaw", None)])
def test_encoding_a_decoded_code_gives_the_code(law, zero):
    again = g711.encode(g711.decode(CODES, law), law)
    for code, back in enumerate(again):
        assert back == (0xFF if code == zero else code)  # µ-law has two zeros


def test_quantisation_errs_by_half_a_step_at_most():
    for sample in range(-32000, 32000, 7):
        (found,) = struct.unpack("<h", g711.mulaw_decode(g711.mulaw_encode(struct.pack("<h", sample))))
        exponent = floor(log2(min(abs(sample >> 2), 8158) + 33)) - 5
        assert abs(found - sample) <= (4 << exponent) + 8  # and what rounding down to 14 bits adds


@pytest.mark.parametrize("encoding", ["mulaw", "alaw", "s16le"])
def test_silence_is_silent_and_sizes_fit(encoding):
    unit = g711.silence(encoding)
    assert len(unit) == g711.sample_bytes(encoding)
    assert max(abs(value) for value in struct.unpack("<4h", g711.decode(unit * 4, encoding))) <= 8
    assert g711.encode(b"", encoding) == b""


@pytest.mark.parametrize("encoding", ["mulaw", "alaw", "s16le"])
def test_half_a_sample_is_refused(encoding):
    with pytest.raises(UsageError) as caught:
        g711.encode(b"\0\0\0", encoding)
    assert caught.value.code == "odd_audio_length"


def test_half_a_linear_sample_is_refused_on_the_way_in_too():
    with pytest.raises(UsageError):
        g711.decode(b"\0", "s16le")
