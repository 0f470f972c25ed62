"""WAV files of 16-bit samples that are written as a call goes on, and repaired where the writer was killed.

The header stands first with sizes of zero and gets the true ones at the end, so a file is never held in memory; one whose
writer ended without a word has all its audio, and `repair` needs only its length.
"""

import os
import struct
from typing import BinaryIO, Final

from vox.errors import UsageError

HEADER_BYTES: Final = 44
_LARGEST: Final = 0xFFFF_FFFF
"""Sizes have 32 bits; of a longer file they say this, and players read to its end."""
_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")


def header(sample_rate: int, channels: int, data_bytes: int = 0) -> bytes:
    """The 44 bytes before the audio."""
    block = 2 * channels
    riff_bytes = min(data_bytes + HEADER_BYTES - 8, _LARGEST)
    format_chunk = (b"fmt ", 16, 1, channels, sample_rate, sample_rate * block, block, 16)
    return _HEADER.pack(b"RIFF", riff_bytes, b"WAVE", *format_chunk, b"data", min(data_bytes, _LARGEST))


def parse_header(start: bytes) -> tuple[int, int]:
    """Sample rate and channels of a file of ours.

    Raises:
        UsageError: `not_a_recording`.
    """
    if len(start) >= HEADER_BYTES:
        riff, _, wave, fmt, _, kind, channels, sample_rate, _, block, bits, data, _ = _HEADER.unpack_from(start)
        is_ours = (riff, wave, fmt, kind, bits, data) == (b"RIFF", b"WAVE", b"fmt ", 1, 16, b"data")
        if is_ours and channels and sample_rate and block == 2 * channels:
            return sample_rate, channels
    raise UsageError("the file is no WAV file of 16-bit samples", code="not_a_recording")


def samples(file: BinaryIO, sample_rate: int, channels: int) -> int:
    """How many samples of each channel a file has, which goes on where it ends; half a sample at the end is cut off.

    Args:
        file: open for reading and writing; it is left at its end.
        sample_rate: that it must have.
        channels: that it must have.

    Raises:
        UsageError: `not_a_recording`, also where it has another rate or other channels.
    """
    file.seek(0)
    if parse_header(file.read(HEADER_BYTES)) != (sample_rate, channels):
        raise UsageError("the recording has another form than its call", code="not_a_recording")
    block = 2 * channels
    count = (file.seek(0, os.SEEK_END) - HEADER_BYTES) // block
    file.truncate(HEADER_BYTES + count * block)
    file.seek(0, os.SEEK_END)
    return count


def repair(file: BinaryIO) -> float:
    """Makes the header agree with the file's length, cuts off half a sample, and returns the length in seconds.

    Args:
        file: open for reading and writing.

    Raises:
        UsageError: `not_a_recording`.
    """
    file.seek(0)
    sample_rate, channels = parse_header(file.read(HEADER_BYTES))
    block = 2 * channels
    blocks = (file.seek(0, os.SEEK_END) - HEADER_BYTES) // block
    file.truncate(HEADER_BYTES + blocks * block)
    file.seek(0)
    file.write(header(sample_rate, channels, blocks * block))
    file.flush()
    return blocks / sample_rate
