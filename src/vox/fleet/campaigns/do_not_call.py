"""Do-not-call lists: global, of a tenant, of a campaign. Numbers are kept as SHA-256 of their E.164 form.

A hash keeps the numbers from being read, and lets lists be exchanged without them; it does not hide them from an attacker who tries
every number there is.
"""

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, Literal, get_args

from sqlalchemy import and_, delete, func, or_, select

from vox.errors import UsageError
from vox.fleet.campaigns.rules.time_zones import subscriber
from vox.fleet.database.campaign_tables import do_not_call
from vox.stores.sql import Connection

Scope = Literal["global", "tenant", "campaign"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")


def number_digest(number: str) -> str:
    """The form in which a number in E.164 stands in the lists."""
    return sha256(number.encode()).hexdigest()


def listed_form(text: str, default_region: str = "") -> str:
    """What is written for a number, or for a hash of one.

    Raises:
        UsageError: it is neither (number_invalid).
    """
    text = text.strip()
    return (
        text.lower() if _HASH.fullmatch(text) else number_digest(subscriber(text, default_region=default_region).number)
    )


def check_owner(scope: Scope, owner: str) -> None:
    """The global list has no owner, that of a campaign has the campaign; a tenant may be the unnamed one.

    Raises:
        UsageError: the owner is missing or too much (validation_error).
    """
    if scope == "campaign" and not owner:
        raise UsageError("The list of a campaign needs the campaign's id.", code="validation_error")
    if scope == "global" and owner:
        raise UsageError("The global list has no owner.", code="validation_error", hint="leave owner empty")


def add(connection: Connection, scope: Scope, owner: str, digests: Sequence[str], source: str, at_ms: int) -> int:
    """Adds numbers to a list; returns how many were new to it."""
    known = set(
        connection.execute(
            select(do_not_call.c.digest).where(
                do_not_call.c.digest.in_(digests), do_not_call.c.scope == scope, do_not_call.c.owner == owner
            )
        ).scalars()
    )
    new = [digest for digest in dict.fromkeys(digests) if digest not in known]
    if new:
        rows = [
            {"digest": digest, "scope": scope, "owner": owner, "source": source, "added_at_ms": at_ms} for digest in new
        ]
        connection.execute(do_not_call.insert(), rows)
    return len(new)


def remove(connection: Connection, scope: Scope, owner: str, digest: str) -> bool:
    """Takes a number off a list; whether it was there."""
    mine = and_(do_not_call.c.digest == digest, do_not_call.c.scope == scope, do_not_call.c.owner == owner)
    return connection.execute(delete(do_not_call).where(mine)).rowcount > 0


def scopes_of(
    connection: Connection, numbers: Iterable[str], tenant: str, campaign_id: str
) -> dict[str, tuple[Scope, ...]]:
    """Which lists have which of the numbers, of those that hold for a campaign; numbers on none are left out."""
    by_digest = {number_digest(number): number for number in numbers}
    holds = or_(
        do_not_call.c.scope == "global",
        and_(do_not_call.c.scope == "tenant", do_not_call.c.owner == tenant),
        and_(do_not_call.c.scope == "campaign", do_not_call.c.owner == campaign_id),
    )
    query = select(do_not_call.c.digest, do_not_call.c.scope).where(do_not_call.c.digest.in_(by_digest), holds)
    found: dict[str, set[str]] = {}
    for digest, scope in connection.execute(query):
        found.setdefault(by_digest[digest], set()).add(scope)
    return {number: tuple(scope for scope in SCOPES if scope in scopes) for number, scopes in found.items()}


def count(connection: Connection, scope: Scope, owner: str) -> int:
    """How many numbers a list has."""
    query = (
        select(func.count()).select_from(do_not_call).where(do_not_call.c.scope == scope, do_not_call.c.owner == owner)
    )
    return connection.execute(query).scalar_one()
