"""Notices changes of the community that nobody told this process of: by a command on the machine itself, or lost on the way.

Once a second it asks the database for its version. One that is ahead is usually a change whose event is about to come, so only a
version that is still missing at the next look counts as missed.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, select

from vox.chat.database.schema import meta
from vox.errors import VoxError

if TYPE_CHECKING:
    from vox.chat.server import Chat

EVERY_S: Final = 1.0


async def poll_version(chat: "Chat", missed: Callable[[int], None]) -> None:
    """Calls `missed` with a version that this process should have heard of; until it is cancelled."""
    seen = 0
    while True:
        await asyncio.sleep(EVERY_S)
        if seen > chat.community.version:
            missed(seen)
        try:
            seen = await chat.read(_version)
        except VoxError:  # it is logged where it is read; the next look comes soon
            continue


def _version(connection: Connection) -> int:
    return int(connection.execute(select(meta.c.version)).scalar_one_or_none() or 0)
