"""One-time tokens that let a relay join: an administrator makes one, one relay uses it up, and only its digest is kept.

A token is gone as soon as it is used, deleted or expired, so a second use gets the same answer as a guess.
"""

import re
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from vox.directory.database import audit_log
from vox.directory.database.schema import join_tokens as _tokens
from vox.errors import UsageError
from vox.runtime.clock import Clock
from vox.security.tokens import digest, mint
from vox.stores.sql import SqlDatabase

PREFIX: Final = "vox_join_"
TOKEN_ID: Final = re.compile("[0-9a-f]{16}")
MAX_TOKENS: Final = 1000
"""Tokens that may wait for their relays at once."""


@dataclass(frozen=True, slots=True)
class JoinToken:
    """A token that was not used yet; times are seconds since 1970."""

    id: str
    note: str
    created_by: str
    created_at_s: float
    expires_at_s: float


class JoinTokens:
    """Makes, lists and deletes tokens; relays use them in the transaction of their registration (`find` and `use_up`)."""

    def __init__(self, database: SqlDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, ttl_s: float, note: str, actor: str) -> tuple[JoinToken, str]:
        """A fresh token and its text, which is shown this once.

        Raises:
            UsageError: too_many_join_tokens.
        """
        now_s = self._clock.wall().timestamp()
        text = mint(PREFIX)
        made = JoinToken(secrets.token_hex(8), note, actor, now_s, now_s + ttl_s)

        def unit(connection: Connection) -> None:
            connection.execute(delete(_tokens).where(_tokens.c.expires_at_s <= now_s))
            if connection.execute(select(func.count()).select_from(_tokens)).scalar_one() >= MAX_TOKENS:
                raise UsageError(f"{MAX_TOKENS} join tokens wait for their relays", code="too_many_join_tokens")
            row = insert(_tokens).values(
                id=made.id,
                digest=text.digest,
                note=note,
                created_by=actor,
                created_at_s=made.created_at_s,
                expires_at_s=made.expires_at_s,
            )
            connection.execute(row)
            audit_log.append(connection, audit_log.Entry(now_s, "token", "", "", actor, f"join token {made.id}"))

        await self._database.write(unit)
        return made, text.text

    async def waiting(self) -> list[JoinToken]:
        """Tokens that can be used, the oldest first."""
        now_s = self._clock.wall().timestamp()
        query = select(_tokens).where(_tokens.c.expires_at_s > now_s).order_by(_tokens.c.created_at_s, _tokens.c.id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [JoinToken(row.id, row.note, row.created_by, row.created_at_s, row.expires_at_s) for row in rows]

    async def delete(self, token_id: str, actor: str) -> None:
        """Makes a token useless.

        Raises:
            UsageError: join_token_not_found.
        """
        now_s = self._clock.wall().timestamp()

        def unit(connection: Connection) -> bool:
            if not TOKEN_ID.fullmatch(token_id) or not use_up(connection, token_id):
                return False
            audit_log.append(
                connection, audit_log.Entry(now_s, "token_delete", "", "", actor, f"join token {token_id}")
            )
            return True

        if not await self._database.write(unit):
            raise UsageError("Join token not found", code="join_token_not_found")


def find(connection: Connection, text: str, now_s: float) -> str:
    """The id of the token with that text.

    Raises:
        UsageError: join_token_refused, whether it never was one, is used up, was deleted or has expired.
    """
    query = select(_tokens.c.id).where(_tokens.c.digest == digest(text), _tokens.c.expires_at_s > now_s)
    found = connection.execute(query).scalar_one_or_none() if text else None
    if found is None:
        raise UsageError(
            "A join token that was not used before is needed: ask an administrator for one", code="join_token_refused"
        )
    return found


def use_up(connection: Connection, token_id: str) -> bool:
    """Deletes a token; False where it is gone."""
    return connection.execute(delete(_tokens).where(_tokens.c.id == token_id)).rowcount > 0
