"""A request whose body takes its time is judged by what its sender may do when the body is there."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tests.contract.chat.harness import API, Person, Rig
from vox.chat.events.permissions import P


async def slowly(who: Person, path: str, body: Any, meanwhile: Callable[[], Awaitable[Any]]) -> tuple[int, str]:
    """A POST in whose middle something happens: status and error code."""

    async def pieces() -> AsyncIterator[bytes]:
        raw = json.dumps(body).encode()
        yield raw[:1]
        await meanwhile()
        yield raw[1:]

    reply = await who.rig.http.post(f"{API}{path}", headers=who.headers, content=pieces())
    return reply.status_code, reply.json()["error"]["code"] if reply.status_code >= 400 else ""


async def test_who_is_logged_out_meanwhile_is_heard_no_more(chat: Rig):
    alice = await chat.register("alice")
    feed = {"name": "late", "type": "text"}
    assert await slowly(alice, "/feeds", feed, lambda: alice.post("/auth/logout")) == (401, "AUTH_EXPIRED")
    assert not chat.chat.community.feeds


async def test_who_is_banned_meanwhile_is_heard_no_more(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    ban = lambda: alice.ok("PUT", f"/bans/{bob.user_id}", {"reason": "spam"})  # noqa: E731  one line of the story
    assert await slowly(bob, "/dms", {"recipient_id": alice.user_id}, ban) == (403, "BANNED")
    assert not chat.chat.community.dms


async def test_who_is_demoted_meanwhile_may_no_more(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    role = {"name": "makers", "permissions": int(P.MANAGE_SPACES), "position": 5}
    role_id = (await alice.ok("POST", "/roles", role))["role_id"]
    await alice.ok("PUT", f"/members/{bob.user_id}/roles/{role_id}")
    feed = {"name": "late", "type": "text"}
    revoke = lambda: alice.ok("DELETE", f"/members/{bob.user_id}/roles/{role_id}")  # noqa: E731  one line of the story
    assert await slowly(bob, "/feeds", feed, revoke) == (403, "MISSING_PERMISSIONS")
    assert not chat.chat.community.feeds


async def test_what_happens_to_others_meanwhile_does_not_matter(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed = {"name": "late", "type": "text"}
    assert await slowly(alice, "/feeds", feed, lambda: bob.post("/auth/logout")) == (201, "")
