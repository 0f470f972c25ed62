"""Carries dispatches out: asks the agent server to send the agent into the room, with a token for it.

Dispatches wait in memory, bounded; a room that ends or a dispatch that is deleted takes its agent out.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec
from livekit.protocol.agent_dispatch import AgentDispatch

from vox.errors import UsageError, VoxError
from vox.relay.metrics import AGENT_CALLS
from vox.relay.rooms.registry import Rooms
from vox.relay.service.dispatch import DispatchCreated, DispatchEvent
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security.outbound import OutboundGuard
from vox.security.room_tokens import RoomClaims, RoomKey, VideoGrant, sign_room_token

PATH: Final = "/rooms/join"
DEADLINE_S: Final = 10.0
TOKEN_LIFETIME_S: Final = 600.0
PAUSES_S: Final = (1.0, 3.0, 9.0)
"""Between attempts; then a dispatch is given up."""
MAX_WAITING: Final = 256
WORKERS: Final = 4
_MAX_ANSWER: Final = 65_536
_FULL: Final = (408, 429)

_log = get_logger(__name__)


class AgentCalls:
    """Asks one agent server; `take` never blocks, and asking runs while `running()` is open.

    Args:
        url: the agent server's address; empty where dispatches are carried out by others.
        key: signs the agents' tokens, and is known to the agent server.
        guard: fetches the address.
        rooms: an agent whose dispatch is deleted is taken out of its room.
        media_url: where the agent server reaches this relay; asked at each call.
        clock: for tokens.
        metrics: counts.
    """

    def __init__(
        self,
        url: str,
        key: RoomKey,
        guard: OutboundGuard,
        rooms: Rooms,
        media_url: Callable[[], str],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._url = url
        self._key = key
        self._guard = guard
        self._rooms = rooms
        self._media_url = media_url
        self._clock = clock
        self._metrics = metrics
        self._waiting: asyncio.Queue[AgentDispatch] = asyncio.Queue(MAX_WAITING)
        self._pending: set[str] = set()

    def take(self, event: DispatchEvent) -> None:
        """Hears of a dispatch."""
        dispatch = event.dispatch
        if not self._url:
            return
        if not isinstance(event, DispatchCreated):
            self._pending.discard(dispatch.id)
            with suppress(VoxError):  # the room is gone, or the agent never came
                self._rooms.remove(dispatch.room, identity(dispatch))
            return
        try:
            self._waiting.put_nowait(dispatch)
            self._pending.add(dispatch.id)
        except asyncio.QueueFull:
            self._count("dropped")

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Asks while the block runs."""
        async with asyncio.TaskGroup() as group:
            count = WORKERS if self._url else 0
            tasks = [group.create_task(self._work(), name=f"agent calls {place}") for place in range(count)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def _work(self) -> None:
        while True:
            dispatch = await self._waiting.get()
            for pause_s in (*PAUSES_S, None):
                if dispatch.id not in self._pending:
                    break
                error, is_final = await self._ask(dispatch)
                if not error:
                    self._count("joined")
                    break
                if pause_s is None or is_final:
                    self._pending.discard(dispatch.id)
                    _log.warning("the agent did not come", room=dispatch.room, agent=dispatch.agent_name, error=error)
                    self._count("failed")
                    break
                await asyncio.sleep(pause_s)

    async def _ask(self, dispatch: AgentDispatch) -> tuple[str, bool]:
        """What went wrong, empty where the agent comes; and whether asking again is useless."""
        asked: dict[str, Any] = {
            "media_url": self._media_url(),
            "token": self._token(dispatch),
            "agent": dispatch.agent_name,
        }
        try:
            answer = await self._guard.fetch(
                "POST",
                f"{self._url}{PATH}",
                headers={"content-type": "application/json"},
                body=msgspec.json.encode(asked),
                deadline_s=DEADLINE_S,
                max_bytes=_MAX_ANSWER,
            )
        except VoxError as error:
            return error.code, isinstance(error, UsageError)
        if 200 <= answer.status < 300:  # noqa: PLR2004  HTTP statuses
            return "", False
        return f"status {answer.status}", answer.status < 500 and answer.status not in _FULL  # noqa: PLR2004  likewise

    def _token(self, dispatch: AgentDispatch) -> str:
        claims = RoomClaims(
            sub=identity(dispatch),
            name=dispatch.agent_name,
            kind="agent",
            metadata=dispatch.metadata,
            attributes=dict(dispatch.attributes),
            video=VideoGrant(room=dispatch.room, room_join=True, can_update_own_metadata=True, agent=True),
        )
        return sign_room_token(self._key, claims, now=self._clock.unix(), lifetime_s=TOKEN_LIFETIME_S)

    def _count(self, result: str) -> None:
        self._metrics.counter(AGENT_CALLS, result).inc()


def identity(dispatch: AgentDispatch) -> str:
    """Who the agent of a dispatch is in its room."""
    return f"agent-{dispatch.id}"
