"""Turns a recording into Opus in Ogg, a tenth of the size, with the codec that PyAV (extra `opus`) brings along.

A call is written as WAV and encoded once it is over: that costs no call any time, and a crash leaves a file that is easy to repair.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from vox.errors import UsageError
from vox.media.recording import wav

RATES: Final = (8000, 12_000, 16_000, 24_000, 48_000)
"""What Opus takes; each rate of a recording is one of them, or is converted to the highest."""
BITS_PER_CHANNEL: Final = 24_000
"""A second; speech is transparent to most listeners there."""
_CHUNK_FRAMES: Final = 48_000


def check_installed() -> None:
    """Returns where recordings can be encoded.

    Raises:
        UsageError: `provider_not_installed`.
    """
    if find_spec("av") is None:
        raise UsageError(
            "recordings in Opus need 'av', which is not installed",
            code="provider_not_installed",
            hint="run `make setup`, or `pip install '.[opus]'` in a checkout of Vox, or set recording.format to wav",
        )


def encode_ogg_opus(source: Path, target: Path) -> None:
    """Encodes a WAV file of ours, a second at a time; an earlier file of that name is replaced. Blocks.

    Raises:
        UsageError: `not_a_recording`.
        OSError: a file cannot be read or written.
    """
    av: Any = import_module("av")  # an extra, and a part of its types is unknown
    with source.open("rb") as file:
        sample_rate, channels = wav.parse_header(file.read(wav.HEADER_BYTES))
        layout = "stereo" if channels == 2 else "mono"  # noqa: PLR2004  what stereo means
        with av.open(str(target), "w", format="ogg") as container:
            stream = container.add_stream("libopus", rate=sample_rate if sample_rate in RATES else RATES[-1])
            stream.layout = layout
            stream.bit_rate = BITS_PER_CHANNEL * channels
            stream.options = {"application": "voip"}
            position = 0
            while chunk := file.read(_CHUNK_FRAMES * 2 * channels):
                samples = np.frombuffer(chunk[: len(chunk) // (2 * channels) * 2 * channels], "<i2").reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
                frame.sample_rate, frame.pts = sample_rate, position
                position += frame.samples
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
