"""Files as rows and stored bytes: taken in, found, given up.

The order of steps is what matters here. A row says `uploading` before the first byte is stored and `ready` after the last, and it
leaves `ready` before the first byte is deleted: so no byte is without a row, and a row that says `ready` can be read.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from vox.chat.community import Community
from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.schema import emoji, files, message_attachments, messages, stickers, users
from vox.chat.database.unit_of_work import AuditEntry, Change
from vox.chat.errors import Refusal, refuse
from vox.chat.events.permissions import P
from vox.chat.features.files.upload_body import ReceivedUpload
from vox.errors import VoxError
from vox.runtime.logging import get_logger

Purpose = Literal["attachment", "emoji", "sticker"]

ADDRESS: Final = "/api/v1/files/{}"
PUBLIC_PREFIX: Final = "public-"
"""Of the storage keys of emoji and stickers: what a bucket's policy may let everybody read."""

MAX_SHOWN: Final = 32
"""Messages of one file that are asked for; ours have one, an original server's could have more."""

_log = get_logger(__name__)


class FileInfo(msgspec.Struct, frozen=True):
    """An uploaded file; `created_at` in Unix seconds. Width and height are null, as they were in the original."""

    file_id: str
    name: str
    size: int
    mime: str
    url: str
    uploader_id: int | None
    created_at: int
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class FileLocation:
    """Where a file was uploaded to: a feed, a conversation, or neither."""

    feed_id: int | None = None
    dm_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that can be read.

    Args:
        id: random, not to be guessed.
        name: for showing.
        size: in bytes.
        mime: its type.
        url: what messages and emoji say of it.
        uploader_id: who uploaded it; None where the account is gone.
        feed_id: where to; None where it was no feed, or the feed is gone.
        dm_id: the same for conversations.
        purpose: attachment, emoji, sticker or icon.
        width: in pixels where it is a picture that was decoded.
        is_custom_image: whether it is an emoji, a sticker or the icon.
        shown_in: the places of the messages that show it.
    """

    id: str
    name: str
    size: int
    mime: str
    url: str
    uploader_id: int | None
    feed_id: int | None
    dm_id: int | None
    purpose: str
    width: int | None
    is_custom_image: bool
    shown_in: tuple[FileLocation, ...]

    @property
    def key(self) -> str:
        """Its key in the storage."""
        return storage_key(self.id, self.purpose)


def storage_key(file_id: str, purpose: str) -> str:
    """The key of a file in the storage."""
    return PUBLIC_PREFIX + file_id if purpose in {"emoji", "sticker"} else file_id


async def store_upload(
    chat: ChatContext, file: ReceivedUpload, uploader_id: int, purpose: Purpose, place: FileLocation
) -> FileInfo:
    """Stores a file that has arrived and makes it readable.

    Raises:
        Refusal: QUOTA_EXCEEDED, SPACE_NOT_FOUND where the place was deleted while the file came.
        DependencyError: the storage or the database failed; the sweeper removes what is left.
    """
    file_id = secrets.token_urlsafe(16)
    key = storage_key(file_id, purpose)
    public = chat.settings.s3_public_url.rstrip("/")
    is_public = bool(public) and chat.settings.storage_backend == "s3" and purpose != "attachment"
    url = f"{public}/{key}" if is_public else ADDRESS.format(file_id)
    info = FileInfo(file_id, file.name, file.size, file.mime, url, uploader_id, int(chat.clock.wall().timestamp()))
    quota = chat.settings.user_quota_bytes

    def reserve(connection: Connection) -> Change[None]:
        if quota:
            _assert_quota(connection, uploader_id, file.size, quota)
        connection.execute(
            insert(files).values(
                id=file_id,
                name=info.name,
                size=info.size,
                mime=info.mime,
                url=info.url,
                uploader_id=uploader_id,
                feed_id=place.feed_id,
                dm_id=place.dm_id,
                created_at=info.created_at,
                purpose=purpose,
                state="uploading",
                width=file.width,
                height=file.height,
            )
        )
        return Change(None)

    def publish(connection: Connection) -> Change[bool]:
        found = connection.execute(update(files).where(files.c.id == file_id).values(state="ready"))
        return Change(bool(found.rowcount))

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


def find(connection: Connection, file_id: str) -> StoredFile:
    """A file that can be read.

    Raises:
        Refusal: FILE_NOT_FOUND.
    """
    query = select(
        files.c.id,
        files.c.name,
        files.c.size,
        files.c.mime,
        files.c.url,
        files.c.uploader_id,
        files.c.feed_id,
        files.c.dm_id,
        files.c.purpose,
        files.c.width,
    ).where(files.c.id == file_id, files.c.state == "ready")
    row = connection.execute(query).first()
    if row is None:
        raise file_not_found()
    hooks = (
        select(messages.c.feed_id, messages.c.dm_id)
        .join(message_attachments, message_attachments.c.msg_id == messages.c.id)
        .where(message_attachments.c.file_id == file_id)
        .limit(MAX_SHOWN)
    )
    shown_in = tuple(FileLocation(*place) for place in connection.execute(hooks))
    is_custom = row.purpose != "attachment" or (not shown_in and _is_custom_image(connection, row.url))
    return StoredFile(*row, is_custom_image=is_custom, shown_in=shown_in)


def may_read(community: Community, user_id: int, file: StoredFile) -> bool:
    """Whether somebody may read a file: who sees the message that shows it; else who uploaded it; emoji everybody."""
    person = community.users.get(user_id)
    if person is None or not person.is_active:
        return False
    if file.is_custom_image:
        return True
    if not file.shown_in:
        return file.uploader_id == user_id
    return any(_sees(community, user_id, place) for place in file.shown_in)


def may_delete(community: Community, user_id: int, file: StoredFile) -> bool:
    """Whether somebody may delete a file: who uploaded it, and moderators of the place it was uploaded to."""
    if file.is_custom_image:
        return False
    if file.uploader_id == user_id:
        return True
    if file.feed_id is not None:
        return community.may_in(user_id, "feed", file.feed_id, P.MANAGE_MESSAGES)
    if file.dm_id is not None and not community.in_dm(user_id, file.dm_id):
        return False
    return community.may(user_id, P.MANAGE_MESSAGES)


def detach(connection: Connection, file_ids: Sequence[str]) -> None:
    """Takes files off their messages and out of reach, within a unit of work; `remove` deletes them afterwards."""
    connection.execute(delete(message_attachments).where(message_attachments.c.file_id.in_(file_ids)))
    connection.execute(update(files).where(files.c.id.in_(file_ids)).values(state="uploading"))


async def delete_file(chat: ChatContext, file: StoredFile, actor_id: int) -> None:
    """Deletes a file; from the commit on nobody can read it.

    Raises:
        Refusal: FILE_NOT_FOUND where somebody else was faster.
    """

    def unit(connection: Connection) -> Change[None]:
        query = select(files.c.id).where(files.c.id == file.id, files.c.state == "ready").with_for_update()
        if connection.execute(query).first() is None:
            raise file_not_found()
        detach(connection, [file.id])
        if file.uploader_id == actor_id:
            return Change(None)
        details = {"file_id": file.id, "name": file.name, "uploader_id": file.uploader_id}
        return Change(None, (), [AuditEntry("file.delete", actor_id, file.uploader_id, details)])

    await chat.change(unit)
    await delete_stored(chat, [(file.id, file.key)])


async def delete_stored(chat: ChatContext, gone: Sequence[tuple[str, str]]) -> int:
    """Deletes the bytes and then the rows of files that are out of reach already; what fails is left for the sweeper.

    Args:
        chat: the server.
        gone: ids and storage keys.

    Returns:
        How many went.
    """
    done: list[str] = []
    try:
        for file_id, key in gone:
            await chat.storage.delete(key)
            done.append(file_id)
    except VoxError as error:
        _log.warning("stored file not deleted", code=error.code)
    if done:
        try:
            await chat.change(lambda connection: Change(_drop(connection, done)))
        except VoxError as error:
            _log.warning("rows of deleted files not removed", code=error.code)
            return 0
    return len(done)


def file_not_found() -> Refusal:
    """There is no such file, or no longer."""
    return refuse("FILE_NOT_FOUND", "There is no such file.")


def _sees(community: Community, user_id: int, place: FileLocation) -> bool:
    if place.feed_id is not None:
        return community.may_in(user_id, "feed", place.feed_id, P.VIEW_SPACE)
    return place.dm_id is not None and community.in_dm(user_id, place.dm_id)


def _drop(connection: Connection, file_ids: Sequence[str]) -> None:
    connection.execute(delete(files).where(files.c.id.in_(file_ids), files.c.state == "uploading"))


def _assert_quota(connection: Connection, user_id: int, size: int, quota: int) -> None:
    # Two uploads at once must not both see the room that is left; on SQLite writers follow one another anyway.
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    used = connection.execute(select(func.sum(files.c.size)).where(files.c.uploader_id == user_id)).scalar() or 0
    if int(used) + size > quota:
        raise refuse("QUOTA_EXCEEDED", f"Your files may have {quota} bytes together; {int(used)} are in use.")


def _is_custom_image(connection: Connection, url: str) -> bool:
    """Whether an emoji or sticker of an original server shows the file; ours say so by their purpose."""
    return any(
        connection.execute(select(table.c.id).where(table.c.image == url).limit(1)).first() is not None
        for table in (emoji, stickers)
    )
