"""Notices changes of the community that reached this process by no event: from a command on the machine, or lost on the way.

Once a second it asks the database for its version. One that is ahead is usually a change whose event is about to come, so only a
version that is still missing at the next look counts as missed.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from vox.chat.community import Community
from vox.chat.database.unit_of_work import Read
from vox.chat.replication.queries import polled_version
from vox.runtime.tasks import periodic

EVERY_S: Final = 1.0


def polling_version(
    community: Community, read: Read, missed: Callable[[int], None]
) -> AbstractAsyncContextManager[None]:
    """Compares versions once a second while the block runs.

    Args:
        community: what this process remembers.
        read: reads the database.
        missed: told of a version that this process should have heard of.
    """
    seen = 0

    async def poll() -> None:
        nonlocal seen
        if seen > community.version:
            missed(seen)
        seen = await read(polled_version)

    return periodic(EVERY_S, poll, "chat version poll")
