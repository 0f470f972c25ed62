"""Links in a text, and whether lists of domains allow them. Pure.

An address counts however it is written: without a scheme, as `hxxp`, with `[.]` for its dots, in full-width characters, with a
user name before the host, with the host in percent signs or in Punycode. Where links are only allowed to some domains, what has
no scheme counts as a link where it begins with `www.`, has a path, or ends in one of the common top-level domains.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from vox.text.disguises import key_of

LONGEST_HOST: Final = 253
LINKS_READ: Final = 100
"""Links of one text that are looked at; a text with more is caught by its number."""

_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_DOTS: Final = re.compile(r"[\u3002\uff0e\uff61]|[\[({]\s?(?:\.|dot|punkt)\s?[\])}]", re.IGNORECASE)
_WITH_SCHEME: Final = re.compile(r"\bh(?:tt|xx|\*\*)ps?\s?(?::|\[:\])[\\/]{1,8}([^\s<>\"'`]{1,2048})", re.IGNORECASE)
_BARE: Final = re.compile(
    r"(?<![\w@.-])((?:[^\W_][\w-]{0,62}\.){1,8}[^\W\d_][\w-]{1,62})(?![\w-]|\.\w|@)(/[^\s<>\"'`]{0,2048})?"
)
_COMMON: Final = frozenset(
    [
        "com",
        "net",
        "org",
        "io",
        "gg",
        "me",
        "co",
        "tv",
        "app",
        "dev",
        "xyz",
        "info",
        "biz",
        "online",
        "site",
        "shop",
        "top",
        "club",
        "link",
        "live",
        "ru",
        "de",
        "fr",
        "uk",
        "eu",
        "us",
        "cn",
        "jp",
        "br",
        "in",
        "it",
        "nl",
        "pl",
        "es",
        "ly",
        "to",
        "gl",
    ]
)
_INVITES: Final[Mapping[str, Sequence[str]]] = {
    "discord.gg": ("",),
    "discord.com": ("/invite/",),
    "discordapp.com": ("/invite/",),
    "dsc.gg": ("",),
    "t.me": ("/+", "/joinchat/"),
    "telegram.me": ("/+", "/joinchat/"),
    "chat.whatsapp.com": ("",),
    "matrix.to": ("/#/",),
    "signal.group": ("",),
    "guilded.gg": ("/i/",),
    "stt.gg": ("",),
    "rvlt.gg": ("",),
    "join.slack.com": ("",),
}
"""Where invites of other communities lead: how the path begins, by host."""
_OWN_INVITE: Final = re.compile(r"/(?:invite|invites)/[\w-]{4,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Link:
    """An address in a text.

    Args:
        host: its domain, in lower case; Punycode decoded.
        path: what follows the host; may be empty.
        is_certain: whether clients surely make a link of it.
    """

    host: str
    path: str
    is_certain: bool


def links_in(text: str) -> list[Link]:
    """The links of a text, in order, at most LINKS_READ."""
    if "." not in text and "://" not in text and text.isascii() and not _DOTS.search(text):
        return []
    plain = _DOTS.sub(".", text)
    if not plain.isascii():
        plain = _DOTS.sub(".", unicodedata.normalize("NFKC", _INVISIBLE.sub("", plain)))
    found: list[Link] = []
    for link in _found(plain):
        found.append(link)
        if len(found) == LINKS_READ:
            break
    return found


def normalised_domain(domain: str) -> str:
    """A listed domain as hosts are compared; empty where it is none."""
    bare = domain.strip().removeprefix("*.").removeprefix("https://").removeprefix("http://").partition("/")[0]
    host = "" if "@" in bare else _host(bare)
    return host if "." in host and len(host) <= LONGEST_HOST and not re.search(r"[\s@:]", host) else ""


class Domains:
    """A list of domains; a host is looked up by its own labels, so a long list costs no more than a short one.

    Args:
        listed: the domains, as `normalised_domain` gives them.
    """

    __slots__ = ("_exact", "_shown")

    def __init__(self, listed: Iterable[str]) -> None:
        self._exact = frozenset(listed)
        self._shown = frozenset(map(_shown, self._exact))

    def __bool__(self) -> bool:
        return bool(self._exact)

    def covers(self, host: str) -> bool:
        """Whether a host is one of the domains or below one."""
        return not self._exact.isdisjoint(_suffixes(host))

    def resembles(self, host: str) -> bool:
        """Whether a host is, is below, or looks like one of the domains."""
        return self.covers(host) or (not host.isascii() and not self._shown.isdisjoint(_suffixes(_shown(host))))


def is_invite(link: Link) -> bool:
    """Whether a link invites to a community: of a known service, or with the path of an invite of a server like this."""
    if _OWN_INVITE.search(link.path):
        return True
    host = link.host if link.host.isascii() else _shown(link.host)
    starts = [start for suffix in _suffixes(host) for start in _INVITES.get(suffix, ())]
    return len(link.path) > 1 and any(link.path.startswith(start) for start in starts)


def _shown(host: str) -> str:
    """A host as its letters look."""
    return ".".join(key_of(label) for label in host.split("."))


def _suffixes(host: str) -> Iterator[str]:
    """A host and all domains it is below."""
    while host:
        yield host
        host = host.partition(".")[2]


def _found(text: str) -> Iterator[Link]:
    rest: list[str] = []
    position = 0
    for match in _WITH_SCHEME.finditer(text):
        rest.append(text[position : match.start()])
        position = match.end()
        authority, path = _split(match.group(1))
        host = _host(authority)
        if host:
            yield Link(host, path, is_certain=True)
    rest.append(text[position:])
    for match in _BARE.finditer(" ".join(rest)):
        host = _host(match.group(1))
        path = match.group(2) or ""
        is_certain = bool(path) or host.startswith("www.") or host.rpartition(".")[2] in _COMMON
        yield Link(host, path, is_certain)


def _split(address: str) -> tuple[str, str]:
    cut = re.search(r"[/\\?#]", address)
    authority = address if cut is None else address[: cut.start()]
    path = "" if cut is None else address[cut.start() :].replace("\\", "/")
    return authority.rpartition("@")[2], path


def _host(authority: str) -> str:
    host = unicodedata.normalize("NFKC", unquote(authority)).rpartition("@")[2]
    if not host.startswith("["):
        host = host.partition(":")[0]
    host = host.strip(".,;!?)*_~|").casefold()
    if "xn--" not in host:
        return host
    return ".".join(_decoded(label) for label in host.split("."))


def _decoded(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return unicodedata.normalize("NFKC", label[4:].encode("ascii").decode("punycode")).casefold()
    except (UnicodeError, ValueError):
        return label
