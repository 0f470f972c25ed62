"""The response to a download: headers, and the bytes as a stream.

A download is an attachment with its stored type, which browsers must not sniff and open in a sandbox if at all. Only a signed
link shows inline, and only media that cannot carry scripts.
"""

from collections.abc import AsyncGenerator
from typing import Final

from vox.chat.features.files.filenames import disposition
from vox.chat.features.files.http_range import Span
from vox.chat.features.files.stored_files import StoredFile
from vox.chat.storage.images import FORMATS
from vox.providers.storage.contract import Storage

INLINE_MEDIA: Final = frozenset({
    "audio/mpeg", "audio/ogg", "audio/wav", "audio/flac", "audio/mp4", "audio/webm",
    "video/mp4", "video/webm", "video/ogg", "video/quicktime",
})  # fmt: skip
"""Besides decoded pictures: what a signed link may show inline."""


def response_headers(file: StoredFile, *, is_inline: bool) -> dict[str, str]:
    """The headers of a download."""
    return {
        "content-type": file.mime,
        "content-disposition": disposition(file.name, is_inline=is_inline),
        "content-security-policy": "default-src 'none'; sandbox",
        "etag": f'"{file.id}"',
        "accept-ranges": "bytes",
    }


def shows_inline(file: StoredFile) -> bool:
    """Whether a browser may show a file in a page: decoded pictures, audio and video."""
    return (file.mime in FORMATS and file.width is not None) or file.mime in INLINE_MEDIA


async def pieces_of(storage: Storage, file: StoredFile, span: Span) -> AsyncGenerator[bytes, None]:
    """The bytes of a range, in pieces."""
    if span.start == span.end:
        return
    async for piece in storage.open(file.key, span.start, span.end):
        yield piece


async def from_first(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """A stream whose first piece has been read already."""
    if first:
        yield first
    async for piece in rest:
        yield piece


async def no_bytes() -> AsyncGenerator[bytes, None]:
    """The empty stream, for HEAD."""
    return
    yield b""
