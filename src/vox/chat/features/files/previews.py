"""Link previews: fetches a page that a member names, through the outbound guard, and returns its card.

The answer never says why there is no card, so that it reveals nothing about servers in the internal network.
"""

import asyncio
from typing import Final

from vox.chat.errors import Refusal, refuse
from vox.chat.features.files.open_graph import PAGES, card, decoded
from vox.chat.features.messages.schemas import Embed
from vox.chat.storage.limits import UploadLimits
from vox.errors import DependencyError, UsageError
from vox.http.header_values import media_type
from vox.security.outbound import FetchResult, OutboundGuard

DEADLINE_S: Final = 5.0
MAX_BYTES: Final = 1_048_576
MAX_REDIRECTS: Final = 5
MAX_URL: Final = 2048
USER_AGENT: Final = "VoxBot/1.0"


async def preview(url: str, outbound: OutboundGuard, limits: UploadLimits) -> Embed:
    """The card of a web page; empty where it has none or cannot be read.

    Args:
        url: as the caller sent it.
        outbound: refuses addresses inside the server's own network.
        limits: how many pages may be fetched at the same time.

    Raises:
        Refusal: INVALID_URL, UNAVAILABLE where too many pages are being fetched.
    """
    url = url.strip()
    if len(url) > MAX_URL:
        raise _invalid()
    try:
        outbound.check_url(url)
        with limits.fetch_slot("previews"):
            page = await outbound.fetch(
                "GET",
                url,
                headers={"user-agent": USER_AGENT, "accept": ", ".join(sorted(PAGES))},
                deadline_s=DEADLINE_S,
                max_bytes=MAX_BYTES,
                max_redirects=MAX_REDIRECTS,
            )
            return await asyncio.to_thread(_card, page)
    except Refusal:
        raise
    except UsageError:
        raise _invalid() from None
    except DependencyError as error:
        if error.code == "host_unresolvable":
            raise _invalid() from None
        return Embed()


def _card(page: FetchResult) -> Embed:
    content_type = page.headers.get("content-type", "")
    is_page = media_type(content_type) in PAGES
    if page.status != 200 or not is_page:  # noqa: PLR2004  the one status with a page of its own
        return Embed()
    return card(decoded(page.body, content_type), page.url)


def _invalid() -> Refusal:
    return refuse("INVALID_URL", "This address cannot be previewed.")
