"""Emoji and stickers: pictures with a name that every member may use.

Both are the same but for their table and their names on the wire, so one set of functions serves both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vox.chat.api.validation import Limits, validate_name
from vox.chat.context import ChatContext
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import (
    Event,
    emoji_create,
    emoji_delete,
    emoji_update,
    sticker_create,
    sticker_delete,
    sticker_update,
)
from vox.chat.events.ids import FileId, UserId
from vox.chat.features.files import queries
from vox.chat.features.files.queries import ImageKind
from vox.chat.features.files.schemas import EmojiInfo, EmojiPage, StickerInfo, StickerPage
from vox.chat.features.files.service import delete_stored
from vox.chat.features.files.stored_files import storage_key
from vox.errors import VoxError
from vox.stores.sql import Connection


@dataclass(frozen=True, slots=True)
class ImageSort:
    """What differs between emoji and stickers.

    Args:
        kind: the word for one of them.
        path: of the list.
        info: the struct of one.
        page: the struct of a page.
        created: makes the event of a new one.
        renamed: makes the event of a new name.
        removed: makes the event of a deletion.
    """

    kind: ImageKind
    path: str
    info: type[Any]
    page: type[Any]
    created: Callable[..., Event]
    renamed: Callable[..., Event]
    removed: Callable[..., Event]

    @property
    def id_field(self) -> str:
        """The name of its id on the wire."""
        return f"{self.kind}_id"

    def missing(self) -> Refusal:
        """The refusal for one that does not exist."""
        return refuse("SPACE_NOT_FOUND", f"There is no such {self.kind}.")


EMOJI: Final = ImageSort("emoji", "/emoji", EmojiInfo, EmojiPage, emoji_create, emoji_update, emoji_delete)
STICKERS: Final = ImageSort(
    "sticker", "/stickers", StickerInfo, StickerPage, sticker_create, sticker_update, sticker_delete
)


def upload_limit(limits: Limits, sort: ImageSort) -> tuple[int, str]:
    """How many bytes a picture may have, and the error code where it has more."""
    most = limits("file_upload_max_bytes")
    if sort.kind == "sticker" and limits("max_request_body") < most:
        return limits("max_request_body"), "PAYLOAD_TOO_LARGE"
    return most, "FILE_TOO_LARGE"


def checked_name(limits: Limits, name: str) -> str:
    """The name of an emoji or sticker as it is stored.

    Raises:
        Refusal: VALIDATION_ERROR.
    """
    return validate_name(limits, "name", name, "emoji_name_max")


def assert_name_is_free(connection: Connection, *, sort: ImageSort, name: str) -> None:
    """Refuses a name that is in use, before the picture is stored.

    Raises:
        Refusal: NAME_TAKEN.
    """
    if queries.is_name_taken(connection, sort.kind, name):
        raise name_taken(name)


def name_taken(name: str) -> Refusal:
    """The refusal for a name that is in use."""
    return refuse("NAME_TAKEN", f"The name {name} is taken.")


def images_after(connection: Connection, *, sort: ImageSort, after: int, limit: int) -> list[Any]:
    """Emoji or stickers with ids above `after`, by id."""
    return [sort.info(*row) for row in queries.images_after(connection, sort.kind, after, limit)]


async def create_image(chat: ChatContext, sort: ImageSort, file_id: FileId, values: dict[str, Any]) -> Any:
    """Creates an emoji or sticker from a stored file, which is deleted where that fails.

    Args:
        chat: the server.
        sort: emoji or stickers.
        file_id: of the stored picture.
        values: name, creator_id and image.

    Raises:
        Refusal: NAME_TAKEN.
    """

    def insert(connection: Connection) -> Change[Any]:
        lock_event_order(connection)
        new_id = queries.insert_image(connection, sort.kind, values)
        event = sort.created(**{sort.id_field: new_id}, **values)
        audit = AuditEntry(f"{sort.kind}.create", values["creator_id"], new_id, {"name": values["name"]})
        return Change(sort.info(new_id, **values), [event], [audit])

    def detach(connection: Connection) -> Change[None]:
        queries.detach_files(connection, [file_id])
        return Change(None)

    try:
        with map_conflict(name_taken(values["name"])):
            return await chat.change(insert)
    except VoxError:
        await chat.change(detach)
        await delete_stored(chat, [(file_id, storage_key(file_id, sort.kind))])
        raise


def rename_image(
    connection: Connection, *, sort: ImageSort, image_id: int, name: str | None, actor_id: UserId
) -> Change[Any]:
    """Writes another name; None changes nothing.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    if name is not None:
        queries.rename_image(connection, sort.kind, image_id, name)
    row = queries.find_image(connection, sort.kind, image_id)
    if row is None:
        raise sort.missing()
    if name is None:
        return Change(sort.info(*row))
    audit = AuditEntry(f"{sort.kind}.update", actor_id, image_id, {"name": name})
    return Change(sort.info(*row), [sort.renamed(**{sort.id_field: image_id}, name=name)], [audit])


def delete_image(
    connection: Connection, *, sort: ImageSort, image_id: int, actor_id: UserId
) -> Change[list[tuple[FileId, str]]]:
    """Deletes an emoji or sticker, and returns ids and storage keys of its files, which are unreadable then.

    Raises:
        Refusal: SPACE_NOT_FOUND.
    """
    lock_event_order(connection)
    found = queries.delete_image(connection, sort.kind, image_id)
    if found is None:
        raise sort.missing()
    name, url = found
    gone = [
        (file_id, storage_key(file_id, purpose))
        for file_id, purpose in queries.files_of_image(connection, sort.kind, url)
    ]
    queries.detach_files(connection, [file_id for file_id, _ in gone])
    audit = AuditEntry(f"{sort.kind}.delete", actor_id, image_id, {"name": name})
    return Change(gone, [sort.removed(**{sort.id_field: image_id})], [audit])
