"""Emoji and stickers over REST: pictures with a name of their own that everybody may use.

Both are the same but for their table and the names on the wire, so the routes are made twice from one description.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, Table, delete, insert, select, update

from vox.chat.api.access import USER, requires
from vox.chat.api.request import Call, RouteTable, Upload
from vox.chat.api.validation import validate_length
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.schema import emoji, files, stickers
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
from vox.chat.events.permissions import P
from vox.chat.features.files.service import FileLocation, delete_stored, detach, storage_key, store_upload
from vox.chat.features.files.upload_body import receive_upload
from vox.errors import VoxError

routes = RouteTable()


class EmojiInfo(msgspec.Struct, frozen=True):
    """A custom emoji."""

    emoji_id: int
    name: str
    creator_id: int | None
    image: str


class StickerInfo(msgspec.Struct, frozen=True):
    """A sticker."""

    sticker_id: int
    name: str
    creator_id: int | None
    image: str


class EmojiPage(msgspec.Struct, frozen=True):
    """A page of emoji by id."""

    items: list[EmojiInfo]
    cursor: str | None


class StickerPage(msgspec.Struct, frozen=True):
    """A page of stickers by id."""

    items: list[StickerInfo]
    cursor: str | None


class ImagePageQuery(msgspec.Struct, frozen=True):
    """A page of a cursor list; without a limit as long as it may be."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    after: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 0


