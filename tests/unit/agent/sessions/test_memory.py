from tests.fakes.clock import FakeClock
from vox.agent.metrics import SESSIONS_EVICTED
from vox.agent.sessions.contract import StoredSession
from vox.agent.sessions.encoding import encode
from vox.agent.sessions.memory import MemorySessionStore
from vox.runtime.metrics import Metrics


def memory(clock: FakeClock | None = None, **limits: int) -> MemorySessionStore:
    return MemorySessionStore(60, clock or FakeClock(), Metrics(), **limits)


async def test_expired_sessions_give_their_memory_back():
    clock = FakeClock()
    store = memory(clock)
    for number in range(100):
        await store.put(str(number), StoredSession({"n": number}))
    clock.advance(60)
    await store.put("new", StoredSession())
    assert len(store) == 1


async def test_the_oldest_session_makes_room_where_there_are_too_many():
    metrics = Metrics()
    store = MemorySessionStore(60, FakeClock(), metrics, max_sessions=3)
    for name in "abcd":
        await store.put(name, StoredSession({"name": name}))
    assert await store.get("a") is None
    assert [await store.get(name) for name in "bcd"] == [StoredSession({"name": name}) for name in "bcd"]
    assert f"{SESSIONS_EVICTED.name} 1" in metrics.render().decode()


async def test_large_bodies_count_by_their_bytes():
    large = StoredSession({"text": "x" * 1000})
    store = memory(max_bytes=3 * len(encode(large)))
    for name in "abcd":
        await store.put(name, large)
    assert [name for name in "abcd" if await store.get(name)] == ["b", "c", "d"]


async def test_a_session_that_is_put_again_counts_once_and_becomes_the_newest():
    store = memory(max_sessions=2)
    await store.put("a", StoredSession())
    await store.put("b", StoredSession())
    await store.put("a", StoredSession({"again": True}))
    await store.put("c", StoredSession())
    assert await store.get("b") is None
    assert await store.get("a") == StoredSession({"again": True})


async def test_what_a_reader_changes_does_not_change_the_session():
    store = memory()
    await store.put("a", StoredSession({"list": [1]}))
    read = await store.get("a")
    assert read is not None
    assert read.body is not None
    read.body["list"].append(2)
    assert await store.get("a") == StoredSession({"list": [1]})
