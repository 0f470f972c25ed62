"""The other workers of this machine, asked for their numbers where no bridge has those of the whole fleet.

The totals are those of the workers that answer: one that does not is named, and counts for nothing. `/health` is answered from the
last round, so that it never waits for a sibling; `/health/fleet` asks where the round is older than FRESH_S.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import msgspec

from vox.runtime.clock import Clock

ASK_TIMEOUT_S: Final = 1.0
ROUND_EVERY_S: Final = 2.0
FRESH_S: Final = 1.0
MAX_ANSWER_BYTES: Final = 65_536
AT_ONCE: Final = 32


class _Health(msgspec.Struct):
    worker_calls: int
    worker_max: int
    worker_pid: int = 0
    reserved: int = 0
    limit: int | None = None
    state: str = ""
    generation: int = 0
    worker_id: str = ""


_DECODER: Final = msgspec.json.Decoder(_Health)


@dataclass(frozen=True, slots=True)
class Sibling:
    """One worker of this machine; without numbers where it did not answer."""

    port: int
    health: _Health | None

    @property
    def available(self) -> int:
        """Slots that it has free."""
        known = self.health
        if known is None or known.state not in {"", "ready", "full"}:
            return 0
        limit = known.worker_max if known.limit is None else known.limit
        return max(0, limit - known.worker_calls - known.reserved)

    def shown(self) -> dict[str, Any]:
        """As `/health/fleet` lists it."""
        known = self.health
        if known is None:
            return {"port": self.port, "status": "unreachable"}
        more = {"max": known.worker_max, "reserved": known.reserved, "available": self.available}
        named = {"id": known.worker_id, "state": known.state, "generation": known.generation} if known.state else {}
        return {"port": self.port, "calls": known.worker_calls, "pid": known.worker_pid, **more, **named}


class Siblings:
    """The workers at some ports of this machine.

    Args:
        http: the client to ask with.
        ports: without that of this worker.
        clock: says how old the last round is.
    """

    def __init__(self, http: httpx2.AsyncClient, ports: list[int], clock: Clock) -> None:
        self._http = http
        self._ports = ports
        self._clock = clock
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()
        self.known: list[Sibling] = [Sibling(port, None) for port in ports]

    async def refresh(self, *, max_age_s: float = 0.0) -> None:
        """Asks all of them, unless that was done so lately."""
        async with self._asking:
            if self._asked_at is not None and self._clock.now() - self._asked_at < max_age_s:
                return
            gate = asyncio.Semaphore(AT_ONCE)
            self.known = list(await asyncio.gather(*(self._ask(port, gate) for port in self._ports)))
            self._asked_at = self._clock.now()

    async def _ask(self, port: int, gate: asyncio.Semaphore) -> Sibling:
        try:
            async with gate, asyncio.timeout(ASK_TIMEOUT_S):
                answer = await self._http.get(f"http://127.0.0.1:{port}/health")
        except (httpx2.HTTPError, TimeoutError):
            return Sibling(port, None)
        if answer.status_code != 200 or len(answer.content) > MAX_ANSWER_BYTES:  # noqa: PLR2004  OK
            return Sibling(port, None)
        try:
            return Sibling(port, _DECODER.decode(answer.content))
        except msgspec.MsgspecError:
            return Sibling(port, None)  # something else listens there
