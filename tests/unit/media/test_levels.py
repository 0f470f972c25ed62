import struct
from array import array

import pytest

from tests.unit.media.speech import silence, sine
from vox.media import levels


def test_full_scale_square_and_sine():
    square = struct.pack("<4h", -32768, 32767, -32768, 32767)
    assert levels.rms(square) == pytest.approx(1.0, abs=1e-4)
    assert levels.dbfs(levels.rms(sine(8000, 1.0, amplitude=32767))) == pytest.approx(-3.01, abs=0.01)
    assert levels.peak(sine(8000, 1.0, amplitude=16384)) == pytest.approx(0.5, abs=1e-3)


def test_silence_has_a_floor():
    for pcm in (b"", silence(8000, 0.1)):
        assert levels.rms(pcm) == 0.0
        assert levels.dbfs(levels.rms(pcm)) == -120.0
        assert levels.loudness(pcm) == 0.0


@pytest.mark.parametrize(
    ("decibels", "loudness"), [(-120, 0.0), (-110, 0.0), (-60, 0.5), (-30, 0.8), (-10, 1.0), (0, 1.0)]
)
def test_loudness_maps_110_to_10_decibels_below_full_scale(decibels, loudness):
    assert levels.loudness_of(10 ** (decibels / 20)) == pytest.approx(loudness)


def test_amplified_audio_is_cut_off_at_full_scale():
    assert array("h", levels.amplified(array("h", [100, -20_000, 0]).tobytes(), 2.0)).tolist() == [200, -32_768, 0]
