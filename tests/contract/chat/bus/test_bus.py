"""What every bus promises: one order, complete reading or an honest None, sessions and presence between processes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.e2e.redis_server import RunningRedis, cut_all_connections, redis_server
from tests.time_limits import time_limit
from vox.chat.bus.contract import Bus, Entry
from vox.chat.bus.memory import MemoryBus
from vox.chat.bus.redis_bus import RedisBus
from vox.chat.events import Event, Users, encode_tail, typing_start
from vox.chat.events.ids import FeedId, UserId
from vox.runtime.clock import SystemClock


@pytest.fixture(scope="module")
def redis() -> Iterator[RunningRedis]:
    with redis_server() as running:
        yield running


@pytest.fixture
def empty_redis(redis: RunningRedis) -> RunningRedis:
    redis.flush()
    return redis


@pytest.fixture(params=["memory", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    """A bus that runs, of every kind."""
    if request.param == "memory":
        one: Bus = MemoryBus(SystemClock())
    else:
        empty: RunningRedis = request.getfixturevalue("empty_redis")
        one = RedisBus(empty.url, SystemClock())
    async with one.running():
        yield one


@dataclass(slots=True)
class Heard:
    """What a subscriber was given."""

    entries: list[Entry] = field(default_factory=list[Entry])
    lost: int = 0

    def __call__(self, entries: "list[Entry] | tuple[Entry, ...]") -> None:
        self.entries += entries

    @property
    def names(self) -> list[str]:
        return [entry.event.payload["n"] for entry in self.entries if "n" in entry.event.payload]


def event(name: str) -> Event:
    return Event("server_update", {"n": name}, Users((UserId(1),)))


async def until(condition: Callable[[], bool]) -> None:
    async with time_limit():
        while not condition():  # noqa: ASYNC110  what is waited for happens on the way to another process
            await asyncio.sleep(0.005)


def listen(bus: Bus) -> Heard:
    heard = Heard()
    bus.subscribe(heard)  # pyright: ignore[reportArgumentType]  any sequence adds up
    return heard


@contextlib.asynccontextmanager
async def redis_bus(redis: RunningRedis, **more: int) -> AsyncGenerator[tuple[RedisBus, Heard]]:
    bus = RedisBus(redis.url, SystemClock(), **more)
    heard = listen(bus)

    def lost() -> None:
        heard.lost += 1

    bus.on_lost(lost)
    async with bus.running():
        yield bus, heard


async def test_entries_come_in_the_order_of_publishing_with_ascending_positions(bus: Bus):
    heard = listen(bus)
    for number in range(0, 30, 3):
        bus.publish([event(str(number + more)) for more in range(3)])
    await until(lambda: len(heard.entries) == 30)
    assert heard.names == [str(number) for number in range(30)]
    positions = [entry.position for entry in heard.entries]
    assert positions == list(range(positions[0], positions[0] + 30))
    assert bus.position == positions[-1]
    assert all(entry.tail == encode_tail(entry.event) for entry in heard.entries)
    assert not any(entry.is_foreign for entry in heard.entries)


async def test_events_of_other_threads_are_published_too(bus: Bus):
    heard = listen(bus)
    await asyncio.gather(*(asyncio.to_thread(bus.publish, [event(f"{n}")]) for n in range(20)))
    await until(lambda: len(heard.entries) == 20)
    assert sorted(heard.names, key=int) == [str(n) for n in range(20)]


async def test_passing_events_have_no_place_in_the_log(bus: Bus):
    heard = listen(bus)
    start = bus.position
    bus.publish([event("a"), typing_start(user_id=UserId(1), feed_id=FeedId(2)), event("b")])
    await until(lambda: len(heard.entries) == 3)
    typing = next(entry for entry in heard.entries if entry.event.type == "typing_start")
    assert typing.position == 0
    found = await bus.entries_after(start, 10)
    assert found is not None
    assert [entry.event.type for entry in found] == ["server_update", "server_update"]


async def test_the_log_gives_everything_after_a_position_in_pages(bus: Bus):
    heard = listen(bus)
    bus.publish([event(str(n)) for n in range(10)])
    await until(lambda: len(heard.entries) == 10)
    first = heard.entries[0].position
    found = await bus.entries_after(first + 3, 4)
    assert found is not None
    assert [entry.event.payload["n"] for entry in found] == ["4", "5", "6", "7"]
    assert await bus.entries_after(bus.position, 10) == []
    assert await bus.entries_after(bus.position + 5, 10) is None


async def test_a_session_is_taken_once(bus: Bus):
    await bus.save_session("sess_1", b"what it was", 30)
    assert await bus.load_session("sess_1") == b"what it was"
    assert await bus.load_session("sess_1") is None
    await bus.save_session("sess_2", b"x", 30)
    await bus.drop_session("sess_2")
    await bus.drop_session("sess_2")
    assert await bus.load_session("sess_2") is None


async def test_two_processes_see_one_order(empty_redis: RunningRedis):
    async with redis_bus(empty_redis) as (one, at_one), redis_bus(empty_redis) as (two, at_two):
        assert one.epoch == two.epoch
        for number in range(200):
            one.publish([event(f"one {number}")])
            two.publish([event(f"two {number}")])
            if number % 20 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(at_one.entries) == len(at_two.entries) == 400)
        assert at_one.names == at_two.names
        assert [e.position for e in at_one.entries] == [e.position for e in at_two.entries]
        assert [e.is_foreign for e in at_one.entries] == [not e.is_foreign for e in at_two.entries]
        assert [name for name in at_one.names if name.startswith("one")] == [f"one {n}" for n in range(200)]
        assert all(e.event.audience == Users((UserId(1),)) for e in at_two.entries)
        assert (at_one.lost, at_two.lost) == (1, 1)  # the start


async def test_communities_in_two_databases_of_one_redis_do_not_hear_each_other(empty_redis: RunningRedis):
    one, other = (RedisBus(empty_redis.url[:-1] + number, SystemClock()) for number in "01")
    at_one, at_other = listen(one), listen(other)
    told: list[int] = []
    other.subscribe_presence(lambda user_id, _process, _record: told.append(user_id))
    async with one.running(), other.running():
        one.set_presence(UserId(7), b"online")
        one.publish([event("one"), typing_start(user_id=UserId(1), feed_id=FeedId(2))])
        other.publish([event("other")])
        await until(lambda: at_one.names == ["one"] and at_other.names == ["other"])
        await until(lambda: len(at_one.entries) == 2)
        assert len(at_other.entries) == 1
        assert await other.load_session("nobody's") is None
    assert told == []


async def test_a_process_reads_what_was_published_before_it_began(empty_redis: RunningRedis):
    async with redis_bus(empty_redis) as (one, at_one):
        start = one.position
        one.publish([event(str(n)) for n in range(600)])
        await until(lambda: len(at_one.entries) == 600)
        async with redis_bus(empty_redis) as (two, at_two):
            assert at_two.entries == []
            names: list[str] = []
            position = start
            while position < two.position:
                found = await two.entries_after(position, 100)
                assert found
                assert len(found) <= 100
                names += [entry.event.payload["n"] for entry in found]
                position = found[-1].position
            assert names == [str(n) for n in range(600)]


async def test_a_trimmed_log_says_so(empty_redis: RunningRedis):
    async with redis_bus(empty_redis, max_log=10) as (one, at_one):
        start = one.position
        for number in range(400):
            one.publish([event(str(number))])
            if number % 4 == 3:
                await until(lambda n=number: len(at_one.entries) == n + 1)
        async with redis_bus(empty_redis) as (two, _):
            assert await two.entries_after(start, 10) is None
            assert await two.entries_after(two.position - 1, 10) is not None


async def test_what_is_published_while_redis_hangs_comes_once_and_in_order(empty_redis: RunningRedis):
    """A partition: connections are cut again and again; batches are sent twice, entries come once."""
    async with redis_bus(empty_redis) as (one, at_one), redis_bus(empty_redis) as (two, at_two):
        for number in range(60):
            one.publish([event(f"one {number}")])
            two.publish([event(f"two {number}")])
            if number % 10 == 5:
                await cut_all_connections(empty_redis)
            await asyncio.sleep(0.003)
        await until(lambda: len(at_one.entries) >= 120 and len(at_two.entries) >= 120)
        assert at_one.names == at_two.names
        assert len(set(at_one.names)) == 120
        assert [name for name in at_one.names if name.startswith("two")] == [f"two {n}" for n in range(60)]
        assert (at_one.lost, at_two.lost) == (1, 1)


async def test_a_redis_that_lost_its_memory_begins_a_new_epoch(redis: RunningRedis):
    async with redis_bus(redis) as (one, at_one), redis_bus(redis) as (two, at_two):
        one.publish([event("before")])
        await until(lambda: at_two.names == ["before"])
        epoch, position = one.epoch, one.position
        redis.kill()
        one.publish([event("meanwhile")])
        redis.start()
        await until(lambda: one.epoch != epoch and two.epoch == one.epoch)
        await until(lambda: at_one.lost == at_two.lost == 2)
        assert await one.entries_after(position, 10) is None
        await until(lambda: one.position > position)
        two.publish([event("after")])
        await until(lambda: at_one.names[-1] == "after")


async def test_a_redis_that_was_started_again_is_not_trusted_to_have_everything():
    """It may have lost its last second, and others may have published over it: positions alone would not show."""
    with redis_server(is_persistent=True) as persistent:
        async with redis_bus(persistent) as (one, at_one), redis_bus(persistent) as (_, at_two):
            one.publish([event("before")])
            await until(lambda: at_two.names == ["before"])
            epoch, position = one.epoch, one.position
            persistent.kill()
            persistent.start()
            one.publish([event("after")])
            await until(lambda: at_one.names == at_two.names == ["before", "after"])
            assert one.epoch != epoch
            assert one.position > position
            assert (at_one.lost, at_two.lost) == (2, 2)


async def test_too_much_waiting_ends_the_epoch_rather_than_skip(redis: RunningRedis):
    redis.kill()
    redis.start()
    async with redis_bus(redis, max_waiting=50) as (one, at_one), redis_bus(redis) as (two, at_two):
        epoch = one.epoch
        one.publish([event(str(n)) for n in range(51)])
        await until(lambda: two.epoch == one.epoch != epoch)
        assert at_one.lost == at_two.lost == 2
        one.publish([event("on")])
        await until(lambda: at_two.names == ["on"])


async def test_what_cannot_be_sent_ends_the_epoch_and_what_comes_after_it_is_sent(empty_redis: RunningRedis):
    async with redis_bus(empty_redis) as (one, at_one), redis_bus(empty_redis) as (two, at_two):
        epoch = one.epoch
        one.publish([Event("server_update", {"n": object()}, Users((UserId(1),)))])
        await until(lambda: two.epoch == one.epoch != epoch)
        assert at_one.lost == at_two.lost == 2
        one.publish([event("on")])
        await until(lambda: at_one.names == at_two.names == ["on"])


async def test_what_cannot_be_read_does_not_end_the_reading(empty_redis: RunningRedis, monkeypatch: pytest.MonkeyPatch):
    async with redis_bus(empty_redis) as (one, _), redis_bus(empty_redis) as (two, at_two):
        take = two._take

        async def fails_once(_message: bytes) -> None:
            monkeypatch.setattr(two, "_take", take)
            raise KeyError("a fault of ours")

        monkeypatch.setattr(two, "_take", fails_once)
        one.publish([event("missed")])
        await until(lambda: at_two.names == ["missed"])


async def test_a_subscription_that_redis_just_confirms_is_not_deaf(
    empty_redis: RunningRedis, monkeypatch: pytest.MonkeyPatch
):
    bus = RedisBus(empty_redis.url, SystemClock())
    heard, looks, subscribe = listen(bus), list[str](), bus._client.pubsub

    async def always_finds_more() -> bool:
        looks.append("the log")
        return True

    def counted() -> object:
        looks.append("subscription")
        return subscribe()

    monkeypatch.setattr(bus, "_catch_up", always_finds_more)
    monkeypatch.setattr(bus._client, "pubsub", counted)
    async with bus.running():
        bus.publish([typing_start(user_id=UserId(1), feed_id=FeedId(2))])
        await until(lambda: len(heard.entries) == 1)
    assert looks == ["subscription", "the log"]


async def test_held_entries_come_when_it_goes_on(empty_redis: RunningRedis):
    async with redis_bus(empty_redis) as (one, at_one), redis_bus(empty_redis) as (two, at_two):
        one.hold(())
        before = one.position
        two.publish([event("a"), event("b")])
        await until(lambda: at_two.names == ["a", "b"])
        await asyncio.sleep(0.05)
        assert (at_one.names, one.position) == ([], before)
        one.go_on()
        await until(lambda: at_one.names == ["a", "b"])
        given = list(at_one.entries)
        at_one.entries.clear()
        one.hold(given[1:])
        assert one.position == given[0].position
        two.publish([event("c")])
        one.go_on()
        await until(lambda: at_one.names == ["b", "c"])


async def test_a_session_moves_to_the_process_that_takes_it(empty_redis: RunningRedis):
    async with redis_bus(empty_redis) as (one, _), redis_bus(empty_redis) as (two, at_two):
        await one.save_session("s", b"old", 30)
        one.publish([event("delivered by one")])
        assert await two.load_session("s") == b"old"
        await one.save_session("s", b"older still", 30)
        assert await two.load_session("s") is None, "the process that lost it may not write it"
        assert not await one.checkpoint_session("s", b"older still", 30)
        await two.save_session("s", b"new", 30)
        assert await one.load_session("s") == b"new"
        await until(lambda: at_two.names == ["delivered by one"])


async def test_a_session_waits_for_what_the_other_process_may_have_delivered(empty_redis: RunningRedis):
    async with redis_bus(empty_redis) as (one, at_one), redis_bus(empty_redis) as (two, at_two):
        two.hold(())
        one.publish([event("delivered by one")])
        await until(lambda: at_one.names == ["delivered by one"])
        await one.save_session("s", b"x", 30)
        loading = asyncio.create_task(two.load_session("s"))
        await asyncio.sleep(0.1)
        assert not loading.done()
        two.go_on()
        assert await loading == b"x"
        assert at_two.names == ["delivered by one"]


async def test_a_living_process_gives_up_the_session_it_still_serves(empty_redis: RunningRedis):
    async with redis_bus(empty_redis) as (one, _), redis_bus(empty_redis) as (two, _heard):
        assert await one.checkpoint_session("s", b"a second ago", 30)
        one.on_moved(lambda name: (b"now", 30.0) if name == "s" else None)
        assert await two.load_session("s") == b"now"


async def test_a_dead_process_leaves_its_last_checkpoint(empty_redis: RunningRedis):
    async with redis_bus(empty_redis) as (two, _):
        async with redis_bus(empty_redis) as (one, _heard):
            assert await one.checkpoint_session("s", b"last seen", 30)
        assert await two.load_session("s") == b"last seen"


async def test_presence_is_told_to_other_processes_and_ends_with_them(empty_redis: RunningRedis):
    told: list[tuple[int, bytes | None]] = []
    async with redis_bus(empty_redis) as (two, _):
        two.subscribe_presence(lambda user_id, _process, record: told.append((user_id, record)))
        async with redis_bus(empty_redis) as (one, _heard):
            one.set_presence(UserId(7), b"online")
            await until(lambda: told == [(7, b"online")])
            assert dict(await two.presences()) == {(7, one.process): b"online"}
            one.set_presence(UserId(7), None)
            await until(lambda: told[-1] == (7, None))
            one.set_presence(UserId(8), b"idle")
            await until(lambda: told[-1] == (8, b"idle"))
            async with redis_bus(empty_redis) as (late, _late):
                assert dict(await late.presences()) == {(8, one.process): b"idle"}
        await until(lambda: told[-1] == (8, None))
