"""Thumbnails, pictures from elsewhere, avatars and the community's icon over REST."""

from functools import partial
from typing import Final

from vox.chat.api.access import PUBLIC, USER, Access, requires, self_or
from vox.chat.api.rate_categories import LOOKUP, MEDIA
from vox.chat.api.request import Call, Reply, RouteTable, Upload
from vox.chat.errors import refuse
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P
from vox.chat.features.files.download import from_first, pieces_of, response_headers
from vox.chat.features.files.http_range import Span
from vox.chat.features.files.readers import EVERY_IMAGE, forbidden, readable
from vox.chat.features.files.service import file_not_found, find
from vox.chat.features.media.icons import file_of, received_icon, remove_icon
from vox.chat.features.media.schemas import LinksRequest, MediaLinks, PictureQuery, ThumbnailQuery
from vox.chat.features.media.service import picture, thumbnail
from vox.chat.features.members.schemas import Avatar
from vox.chat.features.members.service import change_profile
from vox.chat.features.server.schemas import ServerInfo
from vox.chat.features.server.service import change as change_server
from vox.chat.features.server.service import server_info
from vox.chat.storage.link_key import link_key
from vox.chat.storage.media_cache import CachedMedia
from vox.chat.storage.proxied_links import is_signed, proxied
from vox.chat.storage.signed_links import grant
from vox.errors import UsageError
from vox.http.header_values import etag_matches

IMAGES_TTL_S: Final = 86_400
"""How long the query for emoji, stickers, avatars and icons works: members may see them all, and browsers keep them."""
ICON_MAX_AGE_S: Final = 300

routes = RouteTable()


@routes.get(
    "/files/{file_id}/thumbnail",
    access=Access("public", text="members who can see its message, or a signed link", takes_login=True),
    query=ThumbnailQuery,
    returns=bytes,
)
async def get_thumbnail(call: Call[None, ThumbnailQuery]) -> Reply:
    """A smaller copy of a picture, as WebP: its longest side is the next of 64, 128, 320, 640 and 1280 pixels."""
    file, _ = await readable(call, call.query)
    return _shown(call, await thumbnail(call.chat, file, call.query.size), f'"{file.id}-{call.query.size}"')


@routes.get("/media", access=PUBLIC, query=PictureQuery, returns=bytes, category=MEDIA)
async def get_picture(call: Call[None, PictureQuery]) -> Reply:
    """A picture from elsewhere by its signed address, fetched by this server, so that its host does not learn who reads."""
    chat, query = call.chat, call.query
    user = UserId(query.user)
    person = chat.community.users.get(user)
    secret = await link_key(chat.upload_limits, chat.change)
    if (
        not chat.settings.signed_media_urls
        or not is_signed(secret, user, query.expires, query.source, query.signature)
        or query.expires <= chat.clock.unix_s()
        or person is None
        or not person.is_active
    ):
        raise forbidden()
    return _shown(call, await picture(chat, query.source), "")


@routes.post("/media/links", access=USER, body=LinksRequest, returns=MediaLinks, category=LOOKUP)
async def make_media_links(call: Call[LinksRequest]) -> MediaLinks:
    """Signed addresses for pictures from elsewhere, such as those of embeds and GIFs, and one query for the community's own."""
    chat = call.chat
    if not chat.settings.signed_media_urls:
        raise refuse("UNKNOWN", "Not Found")
    secret, now_s = await link_key(chat.upload_limits, chat.change), chat.clock.unix_s()
    expires = now_s + chat.settings.signed_media_ttl_s
    links = proxied(secret, call.user_id, expires, dict.fromkeys(call.body.sources))
    given = grant(secret, EVERY_IMAGE, call.user_id, now_s + IMAGES_TTL_S)
    query = f"expires={given.expires}&user={given.user}&signature={given.signature}"
    return MediaLinks(links, expires, query, given.expires)


@routes.post(
    "/users/{user_id}/avatar", access=self_or(P.ADMINISTRATOR), body=Upload, form=("image", ""), returns=Avatar
)
async def upload_avatar(call: Call) -> Avatar:
    """Uploads an avatar (multipart: `image`), which is cut to a square of at most 512 pixels."""
    chat, user_id = call.chat, call.target_id
    async with received_icon(call) as icon:
        before = chat.community.users[user_id].avatar
        await chat.change(partial(change_profile, user_id=user_id, changed={"avatar": icon.url}))
    await remove_icon(chat, before)
    return Avatar(icon.url)


@routes.delete("/users/{user_id}/avatar", access=self_or(P.ADMINISTRATOR))
async def delete_avatar(call: Call) -> None:
    """Takes the avatar away."""
    chat, user_id = call.chat, call.target_id
    before = chat.community.users[user_id].avatar
    if before:
        await chat.change(partial(change_profile, user_id=user_id, changed={"avatar": ""}))
        await remove_icon(chat, before)


@routes.post("/server/icon", access=requires(P.MANAGE_SERVER), body=Upload, form=("image", ""), returns=ServerInfo)
async def upload_server_icon(call: Call) -> ServerInfo:
    """Uploads the community's icon (multipart: `image`), which is cut to a square of at most 512 pixels."""
    chat = call.chat
    async with received_icon(call) as icon:
        before = chat.config.optional("server_icon")
        await chat.change(partial(change_server, actor_id=call.user_id, values={"icon": icon.url}))
    await remove_icon(chat, before)
    return server_info(chat)


@routes.delete("/server/icon", access=requires(P.MANAGE_SERVER))
async def delete_server_icon(call: Call) -> None:
    """Takes the community's icon away."""
    chat = call.chat
    before = chat.config.optional("server_icon")
    if before:
        await chat.change(partial(change_server, actor_id=call.user_id, values={"icon": ""}))
        await remove_icon(chat, before)


@routes.get("/client/icon", access=PUBLIC, returns=bytes, category=MEDIA)
async def get_server_icon(call: Call) -> Reply:
    """The community's icon, where it was uploaded here: the only file that is for visitors, too."""
    file_id = file_of(call.chat.config.optional("server_icon"))
    if file_id is None:
        raise file_not_found()
    file = await call.chat.read(partial(find, file_id=file_id))
    if file.purpose != "icon":
        raise file_not_found()
    headers = response_headers(file, is_inline=True)
    headers |= {"cache-control": f"public, max-age={ICON_MAX_AGE_S}", "content-length": str(file.size)}
    pieces = pieces_of(call.chat.storage, file, Span(0, file.size))
    try:
        first = await anext(pieces, b"")
    except UsageError:
        raise file_not_found() from None
    return Reply(200, headers=headers, stream=from_first(first, pieces), on_end=pieces.aclose)


def _shown(call: Call[None, ThumbnailQuery] | Call[None, PictureQuery], media: CachedMedia, etag: str) -> Reply:
    """A picture for a page, which the browser keeps as long as its address works."""
    left_s = max(0, (call.query.expires or 0) - call.chat.clock.unix_s())
    headers = {
        "content-type": media.mime,
        "content-disposition": "inline",
        "content-security-policy": "default-src 'none'; sandbox",
        "cache-control": f"private, max-age={left_s}",
    }
    if etag:
        headers["etag"] = etag
        if etag_matches(call.header(b"if-none-match"), etag):
            return Reply(304, headers=headers)
    return Reply(200, media.body, headers)
