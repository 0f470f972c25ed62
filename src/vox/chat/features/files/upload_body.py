"""Takes a form with a file off the wire: counted while it comes, on the disk where it is large, never whole in memory.

Before changing it: what a client says about a file is believed only where its bytes say nothing, and every end of the sender is
bounded: how long it may be silent, how slowly it may send, how much, in how many parts.
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
"""Of one upload; what is more goes to a temporary file."""
GRACE_S: Final = 30.0
SLOWEST_BYTES_PER_S: Final = 2048
"""A sender that stays below it for the time of grace is given up: slow bodies are an attack, and 16 kbit/s is no network."""

Kind = Literal["file", "emoji", "sticker"]


@dataclass(slots=True)
class ReceivedUpload:
    """A file that has arrived whole.

    Args:
        name: for showing.
        mime: by its bytes, else by the client's word.
        size: in bytes.
        body: its content, from the beginning.
        width: in pixels, where it is a picture that was decoded; None else.
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
    """The file of a request; its content is gone when the block ends.

    Args:
        call: the request, whose body nobody has read.
        field: name of the form's field with the file.
        kind: whose list of allowed types holds.
        max_bytes: of the file, also of what is written anew of it.
        too_large: the code of the refusal.

    Raises:
        Refusal: FILE_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, VALIDATION_ERROR (with status 408 where the sender is too slow),
            UNAVAILABLE, RATE_LIMITED.
    """
    desk = call.chat.upload_limits
    stated = call.header(b"content-length")
    if stated.isascii() and stated.isdigit() and int(stated[:19]) > max_bytes + MAX_OUTSIDE_BYTES:
        raise _too_large(max_bytes, too_large)
    with desk.upload_slot(call.user_id), _spool(desk.spool_folder) as spool, _spool(desk.spool_folder) as painted:
        reader = FormReader(call.header(b"content-type"), field)
        starts, size, head = await _spooled(call, reader, spool, max_bytes, too_large)
        shown = reader.fields.get("name", "") if kind == "file" else ""
        name = clean_name(shown or starts.filename)
        mime = _allowed(call, kind, sniff(head) or _stated_mime(kind, reader, starts))
        file = ReceivedUpload(name, mime, size, spool, None, None, reader.fields)
        if mime in FORMATS:
            await in_thread(partial(spool.seek, 0))
            dimensions = await desk.reencode(spool, mime, painted)
            if dimensions is not None:
                file.body, file.size = painted, painted.tell()
                file.width, file.height = dimensions.width, dimensions.height
                if file.size > max_bytes:
                    raise _too_large(max_bytes, too_large)
        yield file


async def _spooled(
    call: Call[Any, Any], reader: FormReader, spool: BinaryIO, max_bytes: int, too_large: str
) -> tuple[FileStarts, int, bytes]:
    """Reads the request to its end; gives what the client says of the file, its size and its first bytes."""
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
        raise refuse("VALIDATION_ERROR", "The body comes too slowly.", status=408) from None
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
    """What the client says; nothing it says makes an emoji of what is none."""
    if kind != "file":
        return OCTETS
    return clean_mime(reader.fields.get("mime", "")) or clean_mime(starts.content_type) or OCTETS


def _allowed(call: Call[Any, Any], kind: Kind, mime: str) -> str:
    config = call.chat.config
    if mime == "image/apng" and config.allows_mime(kind, "image/png"):
        return "image/png"  # it is one, and clients know that name
    if not config.allows_mime(kind, mime):
        raise refuse("UNSUPPORTED_MEDIA_TYPE", f"Files of the type {mime} are not taken here.")
    return mime


def _too_large(max_bytes: int, code: str) -> Refusal:
    return refuse(code, f"A file has at most {max_bytes} bytes.")
