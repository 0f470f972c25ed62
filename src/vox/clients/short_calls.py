"""Many short calls in a row, to see whether a server leaks memory.

Each call connects, speaks for a moment and hangs up. The server's memory is read after calls that do not count, and again
at the end: a process grows over its first thousand calls or so, whatever it leaks.
"""

import asyncio
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

from vox.clients.audio_files import Recording
from vox.clients.load import CallFactory, Connect, LoadPlan, ServerUnderTest, allow_many_sockets
from vox.clients.load_call import FRAME_S, CallState, Tally
from vox.clients.server_process import usage
from vox.runtime.clock import Clock

_ANSWER_S = 10.0
_GOODBYE_S = 10.0
RSS_GROWTH_LIMIT = 0.05


@dataclass(frozen=True, slots=True)
class ShortCallsResult:
    """What many short calls did to a server; sizes in bytes, None where the server's process is not known."""

    calls: int
    completed: int
    refused: int
    broken: int
    problems: list[str]
    seconds: float
    rss_before: int | None
    rss_after: int | None

    @property
    def rss_growth(self) -> float | None:
        """Growth as a share of the size after the warm-up."""
        if not self.rss_before or self.rss_after is None:
            return None
        return self.rss_after / self.rss_before - 1.0

    @property
    def is_clean(self) -> bool:
        """Every call went through and memory grew by less than five per cent."""
        return self.completed == self.calls and (self.rss_growth or 0.0) < RSS_GROWTH_LIMIT

    def as_json(self) -> dict[str, Any]:
        """The result with its derived values, for `--json`."""
        return asdict(self) | {"rss_growth": self.rss_growth, "is_clean": self.is_clean}


async def run_short_calls(
    plan: LoadPlan,
    clock: Clock,
    *,
    calls: int,
    at_once: int = 50,
    speech_s: float = 0.2,
    warm_up_calls: int = 1000,
    server: ServerUnderTest | None = None,
    connect: Connect | None = None,
) -> ShortCallsResult:
    """Places `calls` calls behind `warm_up_calls`, `at_once` at a time; `plan.calls` is not used."""
    allow_many_sockets()
    caller = _ShortCaller(plan, clock, round(speech_s / FRAME_S), connect)
    await caller.place(warm_up_calls, at_once)
    before = None if server is None else usage(server.pid)
    caller.forget()
    began = clock.now()
    await caller.place(calls, at_once)
    seconds = clock.now() - began
    after = None if server is None else usage(server.pid)
    tally = caller.tally
    return ShortCallsResult(
        calls,
        caller.completed,
        tally.refused,
        sum(tally.problems.values()),
        [f"{count} x {problem}" for problem, count in tally.problems.most_common()],
        seconds,
        None if before is None else before.rss_bytes,
        None if after is None else after.rss_bytes,
    )


class _ShortCaller:
    def __init__(self, plan: LoadPlan, clock: Clock, frames: int, connect: Connect | None) -> None:
        self.tally = Tally()
        self.completed = 0
        rate = plan.speech.sample_rate
        moment = Recording(plan.speech.pcm[: round(frames * FRAME_S * rate) * 2], rate)  # only what is sent is encoded
        self._factory = CallFactory(replace(plan, speech=moment), clock, self.tally, connect)
        self._clock = clock
        self._frames = frames
        self._placed = 0

    def forget(self) -> None:
        """Counting starts anew."""
        self.completed = 0
        self.tally.refused = 0
        self.tally.problems = Counter()

    async def place(self, calls: int, at_once: int) -> None:
        numbers = iter(range(calls))

        async def one_after_another() -> None:
            for _ in numbers:
                await self._call()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(at_once, calls)):
                tasks.create_task(one_after_another())

    async def _call(self) -> None:
        self._placed += 1
        call = self._factory.create(f"short-{self._placed}")
        await self._factory.dial(call)
        await asyncio.wait([call.answered], timeout=_ANSWER_S)
        due = self._clock.now()
        for _ in range(self._frames):
            call.send_next(due)
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - self._clock.now()))
        is_whole = call.state is CallState.OPEN
        call.hang_up()
        await asyncio.wait([call.closed], timeout=_GOODBYE_S)
        call.abort()
        self.completed += is_whole
