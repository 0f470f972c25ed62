"""Sign-ins to the operator's pages: a link that works once, for ten minutes, becomes a session of twelve hours that can be ended at any time.

Of both only digests are stored. Who may print a link is who may run commands on the bridge's database.
"""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import delete, select

from vox.errors import UsageError
from vox.fleet.database.schema import login_links, operator_sessions
from vox.runtime.clock import Clock
from vox.security import tokens
from vox.stores.sql import Connection, SqlDatabase

LINK_PREFIX: Final = "vbl_"
SESSION_PREFIX: Final = "vbs_"
LINK_TTL_S: Final = 600
SESSION_TTL_S: Final = 12 * 3600
_TOKEN_BYTES: Final = 32
_MAX_TOKEN: Final = 128


@dataclass(frozen=True, slots=True)
class OperatorSession:
    """One sign-in."""

    id: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session at the one moment when its token is known."""

    session: OperatorSession
    token: str = field(repr=False)


class OperatorSessions:
    """The links and sessions in the database.

    Args:
        database: open while this is used.
        clock: for the times in the rows.
    """

    def __init__(self, database: SqlDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create_link(self) -> str:
        """The token of a new link."""
        link, now = tokens.mint(LINK_PREFIX, _TOKEN_BYTES), self._clock.unix_ms()
        row = {"digest": link.digest, "created_at_ms": now, "expires_at_ms": now + LINK_TTL_S * 1000}
        await self._database.write(lambda connection: connection.execute(login_links.insert().values(**row)))
        return link.text

    async def sign_in(self, link: str) -> NewSession:
        """Begins a session for the token of a link, once.

        Raises:
            UsageError: there is no such link, it was used, or its time is over (login_link_invalid).
        """
        now, token = self._clock.unix_ms(), tokens.mint(SESSION_PREFIX, _TOKEN_BYTES)
        session = OperatorSession(f"session_{token.digest[:16]}", now + SESSION_TTL_S * 1000)
        used = delete(login_links).where(
            login_links.c.digest == tokens.digest(link[:_MAX_TOKEN]), login_links.c.expires_at_ms > now
        )
        row = {
            "id": session.id,
            "digest": token.digest,
            "created_at_ms": now,
            "expires_at_ms": session.expires_at_ms,
        }

        def unit(connection: Connection) -> bool:
            if connection.execute(used).rowcount != 1:
                return False
            connection.execute(operator_sessions.insert().values(**row))
            return True

        if not link.startswith(LINK_PREFIX) or not await self._database.write(unit):
            raise UsageError(
                "This sign-in link was used already, or its ten minutes are over.",
                code="login_link_invalid",
                hint="print a new one with `vox bridge login`",
            )
        return NewSession(session, token.text)

    async def find(self, token: str) -> OperatorSession | None:
        """The session of a token; None where there is none, or it has ended."""
        if not token.startswith(SESSION_PREFIX) or len(token) > _MAX_TOKEN:
            return None
        query = select(operator_sessions).where(operator_sessions.c.digest == tokens.digest(token))
        row = await self._database.read(lambda connection: connection.execute(query).mappings().first())
        if row is None or row["expires_at_ms"] <= self._clock.unix_ms():
            return None
        return OperatorSession(row["id"], row["expires_at_ms"])

    async def end(self, session_id: str) -> None:
        """Ends a session at once; one that is over already stays so."""
        ended = delete(operator_sessions).where(operator_sessions.c.id == session_id)
        await self._database.write(lambda connection: connection.execute(ended))

    async def end_all(self) -> int:
        """Ends every session, and links that were not used; how many sessions there were."""

        def unit(connection: Connection) -> int:
            connection.execute(delete(login_links))
            return connection.execute(delete(operator_sessions)).rowcount

        return await self._database.write(unit)


def prune(connection: Connection, now_ms: int) -> None:
    """Forgets links and sessions whose time is over."""
    for table in (login_links, operator_sessions):
        connection.execute(delete(table).where(table.c.expires_at_ms <= now_ms))
