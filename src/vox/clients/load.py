"""Many simulated callers from one process: calls held, frames late, response latency, and what it cost the server.

The method is that of `docs/how-to/measure-capacity.md`. One schedule drives every call: a heap of absolute deadlines, so
that a send is late only by what the generator itself is late, and that lag is reported beside the result. Callers keep
time alone; the event loop's timers (1 ms) only wake the schedule.
"""

import asyncio
import gc
import heapq
import os
import random
import resource
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vox.clients import raw_websocket as wire
from vox.clients.audio_files import Recording, sample_question
from vox.clients.carrier_lines import open_line
from vox.clients.load_call import FRAME_S, CallState, LoadCall, Tally, encode_call
from vox.clients.load_results import LoadResult, ServerCost, spread
from vox.clients.server_process import busy_seconds, usage
from vox.runtime.clock import Clock
from vox.security.addresses import loopback_addresses

_PATIENCE_S = 2.0  # a question younger than this at the end of a run is no failure
_GOODBYE_S = 5.0
_WAKE_S = 0.001
_LEAST_RETRY_S = 1.0  # where a refusal names no time
_DESCRIPTORS = 65_536


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How to load a server: each call speaks for `speech`'s length at the start of each `cycle_s` and then listens.

    Calls start at random times within the first cycle; the first `warm_up_s` are not counted. `redials` has refused
    calls try again as often as the server allows, which keeps the pressure up.
    """

    url: str
    calls: int
    line: str = "twilio"
    seconds: float = 20.0
    warm_up_s: float = 8.0
    cycle_s: float = 8.0
    speech: Recording = field(default_factory=sample_question)
    seed: int = 1
    connect_timeout_s: float = 10.0
    redials: bool = False


@dataclass(frozen=True, slots=True)
class ServerUnderTest:
    """The server's process, so that its cost can be read; `core` where it is pinned to one."""

    pid: int
    core: int | None = None


class Connect(Protocol):
    """How a call reaches its server; `asyncio`'s own `create_connection`, or a test's."""

    async def __call__(
        self,
        factory: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        *,
        ssl: ssl.SSLContext | None,
        server_hostname: str | None,
    ) -> object:
        """Connects the protocol that `factory` makes."""
        ...


async def run_load(
    plan: LoadPlan, clock: Clock, server: ServerUnderTest | None = None, *, connect: Connect | None = None
) -> LoadResult:
    """Runs one point; returns when every call has ended."""
    allow_many_sockets()
    async with asyncio.TaskGroup() as tasks:
        return await _LoadRun(plan, clock, server, tasks, connect).run()


