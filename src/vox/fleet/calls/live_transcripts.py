"""What is said in calls while they run, for those who look: asked for at the call's worker, kept in memory for a minute.

The one thing to know: nothing is asked of a worker, sent or kept for a call that is not looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from vox.errors import DependencyError, UsageError
from vox.fleet.dispatch.contract import Dispatcher, Watch
from vox.protocols.fleet import STARTED
from vox.runtime.clock import Clock

TRANSCRIPT: Final = "transcript"
WATCH_TTL_S: Final = 20.0
"""How long a worker goes on telling after it was last asked."""
ASK_AGAIN_S: Final = 5.0
FORGET_S: Final = 60.0
MAX_WATCHED: Final = 200
MAX_LINES: Final = 1_000

Source = Literal["live", "not_running", "unreachable"]
"""`live`: a worker tells; `not_running`: no worker has the call; `unreachable`: its worker is polled only, or away at the moment."""


class Line(msgspec.Struct, frozen=True):
    """What one side said; `at_ms` is Unix time, and no other line of the call has the same."""

    at_ms: Annotated[int, Meta(ge=0, le=1 << 53)]
    role: Literal["user", "assistant"]
    text: Annotated[str, Meta(max_length=4_000)]


@dataclass(slots=True)
class _Watched:
    looked_at: float
    asked_at: float = float("-inf")
    lines: dict[int, Line] = field(default_factory=dict[int, Line])

    @property
    def last_ms(self) -> int:
        return max(self.lines, default=0)


class LiveTranscripts:
    """The calls that are looked at.

    Args:
        dispatcher: reaches the workers.
        clock: for how long ago a call was looked at.
    """

    def __init__(self, dispatcher: Dispatcher, clock: Clock) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._watched: dict[str, _Watched] = {}

    async def lines(self, call_id: str, after_ms: int) -> tuple[Source, list[Line]]:
        """The lines after a time that are known by now, and whether more will come; those said before arrive a moment later."""
        now = self._clock.now()
        watched = self._watched.pop(call_id, None) or _Watched(now)
        watched.looked_at = now
        self._watched[call_id] = watched  # behind all that were looked at before
        self._forget(now)
        source: Source = "live"
        if now - watched.asked_at >= ASK_AGAIN_S:
            source = await self._ask(call_id, watched)
        return source, [watched.lines[at_ms] for at_ms in sorted(watched.lines) if at_ms > after_ms]

    async def on_progress(self, call_id: str, event: str, data: Mapping[str, Any]) -> None:
        """Hears what happens in calls."""
        watched = self._watched.get(call_id)
        if watched is None:
            return
        if event == STARTED:  # at a worker that has not been asked yet: it has begun now, or goes on there
            await self._ask(call_id, watched)
        elif event == TRANSCRIPT and len(watched.lines) < MAX_LINES:
            try:
                line = msgspec.convert(data, Line)
            except msgspec.ValidationError:
                return
            watched.lines[line.at_ms] = line

    async def _ask(self, call_id: str, watched: _Watched) -> Source:
        try:
            await self._dispatcher.command(call_id, Watch(WATCH_TTL_S, watched.last_ms))
        except UsageError:
            return "not_running"
        except DependencyError:
            return "unreachable"
        watched.asked_at = self._clock.now()
        return "live"

    def _forget(self, now: float) -> None:
        while self._watched:
            oldest = next(iter(self._watched))
            if len(self._watched) <= MAX_WATCHED and now - self._watched[oldest].looked_at < FORGET_S:
                return
            del self._watched[oldest]
