"""Small files of models that come with Vox, packed: read here and given back as the bytes that the catalogue's hash is of.

A voice of Kokoro is a table of 510 styles of 256 numbers that lie in twelve dimensions: two factors of 37 kB hold it to 0.00002,
instead of 522 kB. They are multiplied in a fixed order, so that the bytes are the same on every machine.
"""

import lzma
from importlib.resources import files

import numpy as np

from vox.providers.models.catalogue import Bundled

_STYLES = 510
_NUMBERS = 256


def read(source: Bundled) -> bytes:
    """The file's content, unpacked."""
    packed = files("vox.providers.models").joinpath("data", source.name).read_bytes()
    return lzma.decompress(packed) if source.packing == "xz" else _product(packed)


def _product(packed: bytes) -> bytes:
    numbers = np.frombuffer(packed, "<f4").astype(np.float64)
    rank = len(numbers) // (_STYLES + _NUMBERS)
    left, right = numbers[: _STYLES * rank].reshape(_STYLES, rank), numbers[_STYLES * rank :].reshape(rank, _NUMBERS)
    table = np.zeros((_STYLES, _NUMBERS))
    for number in range(rank):  # not `left @ right`, whose order of additions depends on the machine
        table += left[:, number, None] * right[number]
    return table.astype("<f4").tobytes()
