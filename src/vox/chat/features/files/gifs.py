"""GIF search through the server, so that clients need no key of the provider and the provider never sees them.

The provider's answer is read strictly and given in the form of the original; one that cannot be read is an upstream error.
"""

from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from vox.chat.config.runtime_config import Config
from vox.chat.errors import Refusal, refuse
from vox.chat.features.files.schemas import Gif, GifFormat, GifPage
from vox.chat.storage.limits import UploadLimits
from vox.errors import VoxError
from vox.security.outbound import OutboundGuard

KLIPY: Final = "https://api.klipy.com/api/v1"
DEADLINE_S: Final = 5.0
MAX_BYTES: Final = 2_097_152
CUSTOMER: Final = "vox"
"""The provider wants to tell users apart; it gets one name for all of them."""

_SIZES: Final = {"xs": "tinygif", "sm": "smallgif", "md": "gif", "hd": "hdgif"}
_OK: Final = 200


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


def request_url(config: Config, key: str, kind: str, limit: int, parameters: dict[str, str]) -> str:
    """The address of a request to the provider.

    Args:
        config: names the provider, and how its results are filtered.
        key: of the provider; empty where none is set.
        kind: search or trending.
        limit: how many GIFs.
        parameters: what else is asked for.

    Raises:
        Refusal: GIF_PROVIDER_UNAVAILABLE.
    """
    if not key or config.get("gifs_provider") != "klipy":
        raise refuse("GIF_PROVIDER_UNAVAILABLE", "GIF search is not set up on this server.")
    query = {"page": "1", "per_page": str(limit), "customer_id": CUSTOMER, **parameters}
    query["content_filter"] = config.get("gifs_content_filter")
    if locale := config.optional("gifs_locale"):
        query["locale"] = locale
    return f"{KLIPY}/{quote(key, safe='')}/gifs/{kind}?{urlencode(query)}"


async def fetch_page(url: str, limit: int, outbound: OutboundGuard, limits: UploadLimits) -> GifPage:
    """Asks the provider.

    Raises:
        Refusal: GIF_UPSTREAM_ERROR, UNAVAILABLE where too many requests are under way.
    """
    try:
        with limits.fetch_slot("gifs"):
            answer = await outbound.fetch("GET", url, deadline_s=DEADLINE_S, max_bytes=MAX_BYTES)
        if answer.status != _OK:
            raise _upstream()
        return page_of(answer.body, limit)
    except Refusal:
        raise
    except (VoxError, msgspec.DecodeError):
        raise _upstream() from None  # the cause has the key in its address


def page_of(body: bytes, limit: int) -> GifPage:
    """The page in a provider's answer; advertisements between its items are left out.

    Raises:
        msgspec.DecodeError: the answer has another form.
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
    return refuse("GIF_UPSTREAM_ERROR", "The GIF provider gave no usable answer; try again later.")
