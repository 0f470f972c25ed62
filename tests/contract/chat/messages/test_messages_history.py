"""Reading histories: order, pages, and how few statements it takes."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.contract.chat.harness import Rig
from tests.contract.chat.helpers_spaces import Row, bodies, deny, feed, mismatches, refusal, say, upload
from vox.chat.events.permissions import P
from vox.stores.statements import Statement

MISSING = (403, "MISSING_PERMISSIONS")
INVALID = (422, "VALIDATION_ERROR")


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Generator[list[str], None, None]:
    """The handwritten statements that run within the block."""
    seen: list[str] = []
    run = Statement.run

    def spied(self: Statement, connection: Any, values: Any) -> Any:
        seen.append(connection.dialect.name)
        return run(self, connection, values)

    with monkeypatch.context() as patch:
        patch.setattr(Statement, "run", spied)
        yield seen


async def test_a_history_is_newest_first_and_paged_by_ids(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    ids = [await say(alice, 1, str(number)) for number in range(7)]
    path = "/feeds/1/messages"
    assert await bodies(alice, path) == ["6", "5", "4", "3", "2", "1", "0"]
    assert await bodies(alice, path, limit=2) == ["6", "5"]
    assert await bodies(alice, path, limit=2, before=ids[5]) == ["4", "3"]
    assert await bodies(alice, path, limit=2, after=ids[1]) == ["6", "5"]
    assert await bodies(alice, path, after=ids[1], before=ids[5]) == ["4", "3", "2"]
    assert await bodies(alice, path, limit=4, around=ids[3]) == ["5", "4", "3", "2"]
    assert await bodies(alice, path, limit=5, around=ids[0]) == ["2", "1", "0"]
    assert await bodies(alice, path, limit=3, around=2**63 - 1) == ["6", "5", "4"]
    assert await bodies(alice, path, before=0) == []


async def test_the_length_of_a_page_is_checked_and_then_clamped(chat: Rig):
    alice = await chat.register("alice")
    await alice.ok("PATCH", "/server/limits", {"limits": {"page_limit_messages": 2}})
    await feed(alice)
    for number in range(3):
        await say(alice, 1, str(number))
    assert await bodies(alice, "/feeds/1/messages", limit=1000) == ["2", "1"]
    rows: list[Row] = [
        ("GET", f"/feeds/1/messages?{query}", None, INVALID)
        for query in ("limit=0", "limit=1001", "limit=x", "before=x", f"after={2**63}", "before=-1")
    ]
    assert await mismatches(alice, rows) == []


async def test_who_may_not_read_history_gets_no_message(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    msg_id = await say(alice, 1)
    await deny(alice, 1, bob, P.READ_HISTORY)
    rows: list[Row] = [
        ("GET", "/feeds/1/messages", None, MISSING),
        ("GET", f"/feeds/1/messages/{msg_id}", None, MISSING),
    ]
    assert await mismatches(bob, rows) == []


async def test_a_message_is_found_in_its_own_feed_only(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    await feed(alice, "other")
    msg_id = await say(alice, 1)
    assert refusal(await alice.get(f"/feeds/2/messages/{msg_id}")) == (404, "MESSAGE_NOT_FOUND")
    assert refusal(await alice.get("/feeds/1/messages/1")) == (404, "MESSAGE_NOT_FOUND")
    assert refusal(await alice.get("/feeds/9/messages")) == (404, "SPACE_NOT_FOUND")


async def test_a_page_of_a_hundred_messages_with_files_takes_two_statements(chat: Rig, monkeypatch: pytest.MonkeyPatch):
    alice = await chat.register("alice")
    await feed(alice)
    for number in range(100):
        files = [await upload(chat, alice, f"f{number}-{part}", feed_id=1) for part in "ba"] if number % 9 == 0 else []
        await say(alice, 1, str(number), attachments=files)
    with counted(monkeypatch) as statements:
        messages = (await alice.ok("GET", "/feeds/1/messages", limit=100))["messages"]
    assert len(messages) == 100
    assert [file["file_id"] for file in messages[0]["attachments"]] == ["f99-b", "f99-a"]
    assert sum(len(message["attachments"]) for message in messages) == 24
    assert len(statements) == 2


async def test_sending_takes_two_statements(chat: Rig, monkeypatch: pytest.MonkeyPatch):
    alice = await chat.register("alice")
    await feed(alice)
    with counted(monkeypatch) as statements:
        await say(alice, 1)
    assert len(statements) == 2
