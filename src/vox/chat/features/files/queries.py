"""The SQL of files, emoji and stickers.

A file that is not in the state `ready` cannot be read. Functions whose name begins with `lock` keep their rows until the
transaction ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Table, delete, func, insert, select, update

from vox.chat.database.schema import config, dms, emoji, files, message_attachments, messages, stickers, users
from vox.chat.events.ids import FileId, UserId
from vox.chat.features.files.stored_files import FileLocation, StoredFile
from vox.stores.sql import Connection
from vox.text.names import name_key

ImageKind = Literal["emoji", "sticker"]

MAX_SHOWN: Final = 32
"""Messages of one file that are examined; ours have one, those of an original server could have more."""

_IMAGES: Final[dict[ImageKind, Table]] = {"emoji": emoji, "sticker": stickers}


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that may be an orphan, with the state of its row."""

    id: FileId
    purpose: str
    url: str
    state: str


def lock_user(connection: Connection, user_id: UserId) -> None:
    """Makes two uploads of a user wait for each other, so that both do not use the same remaining quota.

    On SQLite writers follow one another anyway.
    """
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())


def bytes_of_user(connection: Connection, user_id: UserId) -> int:
    """How many bytes the files of a user have together."""
    return int(connection.execute(select(func.sum(files.c.size)).where(files.c.uploader_id == user_id)).scalar() or 0)


def insert_file(connection: Connection, values: Mapping[str, Any]) -> None:
    """Inserts a file with values for its columns."""
    connection.execute(insert(files).values(**values))


def publish_file(connection: Connection, file_id: FileId) -> bool:
    """Makes a stored file readable; False where its row was deleted meanwhile."""
    return bool(connection.execute(update(files).where(files.c.id == file_id).values(state="ready")).rowcount)


def find_file(connection: Connection, file_id: FileId) -> StoredFile | None:
    """A file that can be read, with the places of the messages that show it."""
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
        files.c.height,
    ).where(files.c.id == file_id, files.c.state == "ready")
    row = connection.execute(query).first()
    if row is None:
        return None
    places = (
        select(messages.c.feed_id, messages.c.dm_id)
        .join(message_attachments, message_attachments.c.msg_id == messages.c.id)
        .where(message_attachments.c.file_id == file_id)
        .limit(MAX_SHOWN)
    )
    shown_in = tuple(FileLocation(*place) for place in connection.execute(places))
    is_custom = row.purpose != "attachment" or (not shown_in and _is_custom_image(connection, row.url))
    return StoredFile(*row, is_custom_image=is_custom, shown_in=shown_in)


def lock_ready_file(connection: Connection, file_id: FileId) -> bool:
    """Whether a file can be read; it stays so until the transaction ends."""
    query = select(files.c.id).where(files.c.id == file_id, files.c.state == "ready").with_for_update()
    return connection.execute(query).first() is not None


def detach_files(connection: Connection, file_ids: Sequence[FileId]) -> None:
    """Takes files off their messages and makes them unreadable; `delete_stored` deletes them afterwards."""
    connection.execute(delete(message_attachments).where(message_attachments.c.file_id.in_(file_ids)))
    connection.execute(update(files).where(files.c.id.in_(file_ids)).values(state="uploading"))


def delete_rows(connection: Connection, file_ids: Sequence[FileId]) -> None:
    """Deletes the rows of files whose bytes are gone."""
    connection.execute(delete(files).where(files.c.id.in_(file_ids), files.c.state == "uploading"))


def lock_orphans(
    connection: Connection, *, unfinished_before_s: int, unattached_before_s: int, after: str, limit: int
) -> list[Orphan]:
    """Unfinished uploads and files that no message shows, by id.

    Args:
        connection: of the writer.
        unfinished_before_s: uploads begun before this Unix time are given up.
        unattached_before_s: files uploaded before this Unix time should have a message.
        after: only ids above it.
        limit: how many at most.
    """
    unfinished = (files.c.state == "uploading") & (files.c.created_at < unfinished_before_s)
    attached = select(message_attachments.c.file_id).where(message_attachments.c.file_id == files.c.id).exists()
    unattached = (
        (files.c.state == "ready")
        & files.c.purpose.in_(("attachment", "icon"))
        & (files.c.created_at < unattached_before_s)
        & ~attached
    )
    query = (
        select(files.c.id, files.c.purpose, files.c.url, files.c.state)
        .where(files.c.id > after, unfinished | unattached)
        .order_by(files.c.id)
        .limit(limit)
        .with_for_update()
    )
    return [Orphan(*row) for row in connection.execute(query)]


