"""Files over REST: uploading to a feed or a conversation, downloading, links, deleting.

A download is an attachment with its stored type, never to be sniffed and sandboxed where a browser opens it anyway. Only a signed link
shows inline, and only media that cannot carry scripts.
"""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Final

import msgspec

from vox.chat.api.access import IN_DM, USER, Access, in_feed
from vox.chat.api.request import Call, Reply, RouteTable, Upload, bearer_token
from vox.chat.errors import Refusal, refuse, wire_form
from vox.chat.events.permissions import P
from vox.chat.features.files import service
from vox.chat.features.files.filenames import disposition
from vox.chat.features.files.http_range import Span, requested
from vox.chat.features.files.service import (
    ADDRESS,
    FileInfo,
    FileLocation,
    StoredFile,
    file_not_found,
    find,
    may_delete,
    may_read,
    store_upload,
)
from vox.chat.features.files.upload_body import receive_upload
from vox.chat.storage.images import FORMATS
from vox.chat.storage.link_key import link_key
from vox.chat.storage.signed_links import Grant, grant, is_valid
from vox.errors import UsageError
from vox.runtime.logging import get_logger

INLINE_MEDIA: Final = frozenset({
    "audio/mpeg", "audio/ogg", "audio/wav", "audio/flac", "audio/mp4", "audio/webm",
    "video/mp4", "video/webm", "video/ogg", "video/quicktime",
})  # fmt: skip
"""Besides decoded pictures: what a signed link may show inline."""
LONGEST_ID: Final = 128

routes = RouteTable()

_log = get_logger(__name__)


class LinkQuery(msgspec.Struct, frozen=True):
    """A signed link's parameters; all or none."""

    expires: int | None = None
    user: int | None = None
    signature: str | None = None


class Link(msgspec.Struct, frozen=True):
    """Where a file is read without a header, until `expires_at` in Unix seconds."""

    url: str
    expires_at: int


@routes.post("/feeds/{feed_id}/files", access=in_feed(P.ATTACH_FILES), body=Upload, status=201, returns=FileInfo)
async def upload_to_feed(call: Call) -> FileInfo:
    """Uploads a file (multipart field `file`; `name` and `mime` if the client knows better), to be attached to a message there."""
    return await _take(call, FileLocation(feed_id=call.id("feed_id")))


@routes.post("/dms/{dm_id}/files", access=IN_DM, body=Upload, status=201, returns=FileInfo)
async def upload_to_dm(call: Call) -> FileInfo:
    """Uploads a file to a conversation."""
    return await _take(call, FileLocation(dm_id=call.id("dm_id")))


@routes.get(
    "/files/{file_id}",
    access=Access("nobody", text="who sees its message, or a signed link"),
    query=LinkQuery,
    returns=bytes,
)
async def download(call: Call[None, LinkQuery]) -> Reply:
    """The bytes of a file, or one range of them."""
    file, is_linked = await _readable(call)
    headers = _headers(file, is_inline=is_linked and _shows_inline(file))
    if call.header(b"if-none-match") == headers["etag"]:
        return Reply(304, headers=headers)
    condition = call.header(b"if-range")
    try:
        span = requested(call.header(b"range"), file.size) if condition in {"", headers["etag"]} else None
    except Refusal as refusal:
        _, body, more = wire_form(refusal)
        return Reply(refusal.status, body, {**more, "content-range": f"bytes */{file.size}"})
    status = 200
    if span is not None:
        status = 206
        headers["content-range"] = f"bytes {span.start}-{span.end - 1}/{file.size}"
    span = span or Span(0, file.size)
    headers["content-length"] = str(span.end - span.start)
    if call.scope["method"] == "HEAD":
        return Reply(status, headers=headers, stream=_nothing())
    pieces = _pieces(call, file, span)
    try:
        first = await anext(pieces, b"")  # what the storage refuses is still an answer then, and no broken body
    except UsageError as error:
        _log.warning("stored file missing", file_id=file.id, code=error.code)
        raise file_not_found() from None
    stream = _from_first(first, pieces)
    return Reply(status, headers=headers, stream=stream, on_end=pieces.aclose)


