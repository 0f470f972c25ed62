"""Closes the sockets of logins that merely expire: no event tells of that.

Sessions know when their login expired as of the look-up of its token. When one is over by that, the database is asked, because
using the token over REST, in any process, prolongs the login.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, select

from vox.chat.database.schema import sessions
from vox.errors import VoxError
from vox.runtime.logging import get_logger

if TYPE_CHECKING:
    from vox.chat.server import Chat

EVERY_S: Final = 0.5
AT_ONCE: Final = 500
"""Logins asked for in one statement."""
RETRY_S: Final = 1.0

_log = get_logger(__name__)


async def close_expired_for_ever(chat: "Chat") -> None:
    """Calls `close_expired` until it is cancelled."""
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await close_expired(chat)
        except VoxError as error:
            _log.warning("expired logins cannot be looked for", error=str(error))
            await asyncio.sleep(RETRY_S)
        except Exception:  # noqa: BLE001  the top of a task: one bad look must not be the last one
            _log.exception("expired logins could not be looked for")


async def close_expired(chat: "Chat") -> None:
    """Ends the sessions whose logins have expired by now.

    Raises:
        DependencyError: the database failed; those that could not be asked for come again.
    """
    now_s = int(chat.clock.wall().timestamp())
    due = chat.hub.logins_until(now_s)
    for start in range(0, len(due), AT_ONCE):
        some = due[start : start + AT_ONCE]
        known = await chat.read(partial(_ends, login_ids=some))
        chat.hub.logins_end({login_id: known.get(login_id, 0) for login_id in some}, now_s)


def _ends(connection: Connection, *, login_ids: Sequence[int]) -> dict[int, float]:
    columns = sessions.c
    rows = connection.execute(
        select(columns.id, columns.expires_at).where(columns.id.in_(login_ids), columns.kind == "login")
    )
    return {row.id: row.expires_at for row in rows}
