"""All calls of one server that other processes can go on with, and what this one takes over from them.

When the server drains, each call is handed over shortly before the deadline: a call that ends before by itself is left alone.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from vox.agent.call import checkpoint
from vox.agent.call.checkpoint import Checkpoint
from vox.agent.call.session import Session
from vox.agent.handover.contract import CheckpointStore, Kept
from vox.agent.handover.kept_call import TOKEN_S, KeptCall, new_token
from vox.agent.handover.metrics import GAP_SECONDS, HANDOVERS, KEPT
from vox.errors import VoxError
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.runtime.tasks import cancel_and_wait, periodic

log = get_logger(__name__)

RENEW_EVERY_S: Final = 10.0
LAST_S: Final = 5.0
"""So long before the deadline any moment will do."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What a transport does for a call that can change hands.

    Attributes:
        move: hands it over, by the time of the clock from which any moment will do; whether it did.
        welcome: prepares the other side once the call is kept; None where there is nothing to prepare.
    """

    move: Callable[[KeptCall, float], Awaitable[bool]]
    welcome: Callable[[KeptCall], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A call that this process has taken over: its state, and the fence by which it owns it."""

    checkpoint: Checkpoint
    fence: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """How a carrier goes on with a call.

    Attributes:
        token: that its stream has to bring.
        checkpoint: the state of the call.
        offers: how often it was offered since a stream came last; more than once where streams do not come.
    """

    token: str
    checkpoint: Checkpoint
    offers: int


class Handovers:
    """Enter it before the first call.

    Args:
        store: where calls are kept; opened and closed with this.
        lifecycle: of the server.
        clock: for the times.
        metrics: where hand-overs are counted.
        lead_s: so long before the deadline of a drain calls begin to move.
    """

    def __init__(
        self, store: CheckpointStore, lifecycle: Lifecycle, clock: Clock, metrics: Metrics, *, lead_s: float
    ) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._clock = clock
        self._metrics = metrics
        self._lead_s = lead_s
        self._calls: dict[KeptCall, Moves] = {}
        self._stack = AsyncExitStack()
        self._draining: asyncio.Task[None] | None = None
        metrics.gauge(KEPT).set(0)

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._store)
        await self._stack.enter_async_context(periodic(RENEW_EVERY_S, self._renew, "keep calls for other processes"))
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._draining is not None:
            await cancel_and_wait(self._draining)
        await self._stack.aclose()

    async def check(self) -> None:
        """Returns once the store has answered.

        Raises:
            DependencyError: it does not.
        """
        await self._store.check()

    @asynccontextmanager
    async def kept(self, session: Session, moves: Moves, *, line: str = "", fence: int = 1) -> AsyncGenerator[KeptCall]:
        """Keeps a call while the block runs, and marks it as ended behind it, unless it is another process's then."""
        call = KeptCall(session, self._store, fence, line, self._clock, self._metrics)
        self._calls[call] = moves
        self._metrics.gauge(KEPT).set(len(self._calls))
        saving = asyncio.create_task(_keep(call, moves), name=f"keep {call.call_id}")
        try:
            yield call
        finally:
            await cancel_and_wait(saving)
            self._calls.pop(call, None)
            self._metrics.gauge(KEPT).set(len(self._calls))
            await call.close()

    async def take(self, token: str) -> Taken | None:
        """Takes over the call that a token is for; None where it is not good, or the call cannot be gone on with."""
        try:
            kept = await self._store.claim(token)
        except VoxError as error:
            log.warning("call cannot be taken over", code=error.code, error=str(error))
            kept = None
        if kept is None:
            self._metrics.counter(HANDOVERS, "failed").inc()
            return None
        if (found := self._decoded(kept)) is None:
            await self._store.finish(kept.call_id, kept.fence)
            return None
        gap_s = max(0.0, self._clock.wall().timestamp() - found.saved_at)
        self._metrics.histogram(GAP_SECONDS).observe(gap_s)
        self._metrics.counter(HANDOVERS, "taken").inc()
        log.info("call taken over", call_id=kept.call_id, fence=kept.fence, gap_ms=round(gap_s * 1000))
        return Taken(found, kept.fence)

    async def invite(self, line: str) -> Invitation | None:
        """Offers the call of a line whose stream is over; None where there is none that goes on."""
        token = new_token()
        try:
            kept = await self._store.invite(line, token, ttl_s=TOKEN_S)
        except VoxError as error:
            log.warning("call cannot be offered", code=error.code, error=str(error))
            return None
        if kept is None or (found := self._decoded(kept)) is None:
            return None
        return Invitation(token, found, kept.offers)

    def drain(self) -> None:
        """Begins to move calls `lead_s` before the server's deadline; idempotent."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name="hand calls over")

    async def _drain(self) -> None:
        deadline = self._lifecycle.drain_deadline or self._clock.now()
        await asyncio.sleep(max(0.0, deadline - self._lead_s - self._clock.now()))
        log.info("calls are handed over", calls=len(self._calls))
        async with asyncio.TaskGroup() as tasks:
            for call, moves in self._calls.items():
                tasks.create_task(self._move(call, moves, deadline - LAST_S), name=f"move {call.call_id}")

    async def _move(self, call: KeptCall, moves: Moves, last_at: float) -> None:
        try:
            is_moved = await moves.move(call, last_at)
        except Exception:  # the top of one call's move: the others go on
            log.exception("call was not handed over", call_id=call.call_id)
            is_moved = False
        if not is_moved and call in self._calls:
            self._metrics.counter(HANDOVERS, "failed").inc()

    async def _renew(self) -> None:
        calls = {call.call_id: call for call in self._calls}
        for lost in await self._store.renew({name: call.fence for name, call in calls.items()}):
            calls[lost].lose()

    def _decoded(self, kept: Kept) -> Checkpoint | None:
        try:
            return checkpoint.decode(kept.record)
        except VoxError as error:
            log.warning("call cannot be gone on with", call_id=kept.call_id, code=error.code, error=str(error))
            self._metrics.counter(HANDOVERS, "failed").inc()
            return None


async def _keep(call: KeptCall, moves: Moves) -> None:
    if moves.welcome is not None:
        await moves.welcome(call)
    await call.run()
