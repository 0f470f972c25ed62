"""Reads credentials from request headers: the one place that takes an Authorization header apart (RFC 9110 section 11.6.2)."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Authorization(NamedTuple):
    """An Authorization header: its scheme as sent, and the credentials; both empty where the header is."""

    scheme: str
    token: str


def parse_authorization(value: str) -> Authorization:
    """Scheme and credentials of a header value; the scheme keeps its case, because some APIs distinguish it."""
    scheme, _, token = value.partition(" ")
    return Authorization(scheme, token.strip() if token else "")


def api_key(headers: Mapping[str, str], *, names: Iterable[str] = ("authorization", "x-api-key")) -> str:
    """The key of a request, from `Authorization: Bearer` or `X-API-Key`; empty where there is none.

    Args:
        headers: names in lower case.
        names: which headers count, the first that has a key wins.
    """
    for name in names:
        value = headers.get(name, "")
        if name == "authorization":
            given = parse_authorization(value)
            value = given.token if given.scheme.lower() == "bearer" else ""
        if value.strip():
            return value.strip()
    return ""
