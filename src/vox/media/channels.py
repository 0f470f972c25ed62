"""Makes one channel of several: everything behind the transports is mono."""

import numpy as np

from vox.errors import UsageError


def mono(pcm: bytes, channels: int) -> bytes:
    """The mean of interleaved s16le channels.

    Raises:
        UsageError: the audio does not consist of whole frames of so many samples.
    """
    if channels == 1:
        return pcm
    if channels < 1 or len(pcm) % (2 * channels):
        raise UsageError(
            f"{len(pcm)} bytes are not whole frames of {channels} channels of 16 bits",
            code="odd_audio_length",
            hint="send interleaved 16-bit samples, all channels of a moment together",
        )
    frames = np.frombuffer(pcm, "<i2").reshape(-1, channels)
    return frames.mean(axis=1).astype("<i2").tobytes()
