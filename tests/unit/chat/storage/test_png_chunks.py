import io
import struct
import zlib

import pytest
from PIL import Image

from vox.chat.storage.png_chunks import without_texts


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes) -> bytes:
    out = io.BytesIO()
    Image.new("L", (3, 2), 7).save(out, "PNG")
    plain = out.getvalue()
    return plain[:33] + b"".join(chunks) + plain[33:]


LARGE = zlib.compress(bytes(2 << 20))


@pytest.mark.parametrize(
    "extra",
    [
        [chunk(b"zTXt", b"XML\0\0" + LARGE)],
        [chunk(b"iTXt", b"XML\0\1\0\0\0" + LARGE)],
        [chunk(b"tEXt", b"a\0b"), chunk(b"zTXt", b"XML\0\0" + LARGE)],
        [chunk(b"iCCP", b"p\0\0" + LARGE)],
        [chunk(b"iCCP", b"p\0\0no zlib")],
    ],
)
def test_texts_and_large_profiles_are_left_out(extra: list[bytes]):
    with without_texts(io.BytesIO(png(*extra)), 1000) as found:
        assert found.read() == png()


def test_what_has_none_is_not_copied():
    for content in (png(), png(chunk(b"iCCP", b"p\0\0" + zlib.compress(b"small"))), b"no picture", b""):
        source = io.BytesIO(content)
        assert without_texts(source, 1000) is source
        assert source.tell() == 0


def test_what_ends_in_a_chunk_is_copied_to_its_end():
    cut = png(chunk(b"tEXt", b"a\0b"))[:-5]
    with without_texts(io.BytesIO(cut), 1000) as found:
        assert found.read() == png()[:-5]
