"""Every call of a simulator: placed, queued by the carrier's dialling rate, found again, and ended with the simulator."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from functools import partial
from typing import Any, Final

from vox.clients.carrier_simulator.behaviour import ApiFault
from vox.clients.carrier_simulator.call import SimulatedCarrierCall
from vox.clients.carrier_simulator.call_machine import CallMachine
from vox.clients.carrier_simulator.dialect import Dialect, RequestRefused
from vox.clients.carrier_simulator.outgoing import Outgoing
from vox.clients.carrier_simulator.record import CallOrder, CallRecord, LoggedEvent
from vox.clients.carrier_simulator.scenario import Scenario
from vox.clients.carrier_simulator.voices import Voices
from vox.errors import UsageError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.tasks import cancel_and_wait

MAX_CALLS: Final = 20_000
MAX_LOGGED: Final = 20_000
MAX_WITH_AUDIO: Final = 100
_HEX_BITS: Final = 128
_MINUTE_S: Final = 60.0
_FAILURES: Final = frozenset({"callback_dropped", "callback_failed", "document_failed", "stream_failed"})
_SHOWN: Final = frozenset({"attempt", "detail", "error", "name", "status", "url", "verbs"})

_log = get_logger(__name__)


class Calls:
    """The calls of one simulator.

    Args:
        scenario: decides how each call goes.
        voices: the callees' speech.
        outgoing: sends and connects.
        clock: the time.
        random_bits: a source of random bits, for ids.
        speed: how many times faster than real time ringing runs.
        max_track_s: how much audio of each call is kept, in seconds; of calls that are over for the last 100 only.
        on_end: hears of each call when its last callback is out.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        voices: Voices,
        outgoing: Outgoing,
        clock: Clock,
        random_bits: Callable[[int], int],
        speed: float,
        max_track_s: float,
        on_end: Callable[[SimulatedCarrierCall], None] | None = None,
    ) -> None:
        self.scenario = scenario
        self.events: deque[LoggedEvent] = deque(maxlen=MAX_LOGGED)
        self._voices = voices
        self._outgoing = outgoing
        self._clock = clock
        self._random_bits = random_bits
        self._speed = speed
        self._max_track_s = max_track_s
        self._on_end = on_end
        self._with_audio: deque[SimulatedCarrierCall] = deque()  # calls that are over, oldest first
        self._calls: dict[str, SimulatedCarrierCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_dial: dict[str, float] = {}
        self._requests: dict[str, deque[float]] = {}
        self._logged = 0
        self._changes = 0
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[SimulatedCarrierCall]:
        return iter(self._calls.values())

    async def place(
        self,
        dialect: Dialect,
        order: CallOrder,
        *,
        account: str,
        on_start: Callable[[SimulatedCarrierCall], None] | None = None,
    ) -> SimulatedCarrierCall:
        """Takes an order as the scenario says: places it, or fails, or both; `on_start` hears of a call that is placed.

        Raises:
            RequestRefused: the scenario fails the request.
        """
        self._count_request(dialect)
        behaviour = self.scenario.behaviour_of(order.to)
        match behaviour.api:
            case ApiFault.RATE_LIMIT:
                raise RequestRefused(dialect.rate_limited())
            case ApiFault.SERVER_ERROR:
                raise RequestRefused(dialect.server_error())
            case ApiFault.TIMEOUT_BEFORE_DIALLING:
                await asyncio.sleep(behaviour.api_delay_s)
                raise RequestRefused(dialect.server_error())
            case _:
                pass
        call = self.start(dialect, order, account=account)
        if on_start is not None:
            on_start(call)
        if behaviour.api is ApiFault.TIMEOUT_AFTER_DIALLING:
            await asyncio.sleep(behaviour.api_delay_s)
        if behaviour.api in {ApiFault.TIMEOUT_AFTER_DIALLING, ApiFault.ERROR_AFTER_DIALLING}:
            raise RequestRefused(dialect.server_error())
        return call

    def start(self, dialect: Dialect, order: CallOrder, *, account: str) -> SimulatedCarrierCall:
        """Places a call.

        Raises:
            UsageError: `too_many_simulated_calls`.
        """
        if len(self._calls) >= MAX_CALLS:
            self._forget_oldest()
        behaviour = self._voices.completed(self.scenario.behaviour_of(order.to))
        record = CallRecord(
            dialect.new_call_id(self._hex()),
            dialect.carrier,
            account,
            order,
            behaviour,
            CallMachine(order.plan, behaviour, speed=self._speed),
            self._clock.wall(),
            leg_id=self._hex(),
            session_id=self._hex(),
        )
        call = SimulatedCarrierCall(
            record,
            dialect,
            self._voices.script(behaviour),
            outgoing=self._outgoing,
            clock=self._clock,
            log=self.log,
            max_track_s=self._max_track_s,
            new_id=self._hex,
        )
        self._calls[record.call_id] = call
        self.log(record, "queued", {"from": order.from_, "to": order.to})
        task = asyncio.create_task(
            call.run(self._dial_at(record)),
            name=f"simulated call {record.call_id}",
            context=Context(),  # the request that placed it is over long before the call is
        )
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, call))
        return call

    def get(self, carrier: str, call_id: str, dialect: Dialect) -> SimulatedCarrierCall:
        """A carrier's call.

        Raises:
            RequestRefused: there is none, in the carrier's words.
        """
        found = self._calls.get(call_id)
        if found is None or found.record.carrier != carrier:
            raise RequestRefused(dialect.not_found())
        return found

    def find(self, call_id: str) -> SimulatedCarrierCall:
        """Any call by its id.

        Raises:
            UsageError: `simulated_call_not_found`.
        """
        found = self._calls.get(call_id)
        if found is None:
            raise UsageError(f"There is no call {call_id[:80]!r}", code="simulated_call_not_found")
        return found

    def of(self, carrier: str) -> list[SimulatedCarrierCall]:
        """A carrier's calls, newest first."""
        return [call for call in reversed(self._calls.values()) if call.record.carrier == carrier]

    def forget(self, call: SimulatedCarrierCall) -> None:
        """Removes a call that is over."""
        self._calls.pop(call.record.call_id, None)

    async def changed(self) -> None:
        """Returns when the next thing has happened: an event, or the end of a call after its last callback."""
        before = self._changes
        while self._changes == before:
            self._changed.clear()
            await self._changed.wait()

    def log(self, record: CallRecord, kind: str, details: Mapping[str, Any]) -> None:
        """Notes what happened, for those who watch."""
        self._logged += 1
        event = LoggedEvent(self._logged, self._clock.wall(), record.call_id, kind, dict(details))
        record.events.append(event)
        self.events.append(event)
        self._wake()
        shown = {name: value for name, value in details.items() if name in _SHOWN}
        write = _log.warning if kind in _FAILURES else _log.info
        write("simulated call", call_id=record.call_id, carrier=record.carrier, what=str(kind), **shown)

    async def close(self) -> None:
        """Ends every call at once; callbacks that were not sent are not sent any more."""
        await cancel_and_wait(*self._tasks)

    def _wake(self) -> None:
        self._changes += 1
        self._changed.set()

    def _count_request(self, dialect: Dialect) -> None:
        """Refuses what exceeds the carrier's limit of the last minute.

        Raises:
            RequestRefused: too many requests.
        """
        limit = self.scenario.calls_per_minute.get(dialect.carrier)
        if limit is None:
            return
        now, recent = self._clock.now(), self._requests.setdefault(dialect.carrier, deque[float]())
        while recent and recent[0] <= now - _MINUTE_S:
            recent.popleft()
        if len(recent) >= limit:
            raise RequestRefused(dialect.rate_limited())
        recent.append(now)

    def _dial_at(self, record: CallRecord) -> float:
        """When the carrier dials: at once, or when its rate of calls per second allows."""
        now, rate = self._clock.now(), self.scenario.calls_per_second.get(record.carrier)
        if not rate:
            return now
        at = max(now, self._next_dial.get(record.carrier, now))
        self._next_dial[record.carrier] = at + 1.0 / rate
        return at

    def _forget_oldest(self) -> None:
        for call_id, call in self._calls.items():
            if call.is_finished.is_set():
                del self._calls[call_id]
                return
        raise UsageError(
            f"The simulator runs {MAX_CALLS} calls already",
            code="too_many_simulated_calls",
            hint="wait for some to end",
        )

    def _ended(self, call: SimulatedCarrierCall, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._on_end is not None:
            self._on_end(call)
        self._with_audio.append(call)
        if len(self._with_audio) > MAX_WITH_AUDIO and (leg := self._with_audio.popleft().leg) is not None:
            leg.forget_audio()
        self._wake()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("simulated call failed", task=task.get_name(), error=str(error), exc_info=error)

    def _hex(self) -> str:
        return f"{self._random_bits(_HEX_BITS):032x}"
