"""Files, emoji, stickers, GIFs and link previews over REST."""

from functools import partial
from typing import Any, Final

from vox.chat.api.access import IN_DM, USER, Access, in_feed, requires
from vox.chat.api.request import Call, Reply, RouteTable, Upload
from vox.chat.database.conflicts import map_conflict
from vox.chat.errors import Refusal, refuse, wire_form
from vox.chat.events.permissions import P
from vox.chat.features.files import custom_images, gifs, service
from vox.chat.features.files.custom_images import EMOJI, STICKERS, ImageSort
from vox.chat.features.files.download import from_first, no_bytes, pieces_of, response_headers, shows_inline
from vox.chat.features.files.http_range import Span, requested
from vox.chat.features.files.previews import preview
from vox.chat.features.files.readers import forbidden, found, readable
from vox.chat.features.files.schemas import (
    EmbedRequest,
    FileInfo,
    GifPage,
    GifSearchQuery,
    ImagePageQuery,
    Link,
    LinkQuery,
    Rename,
    TrendingQuery,
)
from vox.chat.features.files.service import delete_stored, file_not_found, store_upload
from vox.chat.features.files.stored_files import FileLocation, may_delete, may_read
from vox.chat.features.files.upload_body import receive_upload
from vox.chat.features.messages.schemas import Embed
from vox.chat.storage.file_links import Signer
from vox.chat.storage.link_key import link_key
from vox.errors import UsageError
from vox.http.header_values import etag_matches
from vox.runtime.logging import get_logger

IMAGE_CACHE_CONTROL: Final = "private, max-age=86400, immutable"
"""Of emoji, stickers, avatars and icons behind a link: another picture has another address."""

routes = RouteTable()

_log = get_logger(__name__)


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
    access=Access("public", text="members who can see its message, or a signed link", takes_login=True),
    query=LinkQuery,
    returns=bytes,
)
async def download(call: Call[None, LinkQuery]) -> Reply:
    """The bytes of a file, or one range of them."""
    file, is_linked = await readable(call, call.query)
    headers = response_headers(file, is_inline=is_linked and shows_inline(file))
    if is_linked and file.is_custom_image:
        headers["cache-control"] = IMAGE_CACHE_CONTROL
    if etag_matches(call.header(b"if-none-match"), headers["etag"]):
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
        return Reply(status, headers=headers, stream=no_bytes())
    pieces = pieces_of(call.chat.storage, file, span)
    try:
        first = await anext(pieces, b"")  # what the storage refuses is still an answer then, and no broken body
    except UsageError as error:
        _log.warning("stored file missing", file_id=file.id, code=error.code)
        raise file_not_found() from None
    stream = from_first(first, pieces)
    return Reply(status, headers=headers, stream=stream, on_end=pieces.aclose)


@routes.delete("/files/{file_id}", access=USER)
async def delete_file(call: Call) -> None:
    """Deletes a file, also from the message that shows it; links to it end at once."""
    file = await found(call)
    if not may_delete(call.chat.community, call.user_id, file):
        raise forbidden()
    await service.delete_file(call.chat, file, call.user_id)


@routes.post("/files/{file_id}/link", access=USER, returns=Link)
async def make_link(call: Call) -> Link:
    """A link for `<img>` and `<video>` in a browser; it works for a while, and as long as the caller may see the file."""
    chat = call.chat
    if not chat.settings.signed_media_urls:
        raise refuse("UNKNOWN", "Not Found")
    file = await found(call)
    if not may_read(chat.community, call.user_id, file):
        raise forbidden()
    expires = chat.clock.unix_s() + chat.settings.signed_media_ttl_s
    signer = Signer(await link_key(chat.upload_limits, chat.change), call.user_id, expires)
    thumbnail = signer.thumbnail(file.id, file.mime, file.width)
    return Link(signer.file(file.id), expires, file.width, file.height, thumbnail)


@routes.get("/gifs/search", access=USER, query=GifSearchQuery, returns=GifPage)
async def search_gifs(call: Call[None, GifSearchQuery]) -> GifPage:
    """GIFs for some words."""
    return await _gifs(call, "search", call.query.limit, {"q": call.query.q})


