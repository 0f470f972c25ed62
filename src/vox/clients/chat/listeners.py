"""Which functions hear of which events, and what waits for one.

The one thing to know: listeners run side by side, at most `AT_ONCE` of them, and when that many are busy the next event waits;
one that needs the events one after the other says `in_order`. A listener that fails is reported and called again with the next event.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from vox.clients.chat.events import Event
from vox.runtime.logging import get_logger
from vox.runtime.tasks import cancel_and_wait

E = TypeVar("E", bound=Event)

AT_ONCE: Final = 100
IN_ORDER_LIMIT: Final = 1_000
GRACE_S: Final = 5.0
"""How long listeners may go on when the client closes."""

Listener = Callable[[Any], Awaitable[object]]
OnError = Callable[[Exception, Event], Awaitable[None]]

_log = get_logger(__name__)


@dataclass(eq=False, slots=True)
class _Subscription:
    kind: type[Event]
    listener: Listener
    queue: "asyncio.Queue[Event] | None" = None


@dataclass(eq=False, slots=True)
class _Waiter:
    kind: type[Event]
    where: Callable[[Any], bool] | None
    found: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Listeners:
    """The listeners of one client."""

    def __init__(self) -> None:
        self.on_error: OnError | None = None
        self._subscriptions: list[_Subscription] = []
        self._waiters: list[_Waiter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._workers: dict[_Subscription, asyncio.Task[None]] = {}
        self._free = asyncio.Semaphore(AT_ONCE)

    def add(self, kind: type[Event], listener: Listener, *, in_order: bool = False) -> Callable[[], None]:
        """Calls the listener with each event of this type, and of types derived from it; the result takes it away again."""
        one = _Subscription(kind, listener, asyncio.Queue(IN_ORDER_LIMIT) if in_order else None)
        self._subscriptions.append(one)

        def remove() -> None:
            if one in self._subscriptions:
                self._subscriptions.remove(one)

        return remove

    async def wait_for(self, kind: type[E], where: Callable[[E], bool] | None, timeout_s: float | None) -> E:
        """The next event of this type for which `where` holds.

        Raises:
            TimeoutError: none came in time.
        """
        waiter = _Waiter(kind, where)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter.found
        finally:
            self._waiters.remove(waiter)

    async def dispatch(self, event: Event) -> None:
        """Tells everything that listens; returns when the listeners have begun, which may have to wait for others to end."""
        for waiter in self._waiters:
            if isinstance(event, waiter.kind) and not waiter.found.done() and self._is_match(waiter, event):
                waiter.found.set_result(event)
        for one in tuple(self._subscriptions):
            if not isinstance(event, one.kind):
                continue
            if one.queue is None:
                await self._free.acquire()
                self._spawn(self._call_and_free(one.listener, event))
            else:
                if one not in self._workers:
                    self._workers[one] = asyncio.create_task(self._work(one, one.queue))
                await one.queue.put(event)

    def start(self, work: Coroutine[Any, Any, None], event: Event) -> None:
        """Does something because of an event, beside everything else and before what waits; a failure is reported."""

        async def reported() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001  the top of a task: one failure must not end the client
                await self._report(error, event)

        self._spawn(reported())

    async def close(self) -> None:
        """Lets running listeners finish for a moment, and ends the rest."""
        waiting = {asyncio.create_task(one.queue.join()) for one in self._workers if one.queue is not None}
        if pending := self._tasks | waiting:
            await asyncio.wait(pending, timeout=GRACE_S)
        await cancel_and_wait(*waiting, *self._tasks, *self._workers.values())
        self._workers.clear()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call_and_free(self, listener: Listener, event: Event) -> None:
        try:
            await self._call(listener, event)
        finally:
            self._free.release()

    async def _work(self, one: _Subscription, queue: "asyncio.Queue[Event]") -> None:
        while True:
            event = await queue.get()
            try:
                await self._call(one.listener, event)
            finally:
                queue.task_done()

    async def _call(self, listener: Listener, event: Event) -> None:
        try:
            await listener(event)
        except Exception as error:  # noqa: BLE001  the top of a listener's task: one failure must not end the client
            await self._report(error, event)

    async def _report(self, error: Exception, event: Event) -> None:
        name = type(event).__name__
        if self.on_error is None:
            _log.error("a listener failed", event_type=name, error=repr(error), exc_info=error)
            return
        try:
            await self.on_error(error, event)
        except Exception:  # noqa: BLE001  the top of a listener's task, see above
            _log.exception("on_error itself failed", event_type=name)

    @staticmethod
    def _is_match(waiter: _Waiter, event: Event) -> bool:
        try:
            return waiter.where is None or bool(waiter.where(event))
        except Exception as error:  # noqa: BLE001  the caller's condition failed, which the caller hears of
            waiter.found.set_exception(error)
            return False


def as_listener(function: Any) -> Listener:
    """A function that a decorator was put before, as a listener.

    Raises:
        TypeError: it is not asynchronous.
    """
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{function.__name__} must be an `async def`")
    return cast("Listener", function)
