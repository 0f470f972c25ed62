"""How loud audio is: root mean square, decibels below full scale, and a loudness between 0 and 1.

Full scale is 32768, so a square wave at full scale has 0 dBFS and a sine -3.01 dBFS.
"""

import audioop
import math

FULL_SCALE = 32768.0
SILENCE_DBFS = -120.0  # stands for minus infinity; a single count of 16 bits is -90 dBFS
QUIETEST_DB = -110.0  # the range that Pipecat maps to 0…1, so that a volume tuned there means the same here
LOUDEST_DB = -10.0


def rms(pcm: bytes) -> float:
    """The root mean square of s16le samples as a share of full scale, 0 to 1; 0 for no samples."""
    return audioop.rms(pcm, 2) / FULL_SCALE


def peak(pcm: bytes) -> float:
    """The largest magnitude among s16le samples as a share of full scale, 0 to 1."""
    return audioop.max(pcm, 2) / FULL_SCALE


def amplified(pcm: bytes, factor: float) -> bytes:
    """s16le samples times a factor; what would exceed full scale is cut off there."""
    return audioop.mul(pcm, 2, factor)


def dbfs(level: float) -> float:
    """Decibels relative to full scale of a level between 0 and 1; silence is -120."""
    return max(20.0 * math.log10(level), SILENCE_DBFS) if level > 0.0 else SILENCE_DBFS


def loudness(pcm: bytes) -> float:
    """Loudness from 0 to 1: -110 dBFS and below is 0, -10 dBFS and above is 1, linear in decibels between."""
    return loudness_of(rms(pcm))


def loudness_of(level: float) -> float:
    """The loudness (0 to 1) of a root mean square level (0 to 1)."""
    share = (dbfs(level) - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB)
    return min(max(share, 0.0), 1.0)
