"""The callbacks of one call: sent in order, one after the other, with the faults that a scenario asks for."""

import asyncio
from collections.abc import Callable
from typing import Final

from vox.clients.carrier_simulator.behaviour import CallbackFaults
from vox.clients.carrier_simulator.outgoing import Outgoing
from vox.clients.carrier_simulator.requests import OutgoingRequest
from vox.errors import VoxError

MAX_WAITING: Final = 500
_SUCCESS: Final = range(200, 300)

Log = Callable[[str, dict[str, object]], None]


class CallbackQueue:
    """One call's callbacks.

    Args:
        outgoing: sends them.
        faults: what goes wrong.
        log: takes what was sent and what came of it.
    """

    def __init__(self, outgoing: Outgoing, faults: CallbackFaults, log: Log) -> None:
        self._outgoing = outgoing
        self._faults = faults
        self._log = log
        self._queue: asyncio.Queue[tuple[str, OutgoingRequest] | None] = asyncio.Queue(MAX_WAITING)
        self._held: list[tuple[str, OutgoingRequest]] = []

    def add(self, name: str, request: OutgoingRequest) -> None:
        """Sends a callback behind those before it; `name` is what the log calls it."""
        if self._faults.is_reversed:
            self._held.append((name, request))
        else:
            self._put((name, request))

    def finish(self) -> None:
        """No more will come; `run` returns when all are sent."""
        for entry in reversed(self._held):
            self._put(entry)
        self._held.clear()
        self._put(None)

    async def run(self) -> None:
        """Sends until finished."""
        while (entry := await self._queue.get()) is not None:
            name, request = entry
            if self._faults.delay_s:
                await asyncio.sleep(self._faults.delay_s)
            if not self._faults.copies:
                self._log("callback_lost", {"name": name, "url": request.url})
            for _ in range(self._faults.copies):
                await self._send(name, request)

    def _put(self, entry: tuple[str, OutgoingRequest] | None) -> None:
        try:
            self._queue.put_nowait(entry)
        except asyncio.QueueFull:
            if entry is None:
                self._queue.get_nowait()  # the end must arrive
                self._queue.put_nowait(None)
            self._log("callback_dropped", {"reason": f"more than {MAX_WAITING} wait"})

    async def _send(self, name: str, request: OutgoingRequest) -> None:
        for attempt in range(1, self._faults.retries + 2):
            sent: dict[str, object] = {"name": name, "url": request.url, "attempt": attempt}
            if request.fields:
                sent["fields"] = dict(request.fields)
            try:
                answer = await self._outgoing.send(request)
            except VoxError as error:
                self._log("callback_failed", {**sent, "error": str(error)})
            else:
                self._log("callback", {**sent, "status": answer.status})
                if answer.status in _SUCCESS:
                    return
            if attempt <= self._faults.retries:
                await asyncio.sleep(self._faults.retry_s)
