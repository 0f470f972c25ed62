"""The card of a web page, read from its OpenGraph tags. Pure.

The page is untrusted: only the head is read, every text is cut, and an address that is not http or https is dropped, because a
client may open it.
"""

import re
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin, urlsplit

from vox.chat.features.messages.schemas import Embed

MAX_PARSED: Final = 524_288
"""Characters of a page that are examined; cards are in the head."""
MAX_TEXTS: Final = {"title": 256, "description": 4096, "site_name": 256, "type": 64, "locale": 32}
MAX_ADDRESS: Final = 2048
MAX_PIXELS: Final = 65_535
PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
"""The types that are read for a card."""

_CHARSETS: Final = frozenset({
    "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "iso-8859-2", "iso-8859-5", "iso-8859-9", "iso-8859-15",
    "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1256", "koi8-r", "koi8-u",
    "shift_jis", "euc-jp", "euc-kr", "gb2312", "gbk", "gb18030", "big5",
})  # fmt: skip
"""The page names its charset, and Python's table of codecs contains more than charsets."""
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_-]{1,32})", re.ASCII)
_SPACES: Final = re.compile(r"\s+")


def decoded(body: bytes, content_type: str) -> str:
    """A page as text, by the charset of its header or of its first kilobyte; UTF-8 where none is known."""
    named = _CHARSET.search(content_type) or _CHARSET.search(body[:1024].decode("latin-1"))
    charset = named[1].lower() if named else "utf-8"
    return body.decode(charset if charset in _CHARSETS else "utf-8", "replace")


def card(page: str, address: str) -> Embed:
    """The card of a page; without tags it is empty.

    Args:
        page: HTML.
        address: where it came from, for relative addresses.
    """
    head = _Head()
    try:
        head.feed(page[:MAX_PARSED])
    except _HeadEndedError:
        pass
    except (AssertionError, ValueError):  # what html.parser raises for some malformed declarations
        pass
    return _card_of(head, address)


class _HeadEndedError(Exception):
    """The rest of the page is not needed."""


class _Head(HTMLParser):
    """Collects the meta tags of a page's head, the first of each name."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: dict[str, str] = {}
        self.title = ""
        self._is_in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps a meta tag; the body ends the reading."""
        if tag == "body":
            raise _HeadEndedError
        if tag == "title":
            self._is_in_title = not self.title
        elif tag == "meta":
            given = dict(attrs)
            name, content = given.get("property") or given.get("name"), given.get("content")
            if name and content:
                self.tags.setdefault(name.strip().lower(), content)

    def handle_endtag(self, tag: str) -> None:
        """The end of the title, or of the head."""
        if tag == "title":
            self._is_in_title = False
        elif tag == "head":
            raise _HeadEndedError

    def handle_data(self, data: str) -> None:
        """The text of the title."""
        if self._is_in_title and len(self.title) < MAX_TEXTS["title"]:
            self.title += data


def _card_of(head: _Head, address: str) -> Embed:
    tags = head.tags

    def text(field: str, *names: str) -> str | None:
        found = next((value for name in names if (value := _plain(tags.get(name, "")))), "")
        return found[: MAX_TEXTS[field]] or None

    return Embed(
        title=text("title", "og:title", "twitter:title") or _plain(head.title)[: MAX_TEXTS["title"]] or None,
        description=text("description", "og:description", "twitter:description", "description"),
        url=_address(tags.get("og:url"), address),
        site_name=text("site_name", "og:site_name"),
        image=_address(_first(tags, "og:image:secure_url", "og:image", "og:image:url", "twitter:image"), address),
        image_width=_pixels(tags.get("og:image:width")),
        image_height=_pixels(tags.get("og:image:height")),
        video=_address(_first(tags, "og:video:secure_url", "og:video", "og:video:url"), address),
        video_width=_pixels(tags.get("og:video:width")),
        video_height=_pixels(tags.get("og:video:height")),
        audio=_address(_first(tags, "og:audio:secure_url", "og:audio"), address),
        type=text("type", "og:type"),
        locale=text("locale", "og:locale"),
    )


def _first(tags: dict[str, str], *names: str) -> str | None:
    return next((tags[name] for name in names if name in tags), None)


def _plain(text: str) -> str:
    return _SPACES.sub(" ", text.replace("\0", "")).strip()


def _pixels(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 5:  # noqa: PLR2004  digits of 65535
        return None
    return int(text) if 0 < int(text) <= MAX_PIXELS else None


def _address(text: str | None, base: str) -> str | None:
    """An absolute http or https address, or None."""
    if not text or len(text) > MAX_ADDRESS or any(ord(char) <= 32 or ord(char) == 127 for char in text.strip()):  # noqa: PLR2004  controls
        return None
    try:
        joined = urljoin(base, text.strip())
        parts = urlsplit(joined)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        return None
    return joined[:MAX_ADDRESS] if is_web else None
