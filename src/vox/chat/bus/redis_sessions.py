"""Gateway sessions in Redis, so that any process can go on with them, also after the one that served them has died.

The one thing to know: a session has an owner, and only the owner may write it. The process that takes it becomes the owner in the same
step, so the process that still thinks it serves that client can neither overwrite nor serve it twice.
"""

import asyncio
import itertools
from typing import Any, Final

from vox.chat.bus import redis_scripts as scripts
from vox.chat.bus.shared import Moved
from vox.runtime.clock import Clock
from vox.stores.redis import PREFIX, channel, failures

HAND_OVER_S: Final = 1.0
"""How long a living process may take to give up a session."""
UNKNOWN_S: Final = 0.2
"""How long the others have to give up a session of which nothing is written yet."""
ASK_EVERY_S: Final = 0.02


class RedisSessions:
    """The sessions of all processes, as one of them sees them.

    Args:
        client: to Redis.
        process: names this one.
        lease_prefix: of the keys that say which processes live.
        clock: for the wait.
    """

    def __init__(self, client: Any, process: str, lease_prefix: str, clock: Clock) -> None:
        self._client = client
        self._process = process
        self._lease_prefix = lease_prefix
        self._clock = clock
        self._save = client.register_script(scripts.SAVE_SESSION)
        self._load = client.register_script(scripts.LOAD_SESSION)
        self._drop = client.register_script(scripts.DROP_SESSION)
        self.channel = channel(client, "moved")
        self._count = itertools.count(1)
        self.moved: Moved | None = None

    async def save(self, session_id: str, blob: bytes, ttl_s: float, *, is_live: bool) -> bool:
        """Writes a session; False when it belongs to another process by now.

        Raises:
            DependencyError: redis_failed.
        """
        arguments = [self._process, blob, max(1, int(ttl_s * 1000)), int(is_live), next(self._count)]
        with failures():
            return bool(await self._save(keys=[_key(session_id)], args=arguments))

    async def load(self, session_id: str) -> tuple[bytes, int] | None:
        """Takes a session, and says at which position the log was then at least.

        Raises:
            DependencyError: redis_failed.
        """
        began = self._clock.now()
        is_asked = False
        with failures():
            while True:
                waited_s = self._clock.now() - began
                keys, is_late = [_key(session_id), PREFIX + "log"], waited_s >= HAND_OVER_S
                found = await self._load(keys=keys, args=[self._process, self._lease_prefix, int(is_late)])
                if found != b"ask" and (found[0] is not None or waited_s >= UNKNOWN_S):
                    break
                if not is_asked:
                    is_asked = True
                    if await self._tell(session_id) <= 1 and found != b"ask":  # only this process listens
                        return None
                await asyncio.sleep(ASK_EVERY_S)
            blob, position, owner = found
            if blob is not None and owner.decode() != self._process:
                await self._tell(session_id)
        return None if blob is None else (blob, int(position or 0))

    async def _tell(self, session_id: str) -> int:
        return int(await self._client.publish(self.channel, f"{self._process}\n{session_id}"))

    async def drop(self, session_id: str) -> None:
        """Forgets a session of this process.

        Raises:
            DependencyError: redis_failed.
        """
        with failures():
            await self._drop(keys=[_key(session_id)], args=[self._process])

    async def heard(self, message: bytes) -> None:
        """Another process wants or has a session: this one gives it up.

        Raises:
            DependencyError: redis_failed.
        """
        process, _, session_id = message.decode().partition("\n")
        if process == self._process or self.moved is None:
            return
        given_up = self.moved(session_id)
        if given_up is not None:
            await self.save(session_id, *given_up, is_live=False)


def _key(session_id: str) -> str:
    return f"{PREFIX}session:{session_id}"
