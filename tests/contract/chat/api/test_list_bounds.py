"""No list grows without end: what has no pages has a ceiling, and the rest has pages."""

import pytest

from tests.contract.chat.harness import Rig
from tests.contract.chat.helpers_spaces import Row, feed, mismatches, refusal, say
from vox.chat.database import quotas
from vox.chat.events.permissions import P
from vox.chat.features.messages import pins

FULL = (400, "INVALID_OPERATION")


async def test_people_behind_reactions_come_in_pages(chat: Rig):
    alice, *others = [await chat.register(name) for name in ("alice", "bob", "carol")]
    await feed(alice)
    path = f"/feeds/1/messages/{await say(alice, 1)}/reactions"
    for person in (alice, *others):
        await person.ok("PUT", f"{path}/🎈")
    await others[1].ok("PUT", f"{path}/🎉")
    assert await alice.ok("GET", path, limit=2) == {
        "reactions": [{"emoji": "🎈", "user_ids": [1, 2]}, {"emoji": "🎉", "user_ids": [3]}]
    }
    assert await alice.ok("GET", path, limit=2, emoji="🎈", after=2) == {
        "reactions": [{"emoji": "🎈", "user_ids": [3]}]
    }
    assert await alice.ok("GET", path, emoji="🎊") == {"reactions": []}
    rows: list[Row] = [
        ("GET", f"{path}?limit=1001", None, (422, "VALIDATION_ERROR")),
        ("GET", f"{path}?emoji=%00", None, (422, "VALIDATION_ERROR")),
    ]
    assert await mismatches(alice, rows) == []


async def test_what_has_no_pages_has_a_ceiling(chat: Rig, monkeypatch: pytest.MonkeyPatch):
    alice, bob, carol = [await chat.register(name) for name in ("alice", "bob", "carol")]
    monkeypatch.setattr(quotas, "MAX_SPACES", 2)
    monkeypatch.setattr(quotas, "MAX_OVERRIDES", 1)
    monkeypatch.setattr(quotas, "MAX_BLOCKS", 1)
    for path, body in (
        ("/feeds", {"name": "a", "type": "text"}),
        ("/rooms", {"name": "a", "type": "voice"}),
        ("/categories", {"name": "a", "position": 0}),
    ):
        for _ in range(2):
            await alice.ok("POST", path, body)
        assert refusal(await alice.post(path, body)) == FULL, path
    for kind in ("feeds", "rooms"):
        path = f"/{kind}/1/permissions/user"
        mask = {"allow": 0, "deny": int(P.VIEW_SPACE)}
        for _ in range(2):
            await alice.ok("PUT", f"{path}/{bob.user_id}", mask)
        assert refusal(await alice.put(f"{path}/{carol.user_id}", mask)) == FULL
        await alice.ok("PUT", f"/{kind}/2/permissions/user/{bob.user_id}", mask)
    for _ in range(2):
        await alice.ok("PUT", f"/users/@me/blocks/{bob.user_id}")
    assert refusal(await alice.put(f"/users/@me/blocks/{carol.user_id}")) == FULL
    assert await alice.ok("GET", "/users/@me/blocks") == {"blocked_user_ids": [bob.user_id]}
    await bob.ok("PUT", f"/users/@me/blocks/{carol.user_id}")


async def test_no_limit_allows_more_pins_than_are_listed(chat: Rig, monkeypatch: pytest.MonkeyPatch):
    alice = await chat.register("alice")
    await feed(alice)
    await alice.ok("PATCH", "/server/limits", {"limits": {"max_pins_per_feed": 100_000}})
    monkeypatch.setattr(pins, "MAX_PINS", 1)
    await alice.ok("PUT", f"/feeds/1/pins/{await say(alice, 1)}")
    assert refusal(await alice.put(f"/feeds/1/pins/{await say(alice, 1)}")) == (400, "PIN_LIMIT_REACHED")
