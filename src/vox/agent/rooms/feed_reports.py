"""What is said in a room, for its text feed: posted to the address that came with the agent's invitation, in batches and in order."""

import asyncio
from collections import deque
from typing import Final, Protocol

import msgspec

from vox.agent.rooms.metrics import REPORTS_DROPPED
from vox.errors import VoxError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security.outbound import FetchResult

log = get_logger(__name__)

BATCH: Final = 50
MAX_WAITING: Final = 500
DEADLINE_S: Final = 10.0
GIVE_UP_S: Final = 60.0
"""After so long without success what waits is dropped."""
FINISH_S: Final = 5.0
_RETRY_S, _LAST_RETRY_S = 1.0, 10.0
_MAX_ANSWER_BYTES: Final = 1 << 14
_DONE: Final = range(200, 300)
_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class Utterance(msgspec.Struct, frozen=True, omit_defaults=True):
    """One final utterance; `at` is Unix time."""

    id: str
    identity: str
    text: str
    at: float
    language: str = ""


class Fetches(Protocol):
    """The outgoing guard."""

    async def fetch(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes, deadline_s: float, max_bytes: int
    ) -> FetchResult:
        """Sends a request and reads its answer."""
        ...


class FeedReports:
    """The reports of one room; `run` sends them until `close`, and for `FINISH_S` behind it.

    Args:
        url: where they go.
        token: the agent's token for the room, which proves that it is in there.
        guard: sends requests.
        clock: of this process.
        metrics: count what is dropped.
    """

    def __init__(self, url: str, token: str, guard: Fetches, clock: Clock, metrics: Metrics) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self._guard = guard
        self._clock = clock
        self._dropped = metrics.counter(REPORTS_DROPPED)
        self._waiting: deque[Utterance] = deque()
        self._has_more = asyncio.Event()
        self._is_closed = False

    def add(self, segment: str, identity: str, text: str) -> None:
        """An utterance is over."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._dropped.inc()
        self._waiting.append(Utterance(segment, identity, text, self._clock.wall().timestamp()))
        self._has_more.set()

    def close(self) -> None:
        """Nothing more comes."""
        self._is_closed = True
        self._has_more.set()

    async def run(self) -> None:
        """Sends what comes."""
        while not (self._is_closed and not self._waiting):
            await self._has_more.wait()
            self._has_more.clear()
            try:
                async with asyncio.timeout(FINISH_S if self._is_closed else None):
                    while self._waiting:
                        await self._send()
            except TimeoutError:
                break
        self._dropped.inc(len(self._waiting))

    async def _send(self) -> None:
        """One batch, repeated until it is taken, refused for good, or given up."""
        batch = list(self._waiting)[:BATCH]
        body = msgspec.json.encode({"items": batch})
        give_up_at, delay_s = self._clock.now() + GIVE_UP_S, _RETRY_S
        while True:
            why = await self._post(body)
            if not why:
                break
            if why == "refused" or self._clock.now() >= give_up_at:
                log.warning("a room's text feed does not take what was said", reason=why)
                self._dropped.inc(len(batch))
                break
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _LAST_RETRY_S)
        for _ in batch:
            if self._waiting and self._waiting[0] in batch:
                self._waiting.popleft()

    async def _post(self, body: bytes) -> str:
        """Why the batch was not taken; empty where it was."""
        try:
            answer = await self._guard.fetch(
                "POST", self._url, headers=self._headers, body=body, deadline_s=DEADLINE_S, max_bytes=_MAX_ANSWER_BYTES
            )
        except VoxError as error:
            return error.code
        if answer.status in _DONE:
            return ""
        return f"HTTP {answer.status}" if answer.status in _LATER else "refused"
