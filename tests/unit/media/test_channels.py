"""Several channels become one."""

import struct

import pytest

from vox.errors import UsageError
from vox.media.channels import mono


def test_two_channels_become_their_mean():
    assert mono(struct.pack("<4h", 100, 300, -32768, 32767), 2) == struct.pack("<2h", 200, 0)


def test_one_channel_stays_as_it_is():
    assert mono(b"\x01\x02", 1) == b"\x01\x02"


@pytest.mark.parametrize(("size", "channels"), [(6, 2), (4, 0), (4, -1)])
def test_torn_frames_are_refused(size: int, channels: int):
    with pytest.raises(UsageError) as refused:
        mono(bytes(size), channels)
    assert refused.value.code == "odd_audio_length"