def attached_among(connection: Connection, file_ids: Sequence[FileId]) -> set[FileId]:
    """Those of some files that a message shows."""
    query = select(message_attachments.c.file_id).where(message_attachments.c.file_id.in_(file_ids))
    return set(connection.execute(query).scalars())


def shown_elsewhere(connection: Connection, urls: Sequence[str]) -> set[str]:
    """Those of some addresses that an emoji, a sticker, an avatar, a conversation or the server shows."""
    found: set[str] = set()
    for column in (emoji.c.image, stickers.c.image, users.c.avatar, dms.c.icon):
        found.update(connection.execute(select(column).where(column.in_(urls))).scalars())
    icon = select(config.c.value).where(config.c.key == "server_icon", config.c.value.in_(urls))
    found.update(connection.execute(icon).scalars())
    return found


def images_after(connection: Connection, kind: ImageKind, after: int, limit: int) -> Sequence[Sequence[Any]]:
    """Rows of id, name, creator and address of emoji or stickers with ids above `after`, by id."""
    table = _IMAGES[kind]
    query = select(table.c.id, table.c.name, table.c.creator_id, table.c.image).where(table.c.id > after)
    return connection.execute(query.order_by(table.c.id).limit(limit)).all()


def is_name_taken(connection: Connection, kind: ImageKind, name: str) -> bool:
    """Whether an emoji or sticker has this name, or one that looks the same."""
    table = _IMAGES[kind]
    is_alike = (table.c.name == name) | (table.c.name_key == name_key(name))
    return connection.execute(select(table.c.id).where(is_alike)).first() is not None


def insert_image(connection: Connection, kind: ImageKind, values: Mapping[str, Any]) -> int:
    """Inserts an emoji or sticker and returns its id."""
    table = _IMAGES[kind]
    row = {**values, "name_key": name_key(values["name"])}
    return connection.execute(insert(table).values(**row).returning(table.c.id)).scalar_one()


def rename_image(connection: Connection, kind: ImageKind, image_id: int, name: str) -> None:
    """Gives an emoji or sticker another name."""
    table = _IMAGES[kind]
    connection.execute(update(table).where(table.c.id == image_id).values(name=name, name_key=name_key(name)))


def find_image(connection: Connection, kind: ImageKind, image_id: int) -> Sequence[Any] | None:
    """Id, name, creator and address of an emoji or sticker."""
    table = _IMAGES[kind]
    query = select(table.c.id, table.c.name, table.c.creator_id, table.c.image).where(table.c.id == image_id)
    return connection.execute(query).first()


def delete_image(connection: Connection, kind: ImageKind, image_id: int) -> tuple[str, str] | None:
    """Deletes an emoji or sticker and returns its name and address; None where there is none."""
    table = _IMAGES[kind]
    statement = delete(table).where(table.c.id == image_id).returning(table.c.name, table.c.image)
    row = connection.execute(statement).first()
    return None if row is None else (row[0], row[1])


def files_of_image(connection: Connection, kind: ImageKind, url: str) -> list[tuple[FileId, str]]:
    """Id and purpose of the files with this address that were uploaded as emoji or sticker."""
    query = select(files.c.id, files.c.purpose).where(files.c.url == url, files.c.purpose == kind)
    return [(file_id, purpose) for file_id, purpose in connection.execute(query)]


def _is_custom_image(connection: Connection, url: str) -> bool:
    """Whether an emoji or sticker of an original server shows the file; ours are known by their purpose."""
    return any(
        connection.execute(select(table.c.id).where(table.c.image == url).limit(1)).first() is not None
        for table in (emoji, stickers)
    )
