"""Back-pressure on one call's audio: what the pipeline cannot take yet waits here, and beyond a bound the transport stops reading.

Nearly always nothing waits and no audio passes through here. When the detector or the recogniser falls behind, pieces queue in
order; at `max_pieces` the transport pauses, so that the sender's TCP has to wait rather than memory grow. A consumer that takes nothing for
`STALL_S` has failed rather than fallen behind: everything is handed over then, reading goes on, and what it still cannot take it
drops itself, because a paused connection tells neither of keys nor of the end of a call.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from vox.agent.call.transport import PausesInput
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Counter, Metrics, NullMetrics

INPUT_PAUSES = Counter(
    "vox_agent_input_pauses_total", "Times that reading from a connection paused, because its call's pipeline was full"
)
INPUT_STALLS = Counter(
    "vox_agent_input_stalls_total", "Times that a call's recogniser or detector took nothing for 5 seconds"
)
INPUT_DROPPED = Counter(
    "vox_agent_input_dropped_total",
    "Pieces of caller audio dropped before the pipeline, where a transport cannot pause",
)
DRAIN_EVERY_S: Final = 0.01
STALL_S: Final = 5.0
MAX_BYTES: Final = 4 << 20
"""What may wait, whatever the number of its pieces."""

log = get_logger(__name__)


class InputBacklog:
    """The queue between a transport and its call's pipeline.

    Args:
        take: gives one piece to the pipeline; must not raise.
        is_behind: whether the pipeline can take nothing at present.
        waiting: how many pieces wait inside the pipeline; they count as well.
        max_pieces: from so many on the transport pauses.
        transport: what pauses; None where the sender cannot be made to wait, so that the oldest piece is dropped instead.
        metrics: where pauses, stalls and drops are counted.

    Attributes:
        is_in_use: whether audio is to go through `put`.
    """

    def __init__(
        self,
        take: Callable[[bytes], None],
        is_behind: Callable[[], bool],
        waiting: Callable[[], int],
        *,
        max_pieces: int,
        transport: PausesInput | None,
        metrics: Metrics | NullMetrics,
    ) -> None:
        self.is_in_use = False
        self._take = take
        self._is_behind = is_behind
        self._waiting = waiting
        self._max_pieces = max_pieces
        self._transport = transport
        self._pauses = metrics.counter(INPUT_PAUSES)
        self._stalls = metrics.counter(INPUT_STALLS)
        self._dropped = metrics.counter(INPUT_DROPPED)
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._is_closed = False
        self._is_paused = False
        self._has_stalled = False
        self._timer: asyncio.TimerHandle | None = None
        self._moved_at = 0.0

    def __len__(self) -> int:
        return len(self._pieces)

    def fall_behind(self) -> bool:
        """The pipeline is full; whether audio waits here from now on. False after a stall, until the pipeline has caught up."""
        if self._has_stalled or self._is_closed:
            return False
        if not self.is_in_use:
            self.is_in_use = True
            self._moved_at = asyncio.get_running_loop().time()
            self._look_again()
        self._pause_if_full()
        return True

    def put(self, pcm: bytes) -> None:
        """A piece that came while `is_in_use`."""
        self._pieces.append(pcm)
        self._bytes += len(pcm)
        if self._transport is None:
            while len(self._pieces) > self._max_pieces or self._bytes > MAX_BYTES:
                self._bytes -= len(self._pieces.popleft())
                self._dropped.inc()
        else:
            self._pause_if_full()

    def close(self) -> None:
        """Forgets what waits; idempotent."""
        self._is_closed, self.is_in_use = True, False
        self._clear()
        if self._timer is not None:
            self._timer.cancel()

    def _drain(self) -> None:
        """Hands over what the pipeline takes."""
        now = asyncio.get_running_loop().time()
        while not self._is_behind():
            if not self._pieces:
                self.is_in_use = self._has_stalled = False
                self._resume()
                return
            self._moved_at = now
            piece = self._pieces.popleft()
            self._bytes -= len(piece)
            self._take(piece)
            if self._is_closed:
                return
        if not self._is_full():
            self._resume()
        if not self._has_stalled and now - self._moved_at >= STALL_S:
            self._give_up()
        if not self._is_closed:
            self._look_again()

    def _give_up(self) -> None:
        self._has_stalled, self.is_in_use = True, False
        self._stalls.inc()
        log.warning("the call's pipeline takes no audio", waiting=len(self._pieces) + self._waiting())
        pieces = list(self._pieces)
        self._clear()
        for piece in pieces:
            if not self._is_closed:
                self._take(piece)
        self._resume()

    def _look_again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(DRAIN_EVERY_S, self._drain)

    def _is_full(self) -> bool:
        return len(self._pieces) + self._waiting() >= self._max_pieces or self._bytes >= MAX_BYTES

    def _pause_if_full(self) -> None:
        if not self._is_paused and self._transport is not None and self._is_full():
            self._is_paused = True
            self._pauses.inc()
            self._transport.pause_input()

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_input()

    def _clear(self) -> None:
        self._pieces.clear()
        self._bytes = 0
