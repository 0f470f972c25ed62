"""The life of a part: starting → ready → draining → stopped, and `lame` (alive, a dependency is down).

Work that must not be cut (a call, a socket, an upload) holds a token. Draining ends when the last token is released or
when the deadline passes, whichever is first; a second signal does not shorten it, only SIGQUIT does. Whether to take new work is
the caller's decision: ask `is_accepting` first, then hold.
"""

import asyncio
import math
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import partial

from vox.errors import UsageError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

RETRY_AFTER_MAX_S = 30.0
"""A refused client is never told to stay away longer: another server may take over long before this one is drained."""

_log = get_logger(__name__)


class State(StrEnum):
    """Where a part is in its life."""

    STARTING = "starting"
    READY = "ready"
    LAME = "lame"
    DRAINING = "draining"
    STOPPED = "stopped"


class _Event(StrEnum):
    READY = "ready"
    LAME = "lame"
    DRAIN = "drain"
    STOP = "stop"


_TRANSITIONS: dict[tuple[State, _Event], State] = {
    (State.STARTING, _Event.READY): State.READY,
    (State.STARTING, _Event.LAME): State.LAME,
    (State.STARTING, _Event.DRAIN): State.DRAINING,
    (State.STARTING, _Event.STOP): State.STOPPED,
    (State.READY, _Event.READY): State.READY,
    (State.READY, _Event.LAME): State.LAME,
    (State.READY, _Event.DRAIN): State.DRAINING,
    (State.LAME, _Event.READY): State.READY,
    (State.LAME, _Event.LAME): State.LAME,
    (State.LAME, _Event.DRAIN): State.DRAINING,
    # A drain is never taken back and never restarted: a late "ready" or a second signal changes nothing.
    (State.DRAINING, _Event.READY): State.DRAINING,
    (State.DRAINING, _Event.LAME): State.DRAINING,
    (State.DRAINING, _Event.DRAIN): State.DRAINING,
    (State.DRAINING, _Event.STOP): State.STOPPED,
    (State.STOPPED, _Event.READY): State.STOPPED,
    (State.STOPPED, _Event.LAME): State.STOPPED,
    (State.STOPPED, _Event.DRAIN): State.STOPPED,
    (State.STOPPED, _Event.STOP): State.STOPPED,
}


class Lifecycle:
    """One part's state, its hold tokens and its drain deadline.

    Args:
        clock: for the drain deadline.
        drain_timeout_s: how long running work may go on after `drain`.
    """

    def __init__(self, clock: Clock, drain_timeout_s: float) -> None:
        self._clock = clock
        self._drain_timeout_s = drain_timeout_s
        self._state = State.STARTING
        self._drain_deadline: float | None = None
        self._holds = 0
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[State], None]] = []

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def is_accepting(self) -> bool:
        """Whether new work may begin: ready, or lame (what needs the missing dependency fails on its own)."""
        return self._state in {State.READY, State.LAME}

    @property
    def is_draining(self) -> bool:
        """Whether the end has begun."""
        return self._state in {State.DRAINING, State.STOPPED}

    @property
    def holds(self) -> int:
        """How many tokens are held."""
        return self._holds

    @property
    def drain_deadline(self) -> float | None:
        """The time of the clock at which a drain ends; None before it has begun."""
        return self._drain_deadline

    @property
    def retry_after_s(self) -> float:
        """Whole seconds for a `Retry-After`: what is left of the drain, between 1 and RETRY_AFTER_MAX_S."""
        if self._drain_deadline is None:
            return 1.0
        return float(min(max(math.ceil(self._drain_deadline - self._clock.now()), 1), RETRY_AFTER_MAX_S))

    def ready(self) -> None:
        """Begins to take work; also ends `lame`."""
        self._apply(_Event.READY)

    def lame(self) -> None:
        """Says that a dependency is down."""
        self._apply(_Event.LAME)

    @property
    def drain_left_s(self) -> float | None:
        """Seconds until the drain's deadline, not below 0; None while nothing drains."""
        return None if self._drain_deadline is None else max(0.0, self._drain_deadline - self._clock.now())

    def drain(self, timeout_s: float | None = None) -> None:
        """Begins the end: no new work, running work until its end or the deadline. Later calls change nothing.

        Args:
            timeout_s: how long running work may go on, where it is another time than the usual one.
        """
        if self._drain_deadline is None:
            self._drain_deadline = self._clock.now() + (self._drain_timeout_s if timeout_s is None else timeout_s)
        self._apply(_Event.DRAIN)

    def cut_drain(self) -> None:
        """Ends the drain now, whatever is still running; begins it where it had not begun."""
        self._drain_deadline = self._clock.now()
        self._apply(_Event.DRAIN)

    def stop(self) -> None:
        """Says that nothing runs any more."""
        self._apply(_Event.STOP)

    def subscribe(self, listener: Callable[[State], None]) -> Callable[[], None]:
        """Calls `listener` on each change of state until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextmanager
    def hold(self) -> Generator[None]:
        """Keeps the part from stopping while the block runs; allowed while draining, for work that belongs to work."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds:
                self._changed.set()

    async def drained(self) -> bool:
        """Waits for `drain` and then for the last token; False when the deadline passed first."""
        while self._state not in {State.DRAINING, State.STOPPED}:
            await self._change()
        while self._holds and (left_s := self.drain_left_s):
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._change()
        return not self._holds

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _apply(self, event: _Event) -> None:
        before = self._state
        after = _TRANSITIONS.get((before, event))
        if after is None:
            raise UsageError(
                f"a part that is {before} cannot {event}", code="invalid_transition", hint="drain before stopping"
            )
        self._state = after
        self._changed.set()
        if after is not before:
            _log.info("life cycle", state=after.value, was=before.value, holds=self._holds)
            for listener in tuple(self._listeners):
                listener(after)


