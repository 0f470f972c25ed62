"""Avatars and the community's icon: uploaded, cut to a square, and shown in place of the picture before."""

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, BinaryIO, Final, cast

from vox.chat.api.request import Call
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events.ids import FileId
from vox.chat.features.files import queries
from vox.chat.features.files.schemas import FileInfo
from vox.chat.features.files.service import delete_stored, store_upload
from vox.chat.features.files.stored_files import FileLocation, storage_key
from vox.chat.features.files.upload_body import ReceivedUpload, receive_upload
from vox.chat.storage.file_links import ADDRESS
from vox.chat.storage.images import FORMATS
from vox.chat.storage.thumbnails import MIME
from vox.providers.storage.threads import in_thread
from vox.stores.sql import Connection

SIDE: Final = 512
IN_MEMORY_BYTES: Final = 1_048_576


@asynccontextmanager
async def received_icon(call: Call[Any, Any]) -> AsyncGenerator[FileInfo, None]:
    """Receives a picture as the form field `image`, stores it as a square WebP and removes it again where the block fails.

    Raises:
        Refusal: UNSUPPORTED_MEDIA_TYPE for what is no picture, FILE_TOO_LARGE, QUOTA_EXCEEDED.
    """
    chat = call.chat
    limit = chat.config.limit("file_upload_max_bytes")
    async with receive_upload(call, field="image", kind="file", max_bytes=limit) as file:
        if file.mime not in FORMATS or file.width is None:
            raise refuse("UNSUPPORTED_MEDIA_TYPE", "Send a picture: PNG, JPEG, GIF or WebP.")
        stored = await _stored(call, file)
    try:
        yield stored
    except BaseException:
        await remove_icon(chat, stored.url)
        raise


async def remove_icon(chat: ChatContext, url: str | None) -> None:
    """Deletes the stored picture that was shown as an avatar or icon; addresses of other things are left alone."""
    file_id = file_of(url)
    if file_id is None or not await chat.change(partial(_detached, file_id=file_id, url=url or "")):
        return
    await delete_stored(chat, [(file_id, storage_key(file_id, "icon"))])


def file_of(url: str | None) -> FileId | None:
    """The id of the stored file that an address leads to; None for other addresses."""
    prefix = ADDRESS.format("")
    return FileId(url.removeprefix(prefix)) if url is not None and url.startswith(prefix) else None


def _detached(connection: Connection, *, file_id: FileId, url: str) -> Change[bool]:
    """Makes an icon unreadable that nothing shows any more; False for any other file."""
    found = queries.find_file(connection, file_id)
    if found is None or found.purpose != "icon" or queries.shown_elsewhere(connection, [url]):
        return Change(value=False)
    queries.detach_files(connection, [file_id])
    return Change(value=True)


async def _stored(call: Call[Any, Any], file: ReceivedUpload) -> FileInfo:
    out = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115  closed by the block
    with out:
        await in_thread(partial(file.body.seek, 0))
        limits = call.chat.upload_limits
        found = await limits.thumbnail(file.body, file.mime, out, SIDE, is_square=True)
        if found is None:
            raise refuse("UNSUPPORTED_MEDIA_TYPE", "Send a picture: PNG, JPEG, GIF or WebP.")
        square = ReceivedUpload(file.name, MIME, out.tell(), out, found.width, found.height, file.fields)
        return await store_upload(call.chat, square, call.user_id, "icon", FileLocation())
