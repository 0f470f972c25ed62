"""One simulated call in real time: carries out what the state machine decides, and feeds it what happens."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Final

from vox.clients.carrier_simulator.call_events import (
    Action,
    Begin,
    CallEvent,
    CloseStream,
    DocumentArrived,
    DocumentFailed,
    DocumentSource,
    Fetch,
    Finish,
    HangUpAsked,
    KeysPressed,
    Notice,
    Notify,
    OpenStream,
    PickUp,
    Speak,
)
from vox.clients.carrier_simulator.callbacks import CallbackQueue
from vox.clients.carrier_simulator.dialect import Dialect
from vox.clients.carrier_simulator.documents import Stream
from vox.clients.carrier_simulator.leg import CalleeLeg
from vox.clients.carrier_simulator.outgoing import Outgoing
from vox.clients.carrier_simulator.record import CallRecord
from vox.clients.script import Press, Step, Wait
from vox.errors import VoxError
from vox.runtime.clock import Clock

MAX_EVENTS: Final = 1000
_SUCCESS: Final = range(200, 300)

Log = Callable[[CallRecord, str, dict[str, object]], None]


class SimulatedCarrierCall:
    """Runs one call from its dialling to its last callback.

    Args:
        record: the call.
        dialect: the carrier's words.
        script: what the callee does once it has answered.
        outgoing: sends and connects.
        clock: the time.
        log: takes what happens.
        max_track_s: how much audio is kept.
        new_id: makes ids of 32 hex digits.
    """

    def __init__(
        self,
        record: CallRecord,
        dialect: Dialect,
        script: Iterable[Step],
        *,
        outgoing: Outgoing,
        clock: Clock,
        log: Log,
        max_track_s: float,
        new_id: Callable[[], str],
    ) -> None:
        self.record = record
        self.dialect = dialect
        self.leg: CalleeLeg | None = None
        self.is_finished = asyncio.Event()
        self._script = script
        self._outgoing = outgoing
        self._clock = clock
        self._log = log
        self._max_track_s = max_track_s
        self._new_id = new_id
        self._events: asyncio.Queue[tuple[CallEvent, asyncio.Future[None] | None]] = asyncio.Queue(MAX_EVENTS)
        self._callbacks = CallbackQueue(
            outgoing, record.behaviour.callbacks, lambda kind, details: log(record, kind, details)
        )
        self._group: asyncio.TaskGroup | None = None
        self._listening: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[None]] = set()  # fetches and connections, which end with the call

    def put(self, event: CallEvent) -> None:
        """Feeds the state machine; a call that is over takes nothing more."""
        with contextlib.suppress(asyncio.QueueFull):  # a flood of events of one call is that call's own trouble
            self._events.put_nowait((event, None))

    async def apply(self, event: CallEvent) -> None:
        """Feeds the state machine and returns when it has taken the event in, so that an answer shows what came of it."""
        if self.record.machine.is_over or self.is_finished.is_set():
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with contextlib.suppress(asyncio.QueueFull):
            self._events.put_nowait((event, done))
            await done

    async def run(self, begin_at: float) -> None:
        """Waits in the queue until `begin_at`, dials, and returns when the call is over and its last callback is sent."""
        machine = self.record.machine
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._callbacks.run(), name="callbacks")
                await self._queue_until(begin_at)
                while not machine.is_over:
                    await self._go_on()
                self._callbacks.finish()
                for task in (*self._work, *filter(None, [self._listening])):
                    task.cancel()
                self._drain()
        finally:
            if self.leg is not None:
                self.leg.detach("the simulator stopped")
            self._drain()
            self.is_finished.set()

    async def _queue_until(self, begin_at: float) -> None:
        machine = self.record.machine
        while not machine.is_over and (left_s := begin_at - self._clock.now()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    event, done = await self._events.get()
                if isinstance(event, HangUpAsked):  # the only thing that can happen to a queued call
                    self._perform(machine.handle(event, self._clock.now()))
                _settle(done)
        if not machine.is_over:
            self.record.begun = self._clock.wall()
            self._perform(machine.handle(Begin(), self._clock.now()))

    async def _go_on(self) -> None:
        """Waits for an event or for what is due next, and carries out what follows."""
        machine = self.record.machine
        try:
            async with asyncio.timeout(None) as limit:
                if machine.due_at is not None:
                    limit.reschedule(asyncio.get_running_loop().time() + max(0.0, machine.due_at - self._clock.now()))
                event, done = await self._events.get()
        except TimeoutError:
            self._perform(machine.advance(self._clock.now()))
            return
        self._perform(machine.handle(event, self._clock.now()))
        _settle(done)

    def _drain(self) -> None:
        """Lets go of those who wait for events that come too late."""
        while not self._events.empty():
            _settle(self._events.get_nowait()[1])

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Notify():
                    self._notify(action)
                case Fetch(source, number):
                    self._spawn(self._fetch(source, number), "document")
                case PickUp():
                    self._pick_up()
                case OpenStream(stream, number):
                    self._spawn(self._attach(stream, number), "stream")
                case CloseStream():
                    if self.leg is not None:
                        self.leg.detach("stream stopped")
                case Speak(text):
                    self._log(self.record, "carrier_said", {"text": text})
                case Finish():
                    self.record.ended = self._clock.wall()

    def _notify(self, action: Notify) -> None:
        record, now = self.record, self._clock.wall()
        if action.notice is Notice.COMPLETED:
            record.ended = now
        details: dict[str, object] = {"detail": action.detail} if action.detail else {}
        self._log(record, action.notice, {**details, "status": record.status})
        request = self.dialect.notice(record, action, now)
        if request is not None:
            self._callbacks.add(action.notice, request)

    def _pick_up(self) -> None:
        record = self.record
        record.answered = self._clock.wall()
        caller, callee = self.dialect.numbers_in_stream(record)
        faults = record.behaviour.stream
        self.leg = CalleeLeg(
            self.dialect.line,
            self._follow(),
            call_id=record.call_id,
            caller=caller,
            callee=callee,
            clock=self._clock,
            connect=self._outgoing.connect,
            report=self.put,
            max_call_s=record.order.plan.time_limit_s + 10.0,
            max_track_s=self._max_track_s,
            keeps_buffer=faults.keeps_buffer,
            cut_after_s=faults.cut_after_s,
        )
        if self._group is not None:
            self._listening = self._group.create_task(self.leg.run(), name="callee")

    def _follow(self) -> Iterator[Step]:
        """The callee's steps; keys are heard by the document too, and who has nothing left to do listens on."""
        for step in self._script:
            if isinstance(step, Press):
                self.put(KeysPressed(step.digits))
            yield step
        yield Wait(self.record.order.plan.time_limit_s)

    async def _attach(self, stream: Stream, number: int) -> None:
        if self.leg is not None:
            request = self.dialect.stream_request(stream, self._new_id())
            self._log(self.record, "stream_asked", {"url": request.url})
            await self.leg.attach(stream, request, self.dialect.new_stream_id(self._new_id()), number)

    async def _fetch(self, source: DocumentSource, number: int) -> None:
        request = self.dialect.document_request(self.record, source, self._clock.wall())
        asked: dict[str, object] = {"url": request.url}
        error = ""
        try:
            answer = await self._outgoing.send(request)
            if answer.status in _SUCCESS:
                verbs = self.dialect.read_document(source, answer.body)
            else:
                error, verbs = f"it answered {answer.status}", None
        except VoxError as failure:
            error, verbs = str(failure), None
        if verbs is None:
            self._log(self.record, "document_failed", {**asked, "error": error})
            self.put(DocumentFailed(f"no usable document from {source.url}: {error}", number))
        else:
            self._log(self.record, "document", {**asked, "verbs": [type(verb).__name__ for verb in verbs]})
            self.put(DocumentArrived(verbs, number))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        if self._group is not None:
            task = self._group.create_task(work, name=name)
            self._work.add(task)
            task.add_done_callback(self._work.discard)


def _settle(done: asyncio.Future[None] | None) -> None:
    if done is not None and not done.done():
        done.set_result(None)
