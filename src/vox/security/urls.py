"""Reads a URL that a stranger gave, strictly: one reading, or `url_refused`.

The one thing to know before changing it: browsers, libc and HTTP libraries read odd URLs differently, and the
difference is the attack. Hence nothing odd is repaired here, and a connection is made with the parts that this module
returns, never with the text they came from.
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, replace
from urllib.parse import quote, urljoin

from vox.errors import UsageError
from vox.security.addresses import Address, parse_address

DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
LONGEST_URL = 2048

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(?:#.*)?", re.DOTALL)
_PORT = re.compile(r":([0-9]{1,5})")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST_NAME = 253
_HIGHEST_PORT = 65535
# IDNA 2003, which Python brings, and IDNA 2008 make different names of these four (UTS 46, section 1.3).
_DEVIATIONS = frozenset("\u00df\u03c2\u200c\u200d")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_CHARACTERS = "/?:@!$&'()*+,;=~%-._"


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of a URL, as they are used.

    Attributes:
        scheme: in lower case.
        host: an ASCII name in lower case without a final dot, or an address without brackets.
        port: the given one, or the scheme's own.
        address: what the host means where it is an address, IPv4-mapped ones as IPv4; None for a name.
        path: begins with `/`, includes the query, is percent-encoded ASCII.
    """

    scheme: str
    host: str
    port: int
    address: Address | None
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the `Host` header has them: the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What two URLs share when credentials for one may go to the other."""
        return (self.scheme, self.host, self.port)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_url(text: str, *, allowed_schemes: Collection[str]) -> Url:
    """Takes a URL apart.

    Raises:
        UsageError: `url_refused` for other schemes, user names, control characters, blanks, backslashes, host names that
            are none, and addresses in any notation but the usual ones.
    """
    if len(text) > LONGEST_URL:
        raise url_refused(f"it is longer than {LONGEST_URL} characters")
    if any(character == "\\" or character.isspace() or _is_hidden(character) for character in text):
        raise url_refused("it contains blanks, control characters or backslashes")
    found = _URL.fullmatch(text)
    if found is None:
        raise url_refused("it is not of the form scheme://host/path")
    scheme, authority, rest = found[1].lower(), found[2], found[3]
    if scheme not in allowed_schemes or scheme not in DEFAULT_PORTS:
        raise url_refused(f"its scheme is not one of {', '.join(sorted(allowed_schemes))}")
    if "@" in authority:
        raise url_refused("it contains a user name")
    host, address, port = _host_and_port(authority)
    path = rest if rest.startswith("/") else f"/{rest}"
    return Url(scheme, host, port or DEFAULT_PORTS[scheme], address, quote(path, safe=_PATH_CHARACTERS))


def normalized_url(url: Url) -> Url:
    """The one of all equivalent URLs to compare by (RFC 3986 section 6.2.2); connections are made with the URL as given.

    Host, port and address have one form already. In path and query, escapes of unreserved characters are resolved and the
    others written in upper case; dot segments are removed from the path, and an empty query is none.
    """
    path, _, query = url.path.partition("?")
    path = _without_dot_segments(_ESCAPE.sub(_normal_escape, path))
    return replace(url, path=f"{path}?{_ESCAPE.sub(_normal_escape, query)}" if query else path)


def split_authority(text: str) -> tuple[str, int | None]:
    """Host (in lower case, without brackets) and port of a `Host` header; an empty host for what is none."""
    try:
        host, _, port = _host_and_port(text)
    except UsageError:
        return "", None
    return host, port


def join_url(base: Url, location: str, *, allowed_schemes: Collection[str]) -> Url:
    """The URL that a redirect leads to; errors as `parse_url`."""
    if any(character == "\\" or character.isspace() or _is_hidden(character) for character in location):
        raise url_refused("it contains blanks, control characters or backslashes")  # urljoin would drop some of them
    try:
        joined = urljoin(str(base), location)
    except ValueError:
        raise url_refused("it is not of the form scheme://host/path") from None
    return parse_url(joined, allowed_schemes=allowed_schemes)


def url_refused(why: str) -> UsageError:
    """The error for a refused URL; `why` reveals nothing beyond what the URL itself says."""
    return UsageError(
        f"The URL is refused: {why}.",
        code="url_refused",
        hint="give an https address of a host on the public internet, or have its network allowed",
    )


def _host_and_port(authority: str) -> tuple[str, Address | None, int | None]:
    if authority.startswith("["):
        inside, closing, after = authority[1:].partition("]")
        address = parse_address(inside) if closing and ":" in inside else None
        if address is None:
            raise url_refused("its IPv6 address cannot be read, or has a zone")
        return str(address), address, _port_of(after)
    before, colon, after = authority.partition(":")
    host, port = _ascii_name(before), _port_of(colon + after)
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # WHATWG's rule: such a host is an address. libc reads 127.1, 0x7f.1, 017700000001 and 2130706433 as loopback.
        address = parse_address(host)
        if address is None:
            raise url_refused("its address is not written as four decimal numbers")
        return host, address, port
    return host, None, port


def _port_of(suffix: str) -> int | None:
    """The number in `:port`, None where there is no suffix."""
    if suffix in {"", ":"}:
        return None
    found = _PORT.fullmatch(suffix)
    if found is None or not 0 < int(found[1]) <= _HIGHEST_PORT:
        raise url_refused("its port is not a number from 1 to 65535")
    return int(found[1])


def _ascii_name(text: str) -> str:
    """The name as it is looked up: Unicode folded and encoded, one final dot dropped."""
    if not _DEVIATIONS.isdisjoint(text):
        raise url_refused("its host has letters with two encodings; write it in its xn-- form")
    try:
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        raise url_refused("its host is not a valid name") from None
    name = name.lower().removesuffix(".")
    if not name or len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, name.split("."))):
        raise url_refused("its host is not a valid name")
    return name


def _normal_escape(found: re.Match[str]) -> str:
    byte = int(found[1], 16)
    return chr(byte) if byte in _UNRESERVED else found[0].upper()


def _without_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4, for a path that begins with `/`."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"}
