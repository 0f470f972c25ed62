import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from vox.agent.sessions.idempotency import (
    KEPT_S,
    PENDING_S,
    MemoryIdempotencyStore,
    Recorded,
    decode,
    encode,
    fingerprint_of,
    storage_key,
)

PARTS = st.text(max_size=8)


@given(st.tuples(PARTS, PARTS, PARTS), st.tuples(PARTS, PARTS, PARTS))
def test_two_requests_share_a_name_only_if_caller_path_and_key_are_the_same(
    one: tuple[str, str, str], two: tuple[str, str, str]
):
    assert (storage_key(*one) == storage_key(*two)) is (one == two)


@given(st.lists(st.binary(max_size=4), max_size=3), st.lists(st.binary(max_size=4), max_size=3))
def test_fingerprints_differ_where_anything_does(one: list[bytes], two: list[bytes]):
    assert (fingerprint_of(*one) == fingerprint_of(*two)) is (one == two)


@given(st.text(max_size=20), st.none() | st.binary(max_size=50))
def test_what_is_recorded_comes_back(fingerprint: str, answer: bytes | None):
    assert decode(encode(Recorded(fingerprint, answer))) == Recorded(fingerprint, answer)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"answer": "AA=="}', b"\xff"])
def test_other_data_is_refused(data: bytes):
    with pytest.raises(ValueError):
        decode(data)


async def test_a_key_is_forgotten_after_a_day_and_one_without_an_answer_after_a_minute():
    clock = FakeClock()
    store = MemoryIdempotencyStore(clock)
    await store.begin("dead", "body")
    await store.begin("kept", "body")
    await store.finish("kept", "body", b"{}")
    clock.advance(PENDING_S)
    assert await store.begin("dead", "body") is None
    clock.advance(KEPT_S - PENDING_S - 1)
    assert await store.begin("kept", "body") == Recorded("body", b"{}")
    clock.advance(1)
    assert await store.begin("kept", "body") is None


async def test_the_oldest_keys_make_room():
    store = MemoryIdempotencyStore(FakeClock(), max_keys=2)
    for key in "abc":
        await store.begin(key, key)
    assert await store.begin("b", "b") == Recorded("b")
    assert await store.begin("a", "a") is None
