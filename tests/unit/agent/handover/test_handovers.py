"""What a server keeps of its calls, gives away and takes over, on virtual time and with a store in memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.fakes.loop import VirtualClock
from tests.unit.agent.call_harness import Mind, World
from vox.agent.handover.handovers import Handovers, Moves
from vox.agent.handover.kept_call import KeptCall
from vox.errors import DependencyError
from vox.fleet.handover.memory import MemoryHandover
from vox.providers.llm.contract import TextDelta
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics

pytestmark = pytest.mark.usefixtures("virtual_loop")

LINE = "twilio:CA1"
LONG = " ".join(["word"] * 60) + "."


class Store(MemoryHandover):
    """A store that may be away."""

    is_away = False
    saves = 0

    async def save(self, call_id: str, fence: int, record: bytes, *, line: str = "") -> bool:
        self.saves += 1
        if self.is_away:
            raise DependencyError("away", code="handover_store_failed")
        return await super().save(call_id, fence, record, line=line)


@dataclass(slots=True)
class Server:
    """One server's hand-overs, and the tokens that its clients were given."""

    handovers: Handovers
    lifecycle: Lifecycle
    metrics: Metrics
    tokens: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    moved: list[bool] = field(default_factory=list[bool])

    def tell(self, token: str, *, is_urgent: bool) -> None:
        self.tokens.append((token, is_urgent))

    async def let_go(self, call: KeptCall, last_at: float) -> bool:
        self.moved.append(await call.let_go(last_at))
        return self.moved[-1]

    async def invite(self, call: KeptCall, last_at: float) -> bool:
        self.moved.append(await call.invite(self.tell, last_at))
        return self.moved[-1]

    def counted(self, result: str) -> float:
        lines = self.metrics.render().decode().splitlines()
        wanted = f'vox_agent_handovers_total{{result="{result}"}}'
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(wanted))


@asynccontextmanager
async def server(store: MemoryHandover, *, drain_s: float = 60.0, lead_s: float = 30.0) -> AsyncGenerator[Server]:
    clock, metrics = VirtualClock(asyncio.get_running_loop()), Metrics()
    lifecycle = Lifecycle(clock, drain_s)
    lifecycle.ready()
    async with Handovers(store, lifecycle, clock, metrics, lead_s=lead_s) as handovers:
        yield Server(handovers, lifecycle, metrics)


def new_store() -> Store:
    return Store(VirtualClock(asyncio.get_running_loop()))


def saying(text: str, after_s: float = 0.0) -> Mind:
    mind = Mind()
    mind.script = lambda request: [after_s, TextDelta(text)]
    return mind


async def test_a_call_is_saved_as_it_changes_and_not_when_nothing_happens():
    store = new_store()
    async with server(store) as one, World() as world:
        async with one.handovers.kept(world.session, Moves(one.let_go), line=LINE):
            await asyncio.sleep(1)
            quiet = store.saves
            await asyncio.sleep(5)
            assert store.saves == quiet
            await world.say("hi")
            await asyncio.sleep(3)
            assert quiet < store.saves <= quiet + 4 / 0.25
            invitation = await one.handovers.invite(LINE)
            assert invitation is not None
            assert [entry.message["content"] for entry in invitation.checkpoint.entries if entry.message] == ["hi"]
        assert await one.handovers.invite(LINE) is None, "a call that is over is not gone on with"


async def test_a_draining_server_lets_go_between_two_turns_shortly_before_its_deadline():
    store = new_store()
    async with server(store) as one, server(store) as two, World() as world:
        async with one.handovers.kept(world.session, Moves(one.let_go), line=LINE):
            one.lifecycle.drain()
            one.handovers.drain()
            await asyncio.sleep(29)
            assert one.moved == []
            await asyncio.sleep(2)
            assert one.moved == [True]
            invitation = await two.handovers.invite(LINE)
            assert invitation is not None
            taken = await two.handovers.take(invitation.token)
            assert taken is not None
            assert taken.fence == 2
            assert await two.handovers.take(invitation.token) is None
        assert await two.handovers.invite(LINE) is not None, "the first server's end is not the call's"
        assert (one.counted("given"), two.counted("taken"), two.counted("failed")) == (1, 1, 1)


async def test_a_call_in_an_answer_waits_for_its_end_and_not_for_ever():
    store = new_store()
    async with (
        server(store, drain_s=40, lead_s=30) as one,
        World(mind=saying(LONG)) as world,
        one.handovers.kept(world.session, Moves(one.let_go)),
    ):
        await world.say("hi")
        one.lifecycle.drain()
        one.handovers.drain()
        await asyncio.sleep(15)
        assert one.moved == [], "the answer lasts half a minute"
        await asyncio.sleep(10)
        assert one.moved == [True]


