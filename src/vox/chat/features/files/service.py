"""Files as rows and stored bytes: uploaded, found, deleted.

The order of steps matters. A row says `uploading` before the first byte is stored and `ready` after the last, and it leaves
`ready` before the first byte is deleted: so no byte is without a row, and a row that says `ready` can be read.
"""

import secrets
from collections.abc import Sequence

from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import FileId, UserId
from vox.chat.features.files import queries
from vox.chat.features.files.schemas import FileInfo
from vox.chat.features.files.stored_files import FileLocation, Purpose, StoredFile, storage_key
from vox.chat.features.files.upload_body import ReceivedUpload
from vox.chat.storage.file_links import ADDRESS
from vox.errors import VoxError
from vox.runtime.logging import get_logger
from vox.stores.sql import Connection

_log = get_logger(__name__)


async def store_upload(
    chat: ChatContext, file: ReceivedUpload, uploader_id: UserId, purpose: Purpose, place: FileLocation
) -> FileInfo:
    """Stores a file that has arrived and makes it readable.

    Raises:
        Refusal: QUOTA_EXCEEDED, SPACE_NOT_FOUND where the place was deleted while the file came.
        DependencyError: the storage or the database failed; the hourly cleanup removes what is left.
    """
    file_id = FileId(secrets.token_urlsafe(16))
    key = storage_key(file_id, purpose)
    public = chat.settings.s3_public_url.rstrip("/")
    is_public = bool(public) and chat.settings.storage_backend == "s3" and purpose != "attachment"
    url = f"{public}/{key}" if is_public else ADDRESS.format(file_id)
    info = FileInfo(file_id, file.name, file.size, file.mime, url, uploader_id, chat.clock.unix_s())
    quota = chat.settings.user_quota_bytes

    def reserve(connection: Connection) -> Change[None]:
        if quota:
            _assert_quota(connection, uploader_id, file.size, quota)
        queries.insert_file(
            connection,
            {
                "id": file_id,
                "name": info.name,
                "size": info.size,
                "mime": info.mime,
                "url": info.url,
                "uploader_id": uploader_id,
                "feed_id": place.feed_id,
                "dm_id": place.dm_id,
                "created_at": info.created_at,
                "purpose": purpose,
                "state": "uploading",
                "width": file.width,
                "height": file.height,
            },
        )
        return Change(None)

    def publish(connection: Connection) -> Change[bool]:
        return Change(queries.publish_file(connection, file_id))

    with map_conflict(refuse("SPACE_NOT_FOUND", "That place has just been deleted.")):
        await chat.change(reserve)
    try:
        await chat.storage.put(key, file.pieces(), content_type=file.mime)
        if not await chat.change(publish):
            raise refuse("FILE_NOT_FOUND", "The file was removed while it was stored.")
    except VoxError:
        await delete_stored(chat, [(file_id, key)])
        raise
    return info


def find(connection: Connection, file_id: FileId) -> StoredFile:
    """A file that can be read.

    Raises:
        Refusal: FILE_NOT_FOUND.
    """
    found = queries.find_file(connection, file_id)
    if found is None:
        raise file_not_found()
    return found


async def delete_file(chat: ChatContext, file: StoredFile, actor_id: UserId) -> None:
    """Deletes a file, which cannot be read any more from the commit on.

    Raises:
        Refusal: FILE_NOT_FOUND where another request has deleted it.
    """

    def unit(connection: Connection) -> Change[None]:
        if not queries.lock_ready_file(connection, file.id):
            raise file_not_found()
        queries.detach_files(connection, [file.id])
        if file.uploader_id == actor_id:
            return Change(None)
        details = {"file_id": file.id, "name": file.name, "uploader_id": file.uploader_id}
        return Change(None, (), [AuditEntry("file.delete", actor_id, file.uploader_id, details)])

    await chat.change(unit)
    await delete_stored(chat, [(file.id, file.key)])


async def delete_stored(chat: ChatContext, gone: Sequence[tuple[FileId, str]]) -> int:
    """Deletes the bytes and then the rows of detached files; what fails is left to the hourly cleanup.

    Args:
        chat: the server.
        gone: ids and storage keys.

    Returns:
        How many were deleted.
    """
    done: list[FileId] = []
    try:
        for file_id, key in gone:
            await chat.storage.delete(key)
            done.append(file_id)
    except VoxError as error:
        _log.warning("stored file not deleted", code=error.code)
    if done:
        try:
            await chat.change(lambda connection: Change(queries.delete_rows(connection, done)))
        except VoxError as error:
            _log.warning("rows of deleted files not removed", code=error.code)
            return 0
    return len(done)


def file_not_found() -> Refusal:
    """The refusal for a file that does not exist or was deleted."""
    return refuse("FILE_NOT_FOUND", "There is no such file.")


def _assert_quota(connection: Connection, user_id: UserId, size: int, quota: int) -> None:
    queries.lock_user(connection, user_id)
    used = queries.bytes_of_user(connection, user_id)
    if used + size > quota:
        raise refuse("QUOTA_EXCEEDED", f"Your files may have {quota} bytes together; {used} are in use.")
