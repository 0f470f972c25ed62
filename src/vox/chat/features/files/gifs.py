"""GIF search over REST, so that clients need no key of the provider and the provider never sees them.

The provider's answer is read strictly and shown in the original's form; what is not understood is an upstream error, never ours.
"""

from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta

from vox.chat.api.access import USER
from vox.chat.api.request import Call, RouteTable
from vox.chat.errors import Refusal, refuse
from vox.errors import VoxError

KLIPY: Final = "https://api.klipy.com/api/v1"
DEADLINE_S: Final = 5.0
MAX_BYTES: Final = 2_097_152
CUSTOMER: Final = "vox"
"""The provider wants to know its users apart; it is told one name for all."""
MAX_QUERY: Final = 200

_SIZES: Final = {"xs": "tinygif", "sm": "smallgif", "md": "gif", "hd": "hdgif"}
_OK: Final = 200

routes = RouteTable()


class SearchQuery(msgspec.Struct, frozen=True):
    """What to look for."""

    q: Annotated[str, Meta(min_length=1, max_length=MAX_QUERY)]
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class TrendingQuery(msgspec.Struct, frozen=True):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class GifFormat(msgspec.Struct, frozen=True):
    """One size and format of a GIF, in pixels."""

    url: str
    width: int
    height: int


class Gif(msgspec.Struct, frozen=True):
    """A GIF in the sizes there are: tinygif, smallgif, gif, hdgif, each also with `_mp4`."""

    id: str
    title: str
    media_formats: dict[str, GifFormat]


class GifPage(msgspec.Struct, frozen=True):
    """GIFs, and the name of the next page where there is one."""

    results: list[Gif]
    next: str | None


class _File(msgspec.Struct):
    url: str
    width: int
    height: int


class _Item(msgspec.Struct):
    file: dict[str, dict[str, _File]]
    id: int | str | None = None
    slug: str = ""
    title: str | None = None


class _Page(msgspec.Struct):
    data: list[dict[str, Any]]
    current_page: int = 1
    has_next: bool = False


class _Answer(msgspec.Struct):
    data: _Page


_decode = msgspec.json.Decoder(_Answer).decode


@routes.get("/gifs/search", access=USER, query=SearchQuery, returns=GifPage)
async def search_gifs(call: Call[None, SearchQuery]) -> GifPage:
    """GIFs for some words."""
    return await _asked(call, "search", call.query.limit, {"q": call.query.q})


@routes.get("/gifs/trending", access=USER, query=TrendingQuery, returns=GifPage)
async def trending_gifs(call: Call[None, TrendingQuery]) -> GifPage:
    """GIFs that are used much these days."""
    return await _asked(call, "trending", call.query.limit, {})


async def _asked(call: Call[None, Any], what: str, limit: int, more: dict[str, str]) -> GifPage:
    chat = call.chat
    key = await chat.config.gifs_api_key(chat.read)
    if not key or chat.config.get("gifs_provider") != "klipy":
        raise refuse("GIF_PROVIDER_UNAVAILABLE", "GIF search is not set up here.")
    asked = {"page": "1", "per_page": str(limit), "customer_id": CUSTOMER, **more}
    asked["content_filter"] = chat.config.get("gifs_content_filter")
    if locale := chat.config.optional("gifs_locale"):
        asked["locale"] = locale
    url = f"{KLIPY}/{quote(key, safe='')}/gifs/{what}?{urlencode(asked)}"
    try:
        with chat.upload_limits.fetch_slot("gifs"):
            answer = await chat.outbound.fetch("GET", url, deadline_s=DEADLINE_S, max_bytes=MAX_BYTES)
        if answer.status != _OK:
            raise _upstream()
        return page_of(answer.body, limit)
    except Refusal:
        raise
    except (VoxError, msgspec.DecodeError):
        raise _upstream() from None  # the cause has the key in its address


def page_of(body: bytes, limit: int) -> GifPage:
    """A provider's answer in our form; advertisements between its items are left out.

    Raises:
        msgspec.DecodeError: it is none.
    """
    page = _decode(body).data
    results: list[Gif] = []
    for raw in page.data:
        if "file" not in raw:
            continue
        item = msgspec.convert(raw, _Item, strict=False)
        formats: dict[str, GifFormat] = {}
        for size, name in _SIZES.items():
            kinds = item.file.get(size, {})
            for kind, ending in (("gif", ""), ("mp4", "_mp4")):
                found = kinds.get(kind)
                if found is not None and found.url.startswith("https://"):
                    formats[name + ending] = GifFormat(found.url, found.width, found.height)
        if formats:
            results.append(Gif(item.slug if item.id is None else str(item.id), item.title or "", formats))
    return GifPage(results[:limit], str(page.current_page + 1) if page.has_next else None)


def _upstream() -> Refusal:
    return refuse("GIF_UPSTREAM_ERROR", "The GIF provider does not answer as it should.")
