"""Files: uploads, and downloads that are read as they arrive."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from vox.clients.chat.bound import Bound, bind
from vox.clients.chat.rest import Rest, segment
from vox.errors import UsageError

MAX_READ_BYTES: Final = 64 << 20
_CHUNK_BYTES: Final = 64 << 10


class File(Bound, kw_only=True):
    """A file on the server; also as an attachment of a message."""

    file_id: str
    name: str = ""
    size: int = 0
    mime: str = "application/octet-stream"
    url: str = ""
    uploader_id: int | None = None
    created_at: int | None = None
    width: int | None = None
    height: int | None = None

    async def read(self, *, max_bytes: int = MAX_READ_BYTES) -> bytes:
        """The whole file.

        Raises:
            UsageError: it is larger than `max_bytes`.
        """
        return b"".join([chunk async for chunk in self.chunks(max_bytes=max_bytes)])

    async def save(self, path: Path | str, *, max_bytes: int = MAX_READ_BYTES) -> int:
        """Writes the file to disk and returns its size; an incomplete one is removed."""
        target = Path(path)
        size = 0
        file = await asyncio.to_thread(target.open, "wb")
        try:
            async for chunk in self.chunks(max_bytes=max_bytes):
                size += await asyncio.to_thread(file.write, chunk)
        except BaseException:
            file.close()
            await asyncio.to_thread(target.unlink, missing_ok=True)
            raise
        await asyncio.to_thread(file.close)
        return size

    async def chunks(self, *, max_bytes: int = MAX_READ_BYTES) -> AsyncGenerator[bytes]:
        """The file in pieces, as they arrive. The token goes to the server only, whatever `url` says."""
        size = 0
        async with self.rest.stream(f"/files/{segment(self.file_id)}") as answer:
            async for chunk in answer.aiter_bytes(_CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise UsageError(
                        f"the file {self.name!r} has more than {max_bytes} bytes",
                        code="chat_file_too_large",
                        hint="raise max_bytes",
                    )
                yield chunk

    async def delete(self) -> None:
        """Deletes the file; a message that shows it loses it."""
        await self.rest.delete(f"/files/{segment(self.file_id)}")


async def upload(
    rest: Rest, path: str, content: bytes | Path | str, *, name: str | None = None, mime: str | None = None
) -> File:
    """Sends a file to a place.

    Args:
        rest: the account.
        path: of the upload route, below /api/v1.
        content: the bytes, or where they are on disk.
        name: as it is shown; by default that of the file on disk.
        mime: its type, where the server cannot tell it from the bytes.
    """
    if isinstance(content, bytes):
        data, shown = content, name or "file"
    else:
        source = Path(content)
        data, shown = await asyncio.to_thread(source.read_bytes), name or source.name
    part = (shown, data, mime or "application/octet-stream")
    return bind(await rest.send("POST", path, File, files={"file": part}), rest)
