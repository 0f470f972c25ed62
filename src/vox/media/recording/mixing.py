"""Makes one stream of the two sides of a call: both in one channel, or the caller left and the agent right.

In one channel the samples are added, and a sum beyond full scale stays at it. The mean would halve the level of a voice that speaks
alone, which is nearly all of a call; two loud voices at once are rare, and clip less than they would be missed.
"""

import audioop
from typing import Literal

import numpy as np

Layout = Literal["mono", "stereo"]


def channels(layout: Layout) -> int:
    """How many channels a layout has."""
    return 2 if layout == "stereo" else 1


def joined(caller: bytes, agent: bytes, layout: Layout) -> bytes:
    """Both sides, s16le of equal length, in one stream."""
    if layout == "mono":
        return audioop.add(caller, agent, 2)
    frames = np.empty((len(caller) >> 1, 2), "<i2")
    frames[:, 0] = np.frombuffer(caller, "<i2")
    frames[:, 1] = np.frombuffer(agent, "<i2")
    return frames.tobytes()