@routes.delete("/files/{file_id}", access=USER)
async def delete_file(call: Call) -> None:
    """Deletes a file, also from the message that shows it; at once for everybody, links included."""
    file = await _found(call)
    if not may_delete(call.chat.community, call.user_id, file):
        raise _forbidden()
    await service.delete_file(call.chat, file, call.user_id)


@routes.post("/files/{file_id}/link", access=USER, returns=Link)
async def make_link(call: Call) -> Link:
    """A link for `<img>` and `<video>` in a browser; it works for a while, and as long as the caller may see the file."""
    chat = call.chat
    if not chat.settings.signed_media_urls:
        raise refuse("UNKNOWN", "Not Found")
    file = await _found(call)
    if not may_read(chat.community, call.user_id, file):
        raise _forbidden()
    expires = int(chat.clock.wall().timestamp()) + chat.settings.signed_media_ttl_s
    given = grant(await link_key(chat.upload_limits, chat.change), file.id, call.user_id, expires)
    query = f"expires={given.expires}&user={given.user}&signature={given.signature}"
    return Link(f"{ADDRESS.format(file.id)}?{query}", expires)


async def _take(call: Call[Any, Any], place: FileLocation) -> FileInfo:
    limit = call.chat.config.limit("file_upload_max_bytes")
    async with receive_upload(call, field="file", kind="file", max_bytes=limit) as file:
        return await store_upload(call.chat, file, call.user_id, "attachment", place)


async def _readable(call: Call[None, LinkQuery]) -> tuple[StoredFile, bool]:
    """The file, and whether a link led to it; login and link are asked for the same permission."""
    chat, query = call.chat, call.query
    if call.login is not None:
        reader, is_linked = call.user_id, False
    else:
        reader, is_linked = await _link_user(call, query), True
    file = await _found(call)
    if not may_read(chat.community, reader, file):
        raise _forbidden()
    return file, is_linked


async def _link_user(call: Call[None, LinkQuery], query: LinkQuery) -> int:
    chat = call.chat
    authorization = call.header(b"authorization")
    if authorization or query.signature is None:
        if not authorization:
            raise refuse("VALIDATION_ERROR", "header authorization: field required")
        await chat.logins.authenticate_member(bearer_token(authorization), call.client)  # refuses it with the reason
        raise refuse("AUTH_FAILED", "Send Authorization: Bearer <token>.")
    if not chat.settings.signed_media_urls or query.expires is None or query.user is None:
        raise _forbidden()
    given = Grant(query.expires, query.user, query.signature)
    if not is_valid(
        await link_key(chat.upload_limits, chat.change), call.text("file_id"), given, chat.clock.wall().timestamp()
    ):
        raise _forbidden()
    return given.user


async def _found(call: Call[Any, Any]) -> StoredFile:
    file_id = call.text("file_id")
    if len(file_id) > LONGEST_ID or "\0" in file_id:
        raise file_not_found()
    return await call.chat.read(partial(find, file_id=file_id))


def _headers(file: StoredFile, *, is_inline: bool) -> dict[str, str]:
    return {
        "content-type": file.mime,
        "content-disposition": disposition(file.name, is_inline=is_inline),
        "content-security-policy": "default-src 'none'; sandbox",
        "etag": f'"{file.id}"',
        "accept-ranges": "bytes",
    }


def _shows_inline(file: StoredFile) -> bool:
    return (file.mime in FORMATS and file.width is not None) or file.mime in INLINE_MEDIA


def _forbidden() -> Refusal:
    return refuse("FORBIDDEN", "This file is not for you.")


async def _pieces(call: Call[Any, Any], file: StoredFile, span: Span) -> AsyncGenerator[bytes, None]:
    if span.start == span.end:
        return
    async for piece in call.chat.storage.open(file.key, span.start, span.end):
        yield piece


async def _from_first(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    if first:
        yield first
    async for piece in rest:
        yield piece


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""