class Rename(msgspec.Struct, frozen=True):
    """Another name; null or absent means no change."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class _Sort:
    """What differs between emoji and stickers."""

    word: Literal["emoji", "sticker"]
    path: str
    table: Table
    info: type[Any]
    page: type[Any]
    created: Callable[..., Event]
    renamed: Callable[..., Event]
    removed: Callable[..., Event]

    @property
    def id_field(self) -> str:
        return f"{self.word}_id"

    def missing(self) -> Refusal:
        return refuse("SPACE_NOT_FOUND", f"There is no such {self.word}.")


_SORTS: Final = (
    _Sort("emoji", "/emoji", emoji, EmojiInfo, EmojiPage, emoji_create, emoji_update, emoji_delete),
    _Sort("sticker", "/stickers", stickers, StickerInfo, StickerPage, sticker_create, sticker_update, sticker_delete),
)


def _add_routes(sort: _Sort) -> None:
    one = f"{sort.path}/{{{sort.id_field}}}"
    keepers = requires(P.MANAGE_EMOJI)

    async def list_them(call: Call[None, ImagePageQuery]) -> Any:
        limit = min(call.query.limit, call.chat.config.limit(f"page_limit_{sort.path[1:]}"))
        items = await call.chat.read(partial(_page, sort=sort, after=call.query.after, limit=limit))
        return sort.page(items, str(getattr(items[-1], sort.id_field)) if items else None)

    async def create(call: Call) -> Any:
        return await _create(call, sort)

    async def rename(call: Call[Rename]) -> Any:
        name, image_id = call.body.name, call.id(sort.id_field)
        if name is not None:
            _assert_name(call, name)
        with map_conflict(_name_taken(name or "")):
            return await call.chat.change(
                partial(_rename, sort=sort, image_id=image_id, name=name, actor_id=call.user_id)
            )

    async def remove_it(call: Call) -> None:
        gone = await call.chat.change(
            partial(_remove, sort=sort, image_id=call.id(sort.id_field), actor_id=call.user_id)
        )
        await delete_stored(call.chat, gone)

    for endpoint, name, doc in (
        (list_them, "list", f"All {sort.path[1:]}, by id."),
        (create, "create", f"Makes a new {sort.word} (multipart: `image` and `name`)."),
        (rename, "rename", f"Gives the {sort.word} another name."),
        (remove_it, "delete", f"Deletes the {sort.word} and its picture."),
    ):
        endpoint.__name__, endpoint.__doc__ = f"{name}_{sort.word}", doc
    routes.get(sort.path, access=USER, query=ImagePageQuery, returns=sort.page)(list_them)
    routes.post(sort.path, access=keepers, body=Upload, form=("image", "name"), status=201, returns=sort.info)(create)
    routes.patch(one, access=keepers, body=Rename, returns=sort.info)(rename)
    routes.delete(one, access=keepers)(remove_it)


async def _create(call: Call, sort: _Sort) -> Any:
    chat = call.chat
    most, code = chat.config.limit("file_upload_max_bytes"), "FILE_TOO_LARGE"
    if sort.word == "sticker" and chat.config.limit("max_request_body") < most:
        most, code = chat.config.limit("max_request_body"), "PAYLOAD_TOO_LARGE"
    async with receive_upload(call, field="image", kind=sort.word, max_bytes=most, too_large=code) as file:
        name = file.fields.get("name")
        if name is None:
            raise refuse("VALIDATION_ERROR", "body.name: field required")
        _assert_name(call, name)
        if await chat.read(partial(_is_taken, sort=sort, name=name)):
            raise _name_taken(name)
        stored = await store_upload(chat, file, call.user_id, sort.word, FileLocation())
    row = {"name": name, "creator_id": call.user_id, "image": stored.url}
    try:
        with map_conflict(_name_taken(name)):
            return await chat.change(partial(_insert, sort=sort, row=row))
    except VoxError:
        await _give_up(call, stored.file_id, sort.word)
        raise


async def _give_up(call: Call, file_id: str, word: str) -> None:
    def unit(connection: Connection) -> Change[None]:
        detach(connection, [file_id])
        return Change(None)

    await call.chat.change(unit)
    await delete_stored(call.chat, [(file_id, storage_key(file_id, word))])


def _page(connection: Connection, *, sort: _Sort, after: int, limit: int) -> list[Any]:
    table = sort.table
    query = select(table.c.id, table.c.name, table.c.creator_id, table.c.image).where(table.c.id > after)
    return [sort.info(*row) for row in connection.execute(query.order_by(table.c.id).limit(limit))]


def _is_taken(connection: Connection, *, sort: _Sort, name: str) -> bool:
    return connection.execute(select(sort.table.c.id).where(sort.table.c.name == name)).first() is not None


def _insert(connection: Connection, *, sort: _Sort, row: dict[str, Any]) -> Change[Any]:
    lock_event_order(connection)
    new_id = connection.execute(insert(sort.table).values(**row).returning(sort.table.c.id)).scalar_one()
    event = sort.created(**{sort.id_field: new_id}, **row)
    audit = AuditEntry(f"{sort.word}.create", row["creator_id"], new_id, {"name": row["name"]})
    return Change(sort.info(new_id, **row), [event], [audit])


def _rename(connection: Connection, *, sort: _Sort, image_id: int, name: str | None, actor_id: int) -> Change[Any]:
    table = sort.table
    if name is not None:
        connection.execute(update(table).where(table.c.id == image_id).values(name=name))
    query = select(table.c.id, table.c.name, table.c.creator_id, table.c.image).where(table.c.id == image_id)
    row = connection.execute(query).first()
    if row is None:
        raise sort.missing()
    if name is None:
        return Change(sort.info(*row))
    audit = AuditEntry(f"{sort.word}.update", actor_id, image_id, {"name": name})
    return Change(sort.info(*row), [sort.renamed(**{sort.id_field: image_id}, name=name)], [audit])


def _remove(connection: Connection, *, sort: _Sort, image_id: int, actor_id: int) -> Change[list[tuple[str, str]]]:
    lock_event_order(connection)
    table = sort.table
    row = connection.execute(delete(table).where(table.c.id == image_id).returning(table.c.name, table.c.image)).first()
    if row is None:
        raise sort.missing()
    query = select(files.c.id, files.c.purpose).where(files.c.url == row.image, files.c.purpose == sort.word)
    gone = [(found.id, storage_key(found.id, found.purpose)) for found in connection.execute(query)]
    detach(connection, [file_id for file_id, _ in gone])
    audit = AuditEntry(f"{sort.word}.delete", actor_id, image_id, {"name": row.name})
    return Change(gone, [sort.removed(**{sort.id_field: image_id})], [audit])


def _assert_name(call: Call[Any, Any], name: str) -> None:
    validate_length(call.chat.config.limit, "name", name, "emoji_name_max")
    if not name.strip():
        raise refuse("VALIDATION_ERROR", "body.name: expected at least 1 character")


def _name_taken(name: str) -> Refusal:
    return refuse("NAME_TAKEN", f"The name {name} is taken.")


for _sort in _SORTS:
    _add_routes(_sort)
