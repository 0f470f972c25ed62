"""Names of servers and of their users: `name@domain`, read strictly. Pure.

A domain has one form (ASCII, lower case, no final dot), so that blocks, quotas and keys of a server hold however it is written.
"""

from dataclasses import dataclass
from typing import Final

from vox.errors import UsageError
from vox.security.urls import parse_url
from vox.text.names import problem_with_name, stored_name

LONGEST_NAME: Final = 64
"""Characters of the part before the @."""


@dataclass(frozen=True, slots=True)
class UserAddress:
    """A user of some server.

    Args:
        name: the username there.
        domain: the server, in its one form.
    """

    name: str
    domain: str

    def __str__(self) -> str:
        return f"{self.name}@{self.domain}"


def parse_domain(text: str) -> str | None:
    """A server's domain in its one form; None for what is none: an address, a port, a single label."""
    if any(character in text for character in "/?#@:[]\\%") or "." not in text.strip("."):
        return None
    try:
        url = parse_url(f"https://{text}/", allowed_schemes={"https"})
    except UsageError:
        return None
    return url.host if url.address is None else None


def parse_address(text: str, longest: int) -> UserAddress | None:
    """A user's address; None for what is none.

    Args:
        text: as a peer or a user wrote it.
        longest: characters of the whole address.
    """
    name, at, after = text.rpartition("@")
    domain = parse_domain(after) if at and len(text) <= longest else None
    if domain is None or "@" in name or not 0 < len(name) <= LONGEST_NAME:
        return None
    if stored_name(name) != name or problem_with_name(name):
        return None
    return UserAddress(name, domain)
