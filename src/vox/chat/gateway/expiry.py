"""Closes the sockets of logins that merely expire: no event tells of that.

Sessions know when their login expired as of the look-up of its token. When one is over by that, the database is asked, because
using the token over REST, in any process, prolongs the login.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from vox.chat.database.unit_of_work import Read
from vox.chat.events.ids import LoginId
from vox.chat.gateway.hub import Hub
from vox.chat.gateway.queries import login_ends
from vox.runtime.clock import Clock
from vox.runtime.tasks import periodic

EVERY_S: Final = 0.5
RETRY_S: Final = 1.5
"""The time until the next look, where one has failed."""
AT_ONCE: Final = 500
"""Logins asked for in one statement."""


def closing_expired(hub: Hub, read: Read, clock: Clock) -> AbstractAsyncContextManager[None]:
    """Calls `close_expired` twice a second while the block runs."""
    return periodic(EVERY_S, partial(close_expired, hub, read, clock), "chat expired logins", retry_s=RETRY_S)


async def close_expired(hub: Hub, read: Read, clock: Clock) -> None:
    """Ends the sessions whose logins have expired by now.

    Args:
        hub: whose sessions.
        read: reads the database.
        clock: wall time.

    Raises:
        DependencyError: the database failed; those that could not be asked for come again.
    """
    now_s = clock.unix_s()
    await _end(hub, read, hub.logins_until(now_s), now_s)


async def end_missing_logins(hub: Hub, read: Read, clock: Clock) -> None:
    """Ends the sessions whose logins the database has no longer: their end may have passed this process by.

    Args:
        hub: whose sessions.
        read: reads the database.
        clock: wall time.

    Raises:
        DependencyError: the database failed.
    """
    await _end(hub, read, hub.connected_logins(), clock.unix_s())


async def _end(hub: Hub, read: Read, due: Sequence[LoginId], now_s: int) -> None:
    for start in range(0, len(due), AT_ONCE):
        some = due[start : start + AT_ONCE]
        known = await read(partial(login_ends, login_ids=some))
        hub.logins_end({login_id: known.get(login_id, (0.0, False)) for login_id in some}, now_s)