async def test_a_call_whose_model_thinks_moves_at_the_last_moment_only():
    store = new_store()
    async with (
        server(store, drain_s=40, lead_s=30) as one,
        World(mind=saying("late.", after_s=300)) as world,
        one.handovers.kept(world.session, Moves(one.let_go)),
    ):
        await world.say("hi")
        one.lifecycle.drain()
        one.handovers.drain()
        await asyncio.sleep(30)
        assert one.moved == []
        await asyncio.sleep(6)
        assert one.moved == [True]


async def test_a_client_is_served_until_it_is_there_and_told_again_where_it_did_not_come():
    store = new_store()
    async with (
        server(store, drain_s=60, lead_s=50) as one,
        server(store) as two,
        World() as world,
        one.handovers.kept(world.session, Moves(one.invite)),
    ):
        one.lifecycle.drain()
        one.handovers.drain()
        await asyncio.sleep(11)
        ((first, is_urgent),) = one.tokens
        assert is_urgent
        await asyncio.sleep(9)
        assert await two.handovers.take(first) is None, "it was taken back"
        token, is_urgent = one.tokens[-1]
        assert is_urgent
        assert not world.is_over
        assert await two.handovers.take(token) is not None
        await asyncio.sleep(0.2)
        assert one.moved == [True]
        assert world.session.is_handed_over
        await asyncio.sleep(0.1)
        assert world.is_over


async def test_a_caller_who_speaks_meanwhile_keeps_the_first_server():
    store = new_store()
    async with (
        server(store, drain_s=60, lead_s=59) as one,
        server(store) as two,
        World() as world,
        one.handovers.kept(world.session, Moves(one.invite)),
    ):
        one.lifecycle.drain()
        one.handovers.drain()
        await asyncio.sleep(1.5)
        token, _ = one.tokens[0]
        world.ear.texts.append("wait")
        world.speech(True)
        await asyncio.sleep(0.2)
        assert await two.handovers.take(token) is None
        world.speech(False)
        await asyncio.sleep(6)
        token, is_urgent = one.tokens[-1]
        assert is_urgent
        taken = await two.handovers.take(token)
        assert taken is not None
        said = [entry.message["content"] for entry in taken.checkpoint.entries if entry.message]
        assert said == ["wait"]


async def test_a_line_that_breaks_leaves_its_call_as_it_was_at_that_moment():
    store = new_store()
    async with server(store) as one, World(mind=saying(LONG)) as world:
        async with one.handovers.kept(world.session, Moves(one.let_go), line=LINE):
            await world.say("hi")
            await asyncio.sleep(4)
            assert world.session.keeper is not None
            world.session.keeper.lose_line()
            await asyncio.sleep(0.1)
            assert world.is_over
        invitation = await one.handovers.invite(LINE)
        assert invitation is not None
        answer = invitation.checkpoint.answer
        assert answer is not None
        assert len(invitation.checkpoint.entries[-1].heard.split()) + len(answer.rest.split()) == 60


async def test_a_store_that_is_away_costs_the_call_nothing_and_is_used_again():
    store = new_store()
    async with (
        server(store, drain_s=20, lead_s=10) as one,
        World() as world,
        one.handovers.kept(world.session, Moves(one.let_go), line=LINE),
    ):
        store.is_away = True
        await world.say("hi")
        await asyncio.sleep(4)
        assert len(world.conversation()) == 2
        store.is_away = False
        await asyncio.sleep(3)
        assert await one.handovers.invite(LINE) is not None
        store.is_away = True
        one.lifecycle.drain()
        one.handovers.drain()
        await asyncio.sleep(19)
        assert one.moved == []
        assert not world.is_over, "it goes on until the deadline"


async def test_a_state_that_cannot_be_read_ends_the_call():
    store = new_store()
    async with server(store) as one:
        await store.save("call_1", 1, b"garbage", line=LINE)
        assert await one.handovers.invite(LINE) is None
        await store.invite("call_1", "token", ttl_s=30)
        assert await one.handovers.take("token") is None
        assert not await store.save("call_1", 2, b"more")


async def test_calls_stay_kept_while_nothing_happens_and_one_that_was_taken_falls_silent():
    store = new_store()
    async with server(store) as one, server(store) as two, World() as world:
        profile: Any = Moves(one.let_go)
        async with one.handovers.kept(world.session, profile, line=LINE):
            await asyncio.sleep(300)
            invitation = await two.handovers.invite(LINE)
            assert invitation is not None
            assert await two.handovers.take(invitation.token) is not None
            await asyncio.sleep(11)
            assert world.is_over
            assert world.session.is_handed_over
