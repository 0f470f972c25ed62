"""One call whose state is kept: saved as it changes, moved when the time comes, and marked as ended when it is over.

The one thing to know: a save that is refused means that another process has the call. This one then ends without a word.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from vox.agent.call import checkpoint
from vox.agent.call.session import Session
from vox.agent.handover.contract import CheckpointStore
from vox.agent.handover.metrics import HANDOVERS
from vox.errors import DependencyError, VoxError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics

log = get_logger(__name__)

SAVE_EVERY_S: Final = 0.25
"""At most so often a call is saved."""
RETRY_S: Final = 2.0
LOOK_EVERY_S: Final = 0.05
"""Between two looks for a moment to hand over."""
PATIENCE_S: Final = 10.0
"""So long a call waits for the end of an answer before it moves in the middle of one."""
FOLLOW_EVERY_S: Final = 0.1
"""A call that waits for its client is saved so often: what it says meanwhile is said twice."""
FOLLOW_S: Final = 8.0
"""A client that has not come to the other process within this time does not know how."""
RETURN_S: Final = 86_400.0
"""A token for a client that loses its connection is good as long as its call, at most this long."""
TOKEN_S: Final = 30.0
TOKEN_BYTES: Final = 24


class Tell(Protocol):
    """Gives a client a token."""

    def __call__(self, token: str, *, is_urgent: bool) -> None:
        """`is_urgent`: it is to come now; else only when it loses its connection."""
        ...


def new_token() -> str:
    """A one-time token of letters and digits, which every carrier passes on."""
    return secrets.token_hex(TOKEN_BYTES)


class KeptCall:
    """Keeps one session's state.

    Args:
        session: of the call.
        store: where it is kept.
        fence: by which this process owns it.
        line: the carrier's name of the call, by which it asks for it again; empty where none will.
        clock: for the times.
        metrics: where hand-overs are counted.
    """

    def __init__(
        self, session: Session, store: CheckpointStore, fence: int, line: str, clock: Clock, metrics: Metrics
    ) -> None:
        self.session = session
        self.fence = fence
        self.line = line
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._dirty = asyncio.Event()
        self._saving = asyncio.Lock()
        self._has_failed = False
        self._is_closed = False
        self._last_record: bytes | None = None
        session.keeper = self
        self._dirty.set()

    @property
    def call_id(self) -> str:
        """Of the call."""
        return self.session.info.call_id

    def changed(self) -> None:
        """See `Keeper`."""
        self._dirty.set()

    def lose_line(self) -> None:
        """See `Keeper`."""
        if not self._is_closed:
            self._is_closed = True
            self._last_record = checkpoint.encode(self.session.state.checkpoint())
            self._count("lost")
            self.session.hand_over("line_lost")

    async def run(self) -> None:
        """Saves the call as it changes, until it is cancelled or the call is another process's."""
        while not self._is_closed:
            await self._dirty.wait()
            is_saved = await self.save()
            await asyncio.sleep(SAVE_EVERY_S if is_saved else RETRY_S)
            if not is_saved:
                self._dirty.set()

    async def save(self) -> bool:
        """Keeps the state of this moment; False where the store does not answer or the call is over here."""
        async with self._saving:
            if self._is_closed:
                return False
            self._dirty.clear()
            record = checkpoint.encode(self.session.state.checkpoint())
            try:
                is_mine = await self._store.save(self.call_id, self.fence, record, line=self.line)
            except VoxError as error:
                if not self._has_failed:
                    log.warning("call is not kept", call_id=self.call_id, code=error.code, error=str(error))
                self._has_failed = True
                return False
            self._has_failed = False
            if not is_mine:
                self.lose()
            return is_mine

    def lose(self) -> None:
        """Another process has the call: this one falls silent."""
        if not self._is_closed:
            self._is_closed = True
            self._count("given")
            log.info("call handed over", call_id=self.call_id)
            self.session.hand_over()

    async def let_go(self, last_at: float) -> bool:
        """Ends the call here at a good moment, for the line to be connected to another process; False where that fails.

        Args:
            last_at: the time of the clock from which any moment will do.
        """
        late_at = min(self._clock.now() + PATIENCE_S, last_at)
        while not self._is_closed:
            if self._is_good_moment(late_at, last_at) and await self.save() and not self._dirty.is_set():
                self._is_closed = True
                self.session.hand_over()
                await self.session.recording.left()
                self._count("given")
                log.info("call handed over", call_id=self.call_id)
                return True
            await asyncio.sleep(LOOK_EVERY_S)
        return False

    async def ticket(self) -> str:
        """A token for the line of a call that was let go.

        Raises:
            DependencyError: the store does not give one.
        """
        token = new_token()
        if not await self._invited(token, TOKEN_S):
            raise DependencyError("the call is another process's already", code="handover_refused")
        return token

    async def invite(self, tell: Tell, last_at: float) -> bool:
        """Has the client come to another process while the call goes on here; whether it did.

        Args:
            tell: gives the client its token, and says whether it has to come now.
            last_at: the time of the clock from which any moment will do.
        """
        late_at = min(self._clock.now() + PATIENCE_S, last_at)
        while not self._is_closed:
            if self._is_good_moment(late_at, last_at) and await self.save():
                token = new_token()
                if not await self._offer(token, FOLLOW_S):
                    return False
                tell(token, is_urgent=True)
                if await self._followed(late_at, last_at):
                    return True
                await self.allow_return(tell)
                if self._clock.now() >= last_at:
                    return False
            await asyncio.sleep(LOOK_EVERY_S)
        return self.session.is_handed_over

    async def allow_return(self, tell: Tell) -> None:
        """Gives the client a token for a new connection, for when it loses this one."""
        token = new_token()
        if await self.save() and await self._offer(token, RETURN_S):
            tell(token, is_urgent=False)

    async def finish(self) -> None:
        """See `Keeper`: marks the call as ended, so that its line is not taken up again; a failure is logged."""
        if not self._is_closed:
            self._is_closed = True
            async with self._saving:
                await self._try(lambda: self._store.finish(self.call_id, self.fence))

    async def close(self) -> None:
        """The session is over: what becomes of the call is decided here at the latest."""
        if (record := self._last_record) is not None:
            self._last_record = None
            async with self._saving:
                await self._try(lambda: self._store.save(self.call_id, self.fence, record, line=self.line))
            log.warning("the line broke; the call may be gone on with", call_id=self.call_id)
        else:
            await self.finish()

    async def _offer(self, token: str, ttl_s: float) -> bool:
        return await self._try(lambda: self._invited(token, ttl_s))

    async def _invited(self, token: str, ttl_s: float) -> bool:
        return await self._store.invite(self.call_id, token, ttl_s=ttl_s, fence=self.fence) is not None

    async def _followed(self, late_at: float, last_at: float) -> bool:
        """Waits for the client to claim the call; takes the token back where the moment passes before."""
        until = self._clock.now() + FOLLOW_S
        while self._clock.now() < until and self._is_good_moment(late_at, last_at):
            await self.save()
            if self._is_closed:
                return self.session.is_handed_over
            await asyncio.sleep(FOLLOW_EVERY_S)
        if not await self._try(lambda: self._store.withdraw(self.call_id, self.fence)):
            await self.save()
        return self._is_closed and self.session.is_handed_over

    def _is_good_moment(self, late_at: float, last_at: float) -> bool:
        now = self._clock.now()
        return self.session.state.moment.is_good(is_late=now >= late_at, is_last=now >= last_at)

    async def _try(self, work: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await work()
        except VoxError as error:
            log.warning("call cannot be handed over", call_id=self.call_id, code=error.code, error=str(error))
            return False

    def _count(self, result: str) -> None:
        self._metrics.counter(HANDOVERS, result).inc()
