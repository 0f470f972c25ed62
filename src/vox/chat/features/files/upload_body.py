"""Receives a form with a file: counted while it arrives, on the disk where it is large, never whole in memory.

Before changing it: the type that a client states counts only where the bytes of the file do not identify one, and everything a
sender can do is bounded: how long it may be silent, how slowly it may send, how much, in how many parts.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final, Literal, cast

from vox.chat.api.request import Call
from vox.chat.errors import Refusal, refuse
from vox.chat.features.files.filenames import OCTETS, clean_mime, clean_name
from vox.chat.features.files.mime_sniffing import SNIFFED_BYTES, sniff
from vox.chat.features.files.multipart import MAX_OUTSIDE_BYTES, FileStarts, FormReader
from vox.chat.storage.images import FORMATS
from vox.providers.storage.contract import CHUNK_BYTES
from vox.providers.storage.threads import in_thread

IN_MEMORY_BYTES: Final = 262_144
"""Of one upload; a larger one goes to a temporary file."""
GRACE_S: Final = 30.0
SLOWEST_BYTES_PER_S: Final = 2048
"""A sender that is slower than this after the time of grace is given up: slow bodies are an attack, and 16 kbit/s is no network."""

Kind = Literal["file", "emoji", "sticker"]


@dataclass(slots=True)
class ReceivedUpload:
    """A file that has arrived completely.

    Args:
        name: for showing.
        mime: by its bytes, else as the client states it.
        size: in bytes.
        body: its content, from the beginning.
        width: in pixels, where it is a picture that was decoded; else None.
        height: the same.
        fields: the other fields of the form.
    """

    name: str
    mime: str
    size: int
    body: BinaryIO
    width: int | None
    height: int | None
    fields: dict[str, str]

    async def pieces(self) -> AsyncIterator[bytes]:
        """The content in pieces, from the beginning; read in threads."""
        await in_thread(partial(self.body.seek, 0))
        while piece := await in_thread(partial(self.body.read, CHUNK_BYTES)):
            yield piece


@asynccontextmanager
async def receive_upload(
    call: Call[Any, Any], *, field: str, kind: Kind, max_bytes: int, too_large: str = "FILE_TOO_LARGE"
) -> AsyncGenerator[ReceivedUpload, None]:
    """The file of a request; its content is deleted when the block ends.

    Args:
        call: the request, whose body has not been read.
        field: name of the form's field with the file.
        kind: decides which types are allowed.
        max_bytes: of the file, also of a picture after it was re-encoded.
        too_large: the error code of a file with more.

    Raises:
        Refusal: FILE_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, VALIDATION_ERROR (with status 408 where the sender is too slow),
            UNAVAILABLE, RATE_LIMITED.
    """
    limits = call.chat.upload_limits
    stated = call.header(b"content-length")
    if stated.isascii() and stated.isdigit() and int(stated[:19]) > max_bytes + MAX_OUTSIDE_BYTES:
        raise _too_large(max_bytes, too_large)
    with (
        limits.upload_slot(call.user_id),
        _spool(limits.spool_folder) as spool,
        _spool(limits.spool_folder) as reencoded,
    ):
        reader = FormReader(call.header(b"content-type"), field)
        starts, size, head = await _spooled(call, reader, spool, max_bytes, too_large)
        shown = reader.fields.get("name", "") if kind == "file" else ""
        name = clean_name(shown or starts.filename)
        mime = _allowed(call, kind, sniff(head) or _stated_mime(kind, reader, starts))
        file = ReceivedUpload(name, mime, size, spool, None, None, reader.fields)
        if mime in FORMATS:
            try:
                await _reencode(call, file, reencoded, max_bytes, too_large)
            except Refusal as refusal:
                if kind != "file" or not _may_stay(call, refusal, too_large):
                    raise
                file.mime = OCTETS  # kept as it is, and therefore not as a picture, which clients would show
        yield file


async def _reencode(call: Call[Any, Any], file: ReceivedUpload, out: BinaryIO, max_bytes: int, too_large: str) -> None:
    """Re-encodes a picture and puts that in the place of the upload; leaves what no decoder recognises."""
    source = file.body
    await in_thread(partial(source.seek, 0))
    dimensions = await call.chat.upload_limits.reencode(source, file.mime, out, call.user_id)
    if dimensions is None:
        return
    size = out.tell()
    if size > max_bytes:
        raise _too_large(max_bytes, too_large)
    file.body, file.size, file.width, file.height = out, size, dimensions.width, dimensions.height


def _may_stay(call: Call[Any, Any], refusal: Refusal, too_large: str) -> bool:
    """Whether a picture that was refused for what it is may be kept as a file of no particular type."""
    return refusal.wire_code in {
        "UNSUPPORTED_MEDIA_TYPE",
        "FILE_TOO_LARGE",
        too_large,
    } and call.chat.config.allows_mime("file", OCTETS)


async def _spooled(
    call: Call[Any, Any], reader: FormReader, spool: BinaryIO, max_bytes: int, too_large: str
) -> tuple[FileStarts, int, bytes]:
    """Reads the request to its end; returns what the client states about the file, its size and its first bytes."""
    starts, size, head = FileStarts("", ""), 0, b""
    loop = asyncio.get_running_loop()
    began_s, arrived = loop.time(), 0
    try:
        async with asyncio.timeout(GRACE_S) as deadline:
            async for data in call.stream():
                arrived += len(data)
                deadline.reschedule(began_s + GRACE_S + arrived / SLOWEST_BYTES_PER_S)
                for event in reader.receive(data):
                    if isinstance(event, FileStarts):
                        starts = event
                        continue
                    size += len(event)
                    if size > max_bytes:
                        raise _too_large(max_bytes, too_large)
                    if len(head) < SNIFFED_BYTES:
                        head += event[: SNIFFED_BYTES - len(head)]
                    await _write(spool, event, size)
    except TimeoutError:
        raise refuse("VALIDATION_ERROR", "You are sending the request body too slowly.", status=408) from None
    reader.finish()
    return starts, size, head


async def _write(spool: BinaryIO, piece: bytes, size: int) -> None:
    if size <= IN_MEMORY_BYTES:
        spool.write(piece)
    else:
        await in_thread(partial(spool.write, piece))


def _spool(folder: str | None) -> BinaryIO:
    """A temporary file without a name, in memory as long as it is small."""
    spool = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=folder)  # noqa: SIM115  closed by the caller's block
    return cast("BinaryIO", spool)


def _stated_mime(kind: Kind, reader: FormReader, starts: FileStarts) -> str:
    """The type that the client states, which does not count for emoji and stickers."""
    if kind != "file":
        return OCTETS
    return clean_mime(reader.fields.get("mime", "")) or clean_mime(starts.content_type) or OCTETS


def _allowed(call: Call[Any, Any], kind: Kind, mime: str) -> str:
    config = call.chat.config
    if mime == "image/apng" and config.allows_mime(kind, "image/png"):
        return "image/png"  # it is a PNG as well, and clients know that type
    if not config.allows_mime(kind, mime):
        raise refuse("UNSUPPORTED_MEDIA_TYPE", f"This server does not accept files of the type {mime}.")
    return mime


def _too_large(max_bytes: int, code: str) -> Refusal:
    return refuse(code, f"A file has at most {max_bytes} bytes.")
