"""Who is present in which process, kept in Redis under a lease: a process that dies is forgotten, and its users with it.

Changes are gathered and written together; between two writes only the last state of a user counts, so a rush costs no memory
beyond one record for each user.
"""

from collections.abc import Mapping
from typing import Any, Final

from vox.chat.bus.contract import PresenceSubscriber
from vox.chat.events.ids import UserId
from vox.stores.redis import PREFIX, channel, failures

LEASE_S: Final = 15
LEASE_PREFIX: Final = PREFIX + "alive:"
_PROCESSES: Final = PREFIX + "processes"


class RedisPresence:
    """The presences of this process, and what the others say of theirs; used on the bus's loop.

    Args:
        client: to Redis.
        process: names this one.
    """

    def __init__(self, client: Any, process: str) -> None:
        self._client = client
        self._process = process
        self.channel = channel(client, "presence")
        self._own: dict[UserId, bytes] = {}
        self._changed: dict[UserId, bytes | None] = {}
        self._others: dict[str, dict[UserId, bytes]] = {}
        self.subscriber: PresenceSubscriber | None = None

    @property
    def others(self) -> Mapping[tuple[UserId, str], bytes]:
        """The records of the other processes."""
        return {
            (user_id, process): record for process, users in self._others.items() for user_id, record in users.items()
        }

    def set(self, user_id: UserId, record: bytes | None) -> None:
        """Takes a change of this process; `flush` writes it."""
        if record is None:
            self._own.pop(user_id, None)
        else:
            self._own[user_id] = record
        self._changed[user_id] = record

    async def flush(self) -> None:
        """Writes what has changed and tells the others.

        Raises:
            DependencyError: redis_failed; it is kept for the next time then.
        """
        if not self._changed:
            return
        changed, self._changed = self._changed, {}
        try:
            with failures():
                async with self._client.pipeline(transaction=False) as pipe:
                    for user_id, record in changed.items():
                        if record is None:
                            pipe.hdel(self._here, str(user_id))
                        else:
                            pipe.hset(self._here, str(user_id), record)
                        pipe.publish(self.channel, b"%b\n%d\n%b" % (self._process.encode(), user_id, record or b""))
                    await pipe.execute()
        except BaseException:
            self._changed = {**changed, **self._changed}
            raise

    async def renew(self) -> None:
        """Says that this process lives, and looks who else does; to be called several times within LEASE_S.

        Raises:
            DependencyError: redis_failed.
        """
        with failures():
            async with self._client.pipeline(transaction=True) as pipe:
                # The whole record each time: it is small, and Redis may have been emptied since.
                pipe.set(LEASE_PREFIX + self._process, 1, ex=LEASE_S)
                pipe.sadd(_PROCESSES, self._process)
                pipe.delete(self._here)
                if self._own:
                    pipe.hset(self._here, mapping={str(user_id): record for user_id, record in self._own.items()})
                    pipe.expire(self._here, LEASE_S)
                pipe.smembers(_PROCESSES)
                names = sorted(name.decode() for name in (await pipe.execute())[-1])
            others = [name for name in names if name != self._process]
            leases = [LEASE_PREFIX + name for name in others]
            living: list[Any] = await self._client.mget(leases) if others else []
            dead = [name for name, lease in zip(others, living, strict=True) if lease is None]
            if dead:
                await self._client.srem(_PROCESSES, *dead)
            for name in others:
                if name not in dead:
                    self._compare(name, await self._client.hgetall(_here(name)))
        for name in [name for name in self._others if name in dead or name not in names]:
            self._compare(name, {})

    async def leave(self) -> None:
        """Says that this process ends.

        Raises:
            DependencyError: redis_failed.
        """
        with failures():
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.delete(LEASE_PREFIX + self._process, self._here)
                pipe.srem(_PROCESSES, self._process)
                for user_id in self._own:
                    pipe.publish(self.channel, b"%b\n%d\n" % (self._process.encode(), user_id))
                await pipe.execute()

    def heard(self, message: bytes) -> None:
        """Another process says how a user is present there."""
        process, user_id, record = message.split(b"\n", 2)
        if process.decode() != self._process:
            self._note(process.decode(), UserId(int(user_id)), record or None)

    @property
    def _here(self) -> str:
        return _here(self._process)

    def _compare(self, process: str, found: Mapping[bytes, bytes]) -> None:
        now = {UserId(int(user_id)): record for user_id, record in found.items()}
        for user_id in set(self._others.get(process, ())) - set(now):
            self._note(process, user_id, None)
        for user_id, record in now.items():
            self._note(process, user_id, record)

    def _note(self, process: str, user_id: UserId, record: bytes | None) -> None:
        users = self._others.setdefault(process, {})
        if users.get(user_id) == record:
            if not users:
                del self._others[process]
            return
        if record is not None:
            users[user_id] = record
        else:
            del users[user_id]
            if not users:
                del self._others[process]
        if self.subscriber is not None:
            self.subscriber(user_id, process, record)


def _here(process: str) -> str:
    return f"{PREFIX}here:{process}"