def allow_many_sockets() -> None:
    """Raises the limit of open files as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))


class CallFactory:
    """Makes and dials the calls of one plan."""

    def __init__(self, plan: LoadPlan, clock: Clock, tally: Tally, connect: Connect | None = None) -> None:
        self._plan = plan
        self._connect = connect
        self._clock = clock
        self._tally = tally
        self._random = random.Random(plan.seed)  # noqa: S311  repeatable start times, nothing secret
        self._target = wire.parse_target(plan.url)
        self._pcm = plan.speech.at(open_line(plan.line).sample_rate).pcm
        self._tls = ssl.create_default_context() if self._target.is_secure else None

    def start_offset_s(self) -> float:
        """A random moment of the first cycle."""
        return self._random.random() * self._plan.cycle_s

    def create(self, name: str) -> LoadCall:
        """A call that is ready to dial, its audio encoded."""
        line = open_line(self._plan.line)
        mask = self._random.randbytes(4)
        return LoadCall(
            line,
            encode_call(line, name, self._pcm, mask),
            request=wire.upgrade_request(self._target, self._random.randbytes(16)),
            mask=mask,
            cycle_frames=round(self._plan.cycle_s / FRAME_S),
            clock=self._clock,
            tally=self._tally,
        )

    async def dial(self, call: LoadCall) -> None:
        """Connects a call; what goes wrong is counted with it."""
        try:
            async with asyncio.timeout(self._plan.connect_timeout_s):
                connect = self._connect or asyncio.get_running_loop().create_connection
                host = next(iter(loopback_addresses(self._target.host)), self._target.host)
                name = self._target.host if self._tls else None
                await connect(lambda: call, host, self._target.port, ssl=self._tls, server_hostname=name)
        except TimeoutError:
            call.fail("connect timed out")
        except OSError as error:
            call.fail(f"connect failed: {os.strerror(error.errno or 0)}")


class _LoadRun:
    """The schedule of one point."""

    def __init__(
        self,
        plan: LoadPlan,
        clock: Clock,
        server: ServerUnderTest | None,
        tasks: asyncio.TaskGroup,
        connect: Connect | None,
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._server = server
        self._tasks = tasks
        self._tally = Tally()
        self._factory = CallFactory(plan, clock, self._tally, connect)
        self._calls = [self._factory.create(f"load-{plan.seed}-{index}") for index in range(plan.calls)]
        self._dialled = [False] * plan.calls

    async def run(self) -> LoadResult:
        idle_rss = self._server_rss()
        began = self._clock.now()
        schedule = [(began + self._factory.start_offset_s(), index) for index in range(self._plan.calls)]
        heapq.heapify(schedule)
        await self._keep(schedule, began + self._plan.warm_up_s)
        finish_counting = self._start_counting(idle_rss)
        await self._keep(schedule, began + self._plan.warm_up_s + self._plan.seconds)
        result = finish_counting()
        await hang_up_all(self._calls)
        return result

    async def _keep(self, schedule: list[tuple[float, int]], until: float) -> None:
        """Sends what is due, when it is due, until the given time."""
        while (now := self._clock.now()) < until:
            while schedule[0][0] <= now:
                due, index = schedule[0]
                heapq.heapreplace(schedule, (self._act(due, index), index))
            await asyncio.sleep(max(_WAKE_S, min(schedule[0][0], until) - self._clock.now()))

    def _act(self, due: float, index: int) -> float:
        """What one call has to do now; returns when it is its turn again."""
        call = self._calls[index]
        if not self._dialled[index]:
            self._dialled[index] = True
            self._tasks.create_task(self._factory.dial(call))
        elif call.state is CallState.REFUSED and self._plan.redials:
            self._calls[index] = call.again()
            self._dialled[index] = False
            return due + max(call.retry_after_s, _LEAST_RETRY_S)
        else:
            call.send_next(due)
        return due + FRAME_S

    def _start_counting(self, idle_rss: int) -> Callable[[], LoadResult]:
        """Opens the counted window; the returned function closes it."""
        gc.collect()
        gc.disable()  # a collection would show up as lag of our own; the run is short
        tally = self._tally
        server = self._server
        core = None if server is None else server.core
        own = resource.getrusage(resource.RUSAGE_SELF)
        used = None if server is None else usage(server.pid)
        busy = None if core is None else busy_seconds(core)
        began = self._clock.now()
        tally.is_counting = True

        def finish() -> LoadResult:
            tally.is_counting = False
            now = self._clock.now()
            elapsed_s = now - began
            own_now = resource.getrusage(resource.RUSAGE_SELF)
            cost = None
            if server is not None and used is not None and (used_now := usage(server.pid)) is not None:
                core_share = (used_now.cpu_s - used.cpu_s) / elapsed_s
                busy_now = None if core is None else busy_seconds(core)
                foreign = None
                if busy is not None and busy_now is not None:
                    foreign = max(0.0, (busy_now - busy) / elapsed_s - core_share)
                cost = ServerCost(core_share, foreign, idle_rss, used_now.rss_bytes)
            gc.enable()
            for call in self._calls:
                call.finish_turn(now, _PATIENCE_S)
            own_s = own_now.ru_utime + own_now.ru_stime - own.ru_utime - own.ru_stime
            return self._result(elapsed_s, own_s / elapsed_s, cost)

        return finish

    def _result(self, seconds: float, own_core_share: float, cost: ServerCost | None) -> LoadResult:
        tally = self._tally
        states = [call.state for call in self._calls]
        return LoadResult(
            line=self._plan.line,
            calls=self._plan.calls,
            seconds=seconds,
            held=states.count(CallState.OPEN),
            refused=tally.refused,
            refused_without_retry_after=tally.refused_without_retry_after,
            broken=sum(tally.problems.values()),
            problems=[f"{count} x {problem}" for problem, count in tally.problems.most_common()],
            frames=tally.frames,
            late_frames=tally.late_frames,
            lateness_s=spread(tally.lateness_s),
            turns=tally.turns,
            unanswered=tally.unanswered,
            response_s=spread(tally.response_s),
            send_lag_s=spread(tally.send_lag_s),
            caller_core_share=own_core_share,
            server=cost,
        )

    def _server_rss(self) -> int:
        used = None if self._server is None else usage(self._server.pid)
        return 0 if used is None else used.rss_bytes


async def hang_up_all(calls: Sequence[LoadCall]) -> None:
    """Ends calls and waits for the server to follow, for a while."""
    for call in calls:
        call.hang_up()
    closing = [call.closed for call in calls if call.is_connected]
    if closing:
        await asyncio.wait(closing, timeout=_GOODBYE_S)
    for call in calls:
        call.abort()
