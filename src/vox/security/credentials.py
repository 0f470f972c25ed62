"""Reads credentials from request headers: the one place that takes an Authorization header apart (RFC 9110 section 11.6.2)."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

MEMBER_OR_BOT: Final = ("Bearer", "Bot")
"""Schemes of an API that tells its members from their bots."""


class Authorization(NamedTuple):
    """An Authorization header: its scheme as sent, and the credentials; both empty where the header is."""

    scheme: str
    token: str


def parse_authorization(value: str) -> Authorization:
    """Scheme and credentials of a header value; the scheme as it was sent."""
    scheme, _, token = value.strip().partition(" ")
    return Authorization(scheme, token.strip())


def bearer_token(value: str, schemes: Collection[str] = ("Bearer",)) -> str:
    """The token of an Authorization header; empty where it is of another scheme or there is none.

    Args:
        value: the header.
        schemes: those to accept; schemes have no case (RFC 9110 section 11.1).
    """
    scheme, token = parse_authorization(value)
    if scheme in schemes or scheme.lower() in {name.lower() for name in schemes}:
        return token
    return ""


def api_key(headers: Mapping[str, str], *, names: Iterable[str] = ("authorization", "x-api-key")) -> str:
    """The key of a request, from `Authorization: Bearer` or `X-API-Key`; empty where there is none.

    Args:
        headers: names in lower case.
        names: which headers count, the first that has a key wins.
    """
    for name in names:
        value = headers.get(name, "")
        if name == "authorization":
            value = bearer_token(value)
        if value.strip():
            return value.strip()
    return ""
