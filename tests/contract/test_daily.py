"""Rooms at Daily, made at a server that speaks Daily's API."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.daily_server import KEY, DailyServer, daily_server
from vox.errors import DependencyError, UsageError
from vox.providers.contract import Deps
from vox.providers.rooms.daily import DailyRooms, DialIn


@pytest.fixture
async def daily() -> AsyncIterator[DailyServer]:
    async with daily_server() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient() as client:
        yield client


def rooms(http: httpx2.AsyncClient, url: str, key: str = KEY) -> DailyRooms:
    return DailyRooms(Deps(FakeClock(), http, {}, {"DAILY_API_KEY": key, "DAILY_API_URL": url}))


async def test_a_room_has_an_end_and_a_token_for_its_owner(daily: DailyServer, http: httpx2.AsyncClient):
    room = await rooms(http, daily.url).create()
    (asked,), (token,), ends = daily.rooms, daily.tokens, FakeClock().unix_s() + 7200
    assert asked == {"name": asked["name"], "properties": {"exp": ends, "eject_at_room_exp": True}}
    assert asked["name"].startswith("voxray-")
    assert len(asked["name"]) == len("voxray-") + 8
    assert token == {"room_name": asked["name"], "is_owner": True, "user_name": "Voxray Bot", "exp": ends}
    assert (room.url, room.token) == (f"https://example.daily.co/{asked['name']}", f"token-of-{asked['name']}")
    assert room.token not in repr(room)
    assert (await rooms(http, daily.url).create()).url != room.url


async def test_a_room_for_a_telephone_call_takes_it_over_sip(daily: DailyServer, http: httpx2.AsyncClient):
    await rooms(http, daily.url).create(DialIn("+15550100"))
    (asked,) = daily.rooms
    assert asked["name"].startswith("voxray-sip-")
    assert asked["properties"]["sip"] == {
        "display_name": "+15550100", "video": False, "sip_mode": "dial-in", "num_endpoints": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("status", "retryable"), [(429, True), (503, True), (400, False), (404, False)])
async def test_a_failure_says_whether_a_retry_helps(
    daily: DailyServer, http: httpx2.AsyncClient, status: int, retryable: bool
):
    daily.status = status
    with pytest.raises(DependencyError) as failed:
        await rooms(http, daily.url).create()
    assert (failed.value.code, failed.value.retryable) == ("daily_failed", retryable)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"url": 5}', b"\xff" * 100_000])
async def test_an_answer_that_is_none_is_a_failure(daily: DailyServer, http: httpx2.AsyncClient, body: bytes):
    daily.body = body
    with pytest.raises(DependencyError, match="no usable"):
        await rooms(http, daily.url).create()


async def test_a_refused_key_is_named_and_not_shown(daily: DailyServer, http: httpx2.AsyncClient):
    with pytest.raises(DependencyError, match="DAILY_API_KEY") as refused:
        await rooms(http, daily.url, "wrong-key").create()
    assert "wrong-key" not in str(refused.value)


async def test_without_a_key_nothing_is_asked(daily: DailyServer, http: httpx2.AsyncClient):
    with pytest.raises(UsageError, match="DAILY_API_KEY") as missing:
        await rooms(http, daily.url, "").create()
    assert missing.value.code == "daily_key_missing"
    assert not daily.rooms


async def test_daily_out_of_reach_can_be_tried_again(http: httpx2.AsyncClient):
    with pytest.raises(DependencyError) as failed:
        await rooms(http, "http://127.0.0.1:1/v1").create()
    assert failed.value.retryable
