"""What was said in a room on its way to the room's text feed."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fakes.loop import VirtualClock
from vox.agent.rooms.feed_reports import BATCH, MAX_WAITING, FeedReports
from vox.errors import DependencyError
from vox.runtime.metrics import Metrics
from vox.security.outbound import FetchResult

pytestmark = pytest.mark.usefixtures("virtual_loop")


class PlayedFeed:
    """Implements `Fetches`: answers with the next of `answers`, then with 204."""

    def __init__(self) -> None:
        self.answers: list[int | Exception] = []
        self.headers: dict[str, str] = {}
        self.batches: list[list[dict[str, Any]]] = []
        self.metrics = Metrics()

    async def fetch(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes, **_limits: Any
    ) -> FetchResult:
        assert (method, url) == ("POST", "https://chat.example/said")
        self.headers = headers
        self.batches.append(json.loads(body)["items"])
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        return FetchResult(answer, {}, b"", "192.0.2.1", 0.1, url)

    @property
    def texts(self) -> list[str]:
        return [item["text"] for batch in self.batches for item in batch]

    @property
    def dropped(self) -> int:
        line = next(
            line for line in self.metrics.render().decode().splitlines() if line.startswith("vox_agent_room_reports")
        )
        return int(float(line.split()[-1]))


@asynccontextmanager
async def reports(feed: PlayedFeed) -> AsyncGenerator[FeedReports]:
    clock = VirtualClock(asyncio.get_running_loop())
    made = FeedReports("https://chat.example/said", "token", feed, clock, feed.metrics)
    task = asyncio.create_task(made.run())
    yield made
    made.close()
    await task


async def test_utterances_go_out_in_order_with_the_agents_token():
    feed = PlayedFeed()
    async with reports(feed) as made:
        made.add("s1", "anna", "hello")
        await asyncio.sleep(1)
        made.add("s2", "agent-1", "good day")
    assert feed.headers["authorization"] == "Bearer token"
    assert [(item["id"], item["identity"], item["text"]) for batch in feed.batches for item in batch] == [
        ("s1", "anna", "hello"), ("s2", "agent-1", "good day"),
    ]  # fmt: skip


async def test_a_feed_that_is_down_for_a_while_gets_all_of_it_once_it_is_back():
    feed = PlayedFeed()
    feed.answers = [503, DependencyError("x", code="fetch_failed"), 429]
    async with reports(feed) as made:
        made.add("s1", "anna", "hello")
        await asyncio.sleep(20)
        made.add("s2", "anna", "again")
    assert feed.texts == ["hello"] * 4 + ["again"]
    assert feed.dropped == 0


async def test_what_the_feed_refuses_is_not_repeated_and_the_next_goes_on():
    feed = PlayedFeed()
    feed.answers = [403]
    async with reports(feed) as made:
        made.add("s1", "anna", "hello")
        await asyncio.sleep(1)
        made.add("s2", "anna", "again")
    assert feed.texts == ["hello", "again"]
    assert feed.dropped == 1


async def test_what_waits_is_bounded_and_goes_in_batches():
    feed = PlayedFeed()
    async with reports(feed) as made:
        for number in range(MAX_WAITING + 5):
            made.add(f"s{number}", "anna", str(number))
    assert {len(batch) for batch in feed.batches} == {BATCH}
    assert feed.texts[0] == "5"
    assert len(feed.texts) == MAX_WAITING
    assert feed.dropped == 5


async def test_a_feed_that_never_answers_does_not_keep_the_agent():
    feed = PlayedFeed()
    feed.answers = [503] * 100
    async with reports(feed) as made:
        made.add("s1", "anna", "hello")
    assert feed.dropped == 1
    assert len(feed.batches) < 10