@routes.get("/gifs/trending", access=USER, query=TrendingQuery, returns=GifPage)
async def trending_gifs(call: Call[None, TrendingQuery]) -> GifPage:
    """GIFs that are popular at present."""
    return await _gifs(call, "trending", call.query.limit, {})


@routes.post("/embeds/resolve", access=USER, body=EmbedRequest, returns=Embed)
async def resolve_embed(call: Call[EmbedRequest]) -> Embed:
    """The card of a web page; empty where it has none or cannot be read."""
    return await preview(call.body.url, call.chat.outbound, call.chat.upload_limits)


async def _take(call: Call[Any, Any], place: FileLocation) -> FileInfo:
    limit = call.chat.config.limit("file_upload_max_bytes")
    async with receive_upload(call, field="file", kind="file", max_bytes=limit) as file:
        return await store_upload(call.chat, file, call.user_id, "attachment", place)


async def _gifs(call: Call[None, Any], kind: str, limit: int, parameters: dict[str, str]) -> GifPage:
    chat = call.chat
    key = await chat.config.gifs_api_key(chat.read)
    url = gifs.request_url(chat.config, key, kind, limit, parameters)
    return await gifs.fetch_page(url, limit, chat.outbound, chat.upload_limits)


def _add_image_routes(sort: ImageSort) -> None:
    """Adds the routes of emoji or stickers, which differ in their names on the wire only."""
    one = f"{sort.path}/{{{sort.id_field}}}"
    managers = requires(P.MANAGE_EMOJI)

    async def list_all(call: Call[None, ImagePageQuery]) -> Any:
        limit = min(call.query.limit, call.chat.config.limit(f"page_limit_{sort.path[1:]}"))
        unit = partial(custom_images.images_after, sort=sort, after=call.query.after, limit=limit)
        items = await call.chat.read(unit)
        return sort.page(items, str(getattr(items[-1], sort.id_field)) if items else None)

    async def create(call: Call) -> Any:
        limits = call.chat.config.limit
        most, code = custom_images.upload_limit(limits, sort)
        async with receive_upload(call, field="image", kind=sort.kind, max_bytes=most, too_large=code) as file:
            name = file.fields.get("name")
            if name is None:
                raise refuse("VALIDATION_ERROR", "body.name: field required")
            name = custom_images.checked_name(limits, name)
            await call.chat.read(partial(custom_images.assert_name_is_free, sort=sort, name=name))
            stored = await store_upload(call.chat, file, call.user_id, sort.kind, FileLocation())
        values = {"name": name, "creator_id": call.user_id, "image": stored.url}
        return await custom_images.create_image(call.chat, sort, stored.file_id, values)

    async def rename(call: Call[Rename]) -> Any:
        name, image_id = call.body.name, call.id(sort.id_field)
        if name is not None:
            name = custom_images.checked_name(call.chat.config.limit, name)
        unit = partial(custom_images.rename_image, sort=sort, image_id=image_id, name=name, actor_id=call.user_id)
        with map_conflict(custom_images.name_taken(name or "")):
            return await call.chat.change(unit)

    async def delete(call: Call) -> None:
        image_id = call.id(sort.id_field)
        unit = partial(custom_images.delete_image, sort=sort, image_id=image_id, actor_id=call.user_id)
        await delete_stored(call.chat, await call.chat.change(unit))

    for endpoint, name, doc in (
        (list_all, "list", f"All {sort.path[1:]}, by id."),
        (create, "create", f"Creates a {sort.kind} (multipart: `image` and `name`)."),
        (rename, "rename", f"Gives the {sort.kind} another name."),
        (delete, "delete", f"Deletes the {sort.kind} and its picture."),
    ):
        endpoint.__name__, endpoint.__doc__ = f"{name}_{sort.kind}", doc
    routes.get(sort.path, access=USER, query=ImagePageQuery, returns=sort.page)(list_all)
    routes.post(sort.path, access=managers, body=Upload, form=("image", "name"), status=201, returns=sort.info)(create)
    routes.patch(one, access=managers, body=Rename, returns=sort.info)(rename)
    routes.delete(one, access=managers)(delete)


for _sort in (EMOJI, STICKERS):
    _add_image_routes(_sort)