async def run_until_stopped(
    lifecycle: Lifecycle,
    announce: Callable[[], None] | None = None,
    *,
    drain: Callable[[bool], None] | None = None,
    **others: Callable[[], None],
) -> bool:
    """Turns SIGTERM and SIGINT into a drain and returns when it is over; False when the deadline cut work short.

    SIGQUIT ends a drain at once. Close the server after this, not before: while draining it still has to tell new callers
    to come back later.

    Args:
        lifecycle: of the part.
        announce: says that the part is ready, once signals are handled: what waits for that may send one at once.
        drain: begins the drain in the lifecycle's place, for a part that has something to do first; is told whether a new
            generation has taken over, which SIGUSR1 says.
        others: what further signals do, by name.
    """
    stop = partial(drain, False) if drain else lifecycle.drain
    replaced = {"SIGUSR1": partial(drain, True)} if drain else {}
    with owned_signals(stop, SIGQUIT=lifecycle.cut_drain, **replaced, **others):
        if announce is not None:
            announce()
        is_clean = await lifecycle.drained()
        if not is_clean:
            _log.warning("drain deadline passed", holds=lifecycle.holds)
        lifecycle.stop()
        return is_clean


@contextmanager
def owned_signals(stop: Callable[[], None], **others: Callable[[], None]) -> Generator[None]:
    """While the block runs, no signal that people send by habit ends the process and what it holds.

    SIGTERM and SIGINT call `stop`. So does SIGHUP where the process has a terminal, because that was closed; elsewhere
    SIGHUP, SIGUSR1 and SIGUSR2 are logged and change nothing: settings are read at the start only.

    Args:
        stop: begins the end.
        others: what further signals do, by name.
    """

    def ignored(number: signal.Signals) -> None:
        _log.warning("signal ignored; restart to read the settings again", signal=number.name)

    has_terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    habits = [signal.Signals[name] for name in ("SIGHUP", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]
    owned: dict[signal.Signals, Callable[[], None]] = {number: partial(ignored, number) for number in habits}
    owned |= dict.fromkeys((signal.SIGTERM, signal.SIGINT), stop)
    if has_terminal and habits:
        owned[habits[0]] = stop
    owned |= {signal.Signals[name]: handler for name, handler in others.items() if hasattr(signal, name)}
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows: the interpreter's own Ctrl-C remains
        for number, handler in owned.items():
            loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        with suppress(NotImplementedError):
            for number in owned:
                loop.remove_signal_handler(number)
