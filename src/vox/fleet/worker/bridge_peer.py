"""A worker as its bridge sees it: answers offers, carries commands out, and tells what becomes of calls.

Implements `vox.fleet.worker.registration.RegisteredWorker`; every method is one step.
"""

import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from vox.errors import VoxError
from vox.fleet.worker.contract import EndedCall, LiveCall
from vox.fleet.worker.outcomes import outcome_of, result_of
from vox.fleet.worker.registration import BridgeRegistration
from vox.fleet.worker.reservations import Reserved
from vox.fleet.worker.worker import Refused, Worker
from vox.protocols import fleet as wire
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger

TRANSFER_FAILED: Final = "transfer_failed"
Spawn = Callable[[Coroutine[Any, Any, None], str], None]

_log = get_logger(__name__)


class BridgePeer:
    """One worker's side of its connections to bridges.

    Args:
        worker: answers.
        transports: carriers and transports that it takes; empty for all.
        is_resumable: whether its calls can go on with other streams, here or elsewhere.
        labels: what placement may go by.
        clock: for the ages of calls.
        spawn: runs what takes time.
    """

    def __init__(
        self,
        worker: Worker,
        *,
        transports: list[str],
        is_resumable: bool,
        labels: Mapping[str, str],
        clock: Clock,
        spawn: Spawn,
    ) -> None:
        self._worker = worker
        self._is_resumable = is_resumable
        self._transports = transports
        self._labels = labels
        self._clock = clock
        self._spawn = spawn
        self._registration: BridgeRegistration | None = None

    def connect(self, registration: BridgeRegistration) -> None:
        """Tells the bridges of this registration what happens from now on."""
        self._registration = registration
        self._worker.on_change.append(registration.changed)
        self._worker.on_started.append(lambda call: registration.started(self._running(call)))
        self._worker.on_progress.append(registration.progress)
        self._worker.on_ended.append(self._ended)

    def registration(self) -> wire.Register:
        """Who this is, and the calls that run."""
        worker = self._worker
        return wire.Register(
            worker_id=worker.worker_id,
            generation=worker.generation,
            version=worker.version,
            url=worker.base,
            region=worker.settings.region,
            transports=self._transports,
            max_calls=worker.settings.max_concurrent_calls,
            labels=dict(self._labels),
            pid=os.getpid(),
            calls=[self._running(call) for call in worker.calls.live()[: wire.MAX_CALLS]],
        )

    def status(self) -> wire.Status:
        """The numbers of this moment."""
        status = self._worker.status()
        return wire.Status(
            active=status.active,
            reserved=status.reserved,
            max_calls=status.max_calls,
            limit=status.limit,
            state=status.state,
            load=round(status.load, 3),
            loop_lag_p95_ms=status.loop_lag_p95_ms,
            free_outbound=status.free_outbound,
            next_free_s=status.next_free_s,
            drain_left_s=self._worker.lifecycle.drain_left_s,
        )

    def reserve(self, offer: wire.Offer) -> wire.Accept | wire.Busy:
        """Reserves a slot for an offered call, or says when there may be one."""
        answer = self._worker.reserve(
            offer.call_id, offer.call_class, ttl_s=offer.ttl_s, bot_id=offer.bot_id, metadata=offer.metadata
        )
        if isinstance(answer, Refused):
            return wire.Busy(offer.offer_id, float(answer.retry_after_s), answer.code)
        return wire.Accept(
            offer.offer_id, answer.reservation_id, answer.token, answer.stream_url, is_resumable=self._is_resumable
        )

    def renew(self, reservation_id: str, ttl_s: float) -> None:
        """Keeps a reservation."""
        self._worker.renew(reservation_id, ttl_s)

    def release(self, reservation_id: str) -> None:
        """Gives a reservation up."""
        self._worker.release(reservation_id)

    def drain(self, deadline_s: float) -> None:
        """Takes no further calls."""
        self._worker.drain(deadline_s)

    def hang_up(self, call_id: str) -> None:
        """Ends a call."""
        self._worker.calls.hang_up(call_id)

    def inject(self, call_id: str, text: str) -> None:
        """Gives the agent a text."""
        self._worker.calls.inject(call_id, text)

    def watch(self, call_id: str, ttl_s: float, after_ms: int) -> None:
        """Tells of what is said in a call."""
        self._worker.reports.watch(call_id, ttl_s, after_ms)

    def transfer(self, call_id: str, to: str) -> None:
        """Hands a call over; where that fails, the bridge is told why."""
        self._spawn(self._transfer(call_id, to), f"transfer {call_id}")

    async def _transfer(self, call_id: str, to: str) -> None:
        try:
            if await self._worker.calls.transfer(call_id, to):
                return
            why = "transfer_unavailable"
        except VoxError as error:
            why = error.code
            _log.warning("transfer failed", call_id=call_id, code=error.code, error=str(error))
        if self._registration is not None:
            self._registration.progress(call_id, TRANSFER_FAILED, {"code": why})

    def _ended(self, call: EndedCall, reserved: Reserved | None) -> None:
        if self._registration is None:
            return
        if call.reason == wire.HANDED_OVER:
            self._registration.ended(call.call_id, wire.HANDED_OVER)
        else:
            ended_at = self._clock.wall().isoformat(timespec="milliseconds")
            result = result_of(call, reserved, worker_id=self._worker.worker_id, ended_at=ended_at)
            self._registration.ended(call.call_id, outcome_of(call.reason), result)

    def _running(self, call: LiveCall) -> wire.RunningCall:
        reserved = self._worker.slots.of_call(call.call_id)
        age_ms = int((self._clock.now() - call.began_at) * 1000)
        call_class: wire.CallClass = reserved.call_class if reserved is not None else "inbound"
        return wire.RunningCall(call.call_id, call_class, max(0, self._clock.unix_ms() - age_ms))
