"""Keeps connected gateway sessions on a shared bus, so that another process can go on with them when this one dies.

Every second those that have moved are written. A client that was told more than the last checkpoint knows cannot be placed in
the log exactly; it is told that its session is over, never served twice or with a hole.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Final

from vox.chat.bus.shared import SharedBus
from vox.chat.gateway import Hub
from vox.chat.gateway.session import Session
from vox.runtime.clock import Clock
from vox.runtime.tasks import periodic

EVERY_S: Final = 1.0
AT_ONCE: Final = 50


def checkpointing(hub: Hub, bus: SharedBus, clock: Clock) -> AbstractAsyncContextManager[None]:
    """Keeps the hub's sessions on the bus while the block runs; see `SessionCheckpoints`."""
    return periodic(EVERY_S, SessionCheckpoints(hub, bus, clock).save, "chat session checkpoints")


class SessionCheckpoints:
    """The checkpoints of a hub's sessions.

    Args:
        hub: whose.
        bus: where they are kept.
        clock: says when they are renewed.
    """

    def __init__(self, hub: Hub, bus: SharedBus, clock: Clock) -> None:
        self._hub = hub
        self._bus = bus
        self._clock = clock
        self._kept: dict[Session, tuple[int, float]] = {}
        bus.on_moved(self._moved)

    async def save(self) -> None:
        """Writes those sessions that have moved since the last time.

        Raises:
            DependencyError: the bus failed.
        """
        hub, now = self._hub, self._clock.now()
        renewed_before = now - hub.bounds.resumable_s / 3
        with hub.lock:
            self._kept = {session: kept for session, kept in self._kept.items() if session in hub.connections}
            moved = [
                session
                for session in hub.connections
                if (kept := self._kept.get(session)) is None or kept[0] != session.seq or kept[1] < renewed_before
            ]
        for start in range(0, len(moved), AT_ONCE):
            await asyncio.gather(*(self._keep_one(session) for session in moved[start : start + AT_ONCE]))

    async def _keep_one(self, session: Session) -> None:
        hub, clock = self._hub, self._clock
        with hub.lock:
            connection = hub.connections.get(session)
            if connection is None or connection.outbox is None or not connection.outbox.is_here:
                return
            connection.outbox.flush()
            if session not in hub.connections:
                return
            seq = session.seq
            blob = session.saved(self._bus.epoch, hub.position, clock.unix_ms())
        if await self._bus.checkpoint_session(session.session_id, blob, hub.bounds.resumable_s):
            self._kept[session] = (seq, clock.now())
            return
        with hub.lock:
            if session in hub.connections:
                hub.hand_over(session)

    def _moved(self, session_id: str) -> tuple[bytes, float] | None:
        """Another process wants or has a session."""
        hub = self._hub
        with hub.lock:
            found = hub.find(session_id)
            if found is None:
                return None
            session, position = hub.hand_over(found)
            left_at_ms = self._clock.unix_ms()
            return session.saved(self._bus.epoch, position, left_at_ms), hub.bounds.resumable_s
