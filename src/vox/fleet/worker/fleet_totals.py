"""The totals of the fleet as a worker knows them: from the bridge where there is one, else from the workers of this machine."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import msgspec

from vox.fleet.worker.siblings import FRESH_S, MAX_ANSWER_BYTES, Siblings
from vox.fleet.worker.worker import Worker

ASK_TIMEOUT_S: Final = 2.0


class _Fleet(msgspec.Struct):
    fleet_calls: int
    fleet_max: int
    fleet_available: int


_DECODER: Final = msgspec.json.Decoder(_Fleet)
_ANYTHING: Final = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Totals:
    """Calls, slots and free slots of all workers that are known; `is_stale` where the numbers may have changed unheard."""

    calls: int
    capacity: int
    available: int
    is_stale: bool = False


class FleetTotals:
    """Knows the fleet.

    Args:
        worker: the one that answers.
        siblings: the others of this machine.
        http: the client to ask the bridge with.
        bridge_url: the bridge's address; empty for none.
    """

    def __init__(self, worker: Worker, siblings: Siblings, http: httpx2.AsyncClient, bridge_url: str) -> None:
        self._worker = worker
        self._siblings = siblings
        self._http = http
        self._bridge_url = bridge_url
        self._heard: Totals | None = None
        self._report: Mapping[str, Any] | None = None

    async def refresh(self) -> None:
        """Asks again; the task of the worker calls it."""
        await asyncio.gather(self._siblings.refresh(max_age_s=FRESH_S), self._ask_bridge())

    def now(self) -> Totals:
        """The numbers last heard, with this worker's of this moment."""
        if self._heard is not None and not self._heard.is_stale:
            return self._heard
        return self._of_this_server()

    def _of_this_server(self) -> Totals:
        """The sums over the workers of this machine."""
        status = self._worker.status()
        known = [one for one in self._siblings.known if one.health is not None]
        calls = status.active + sum(one.health.worker_calls for one in known if one.health is not None)
        capacity = status.max_calls + sum(one.health.worker_max for one in known if one.health is not None)
        available = status.free + sum(one.available for one in known)
        is_stale = len(known) < len(self._siblings.known) or self._heard is not None
        return Totals(calls, capacity, available, is_stale)

    async def report(self, *, is_server_only: bool = False) -> dict[str, Any]:
        """What `/health/fleet` says.

        Args:
            is_server_only: leaves the bridge's numbers out; for the bridge itself, whose numbers of this server come from here.
        """
        if is_server_only:
            await self._siblings.refresh(max_age_s=FRESH_S)
        else:
            await self.refresh()
        if not is_server_only and self._report is not None and self._heard is not None and not self._heard.is_stale:
            return {**self._report, "source": "bridge", "stale": False}
        worker, status, totals = self._worker, self._worker.status(), self._of_this_server()
        own = {
            "port": worker.port,
            "calls": status.active,
            "pid": os.getpid(),
            "max": status.max_calls,
            "reserved": status.reserved,
            "available": status.free,
            "id": worker.worker_id,
            "state": status.state,
            "generation": worker.generation,
        }
        workers = sorted([own, *(one.shown() for one in self._siblings.known)], key=lambda one: one["port"])
        server = {
            "url": worker.base,
            "calls": totals.calls,
            "max": totals.capacity,
            "available": totals.available,
            "stale": totals.is_stale,
        }
        return {
            "status": "ok",
            "fleet_calls": totals.calls,
            "fleet_max": totals.capacity,
            "fleet_available": totals.available,
            "workers": workers,
            "servers": [server],
            "source": "siblings",
            "stale": totals.is_stale,
        }

    async def _ask_bridge(self) -> None:
        if not self._bridge_url:
            return
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                answer = await self._http.get(f"{self._bridge_url}/health/fleet")
            if answer.status_code == 200 and len(answer.content) <= MAX_ANSWER_BYTES:  # noqa: PLR2004  OK
                heard = _DECODER.decode(answer.content)
                self._heard = Totals(heard.fleet_calls, heard.fleet_max, heard.fleet_available)
                self._report = _ANYTHING.decode(answer.content)
                return
        except (httpx2.HTTPError, TimeoutError, msgspec.MsgspecError):
            pass
        if self._heard is not None:
            self._heard = Totals(self._heard.calls, self._heard.capacity, self._heard.available, is_stale=True)
