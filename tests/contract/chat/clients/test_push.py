"""Pushes to browsers, against a push service that decrypts them as a browser does."""

import asyncio
import importlib.util
import ipaddress
import json
import stat
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_files import a_feed
from tests.fakes.push_service import Browser, PushService, checked_sender, push_service
from tests.require import require
from tests.time_limits import time_limit
from vox.security.outbound import OutboundGuard

CONTACT = "mailto:operator@example.com"
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@pytest.fixture
async def service() -> AsyncGenerator[PushService, None]:
    async with push_service() as running:
        yield running


def library() -> None:
    """The extra `push` is there, or the test is skipped."""
    is_there = importlib.util.find_spec("http_ece") is not None
    require(is_there, "http_ece", "pip install 'vox[push]'")


@pytest.fixture
async def pushing(database_url: str, tmp_path: Path) -> AsyncGenerator[Rig, None]:
    library()
    file = str(tmp_path / "push.key")
    async with community(database_url, tmp_path, push_contact=CONTACT, push_key_file=file) as rig:
        rig.chat.push_outbound = OutboundGuard(allowed_private=[LOOPBACK], allowed_ports=None)
        yield rig


async def until(holds: Callable[[], bool]) -> None:
    async with time_limit():
        while not holds():  # noqa: ASYNC110  what is waited for has no event of its own
            await asyncio.sleep(0.01)


async def subscribed(person: Person, service: PushService, name: str = "b") -> Browser:
    browser = Browser()
    await person.ok("PUT", "/users/@me/push", browser.subscription(f"{service.address}/{name}"))
    return browser


def read(browser: Browser, came: tuple[str, dict[str, str], bytes]) -> dict[str, Any]:
    return json.loads(browser.decrypted(came[2]))


async def notify(person: Person, **notifications: Any) -> None:
    now = await person.ok("GET", "/users/@me/settings")
    body = {"revision": now["revision"], "settings": {"notifications": notifications}}
    await person.ok("PUT", "/users/@me/settings", body)


async def send(person: Person, place: str, text: str, **more: Any) -> int:
    return (await person.ok("POST", f"{place}/messages", {"body": text, **more}))["msg_id"]


async def test_a_mention_and_a_conversation_are_pushed_and_only_the_browser_can_read_them(pushing, service, tmp_path):
    alice, bob = await pushing.register("alice"), await pushing.register("bob")
    browser = await subscribed(bob, service)
    feed = await a_feed(alice)
    await send(alice, f"/feeds/{feed}", "not for you")
    mentioned = await send(alice, f"/feeds/{feed}", "secret words", mentions=[bob.user_id])
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    direct = await send(alice, f"/dms/{dm}", "more secret words")
    await until(lambda: len(service.came) == 2)
    by_kind = {said["type"]: said for said in (read(browser, one) for one in service.came)}
    actor = str(alice.user_id)
    assert by_kind["mention"] == {"type": "mention", "feed_id": str(feed), "msg_id": str(mentioned), "actor_id": actor}
    assert by_kind["dm"] == {"type": "dm", "dm_id": str(dm), "msg_id": str(direct), "actor_id": actor}
    sizes = {len(body) for _, _, body in service.came}
    assert len(sizes) == 1, "padded, so that the length tells nothing"
    for path, headers, body in service.came:
        assert (path, headers["content-encoding"], headers["ttl"]) == ("/b", "aes128gcm", "86400")
        assert b"secret" not in body
        claims = checked_sender(headers["authorization"], service.address)
        assert claims["sub"] == CONTACT
        assert claims["k"] == (await pushing.http.get("/api/v1/client")).json()["features"]["push"]["public_key"]
    assert stat.S_IMODE((tmp_path / "push.key").stat().st_mode) == 0o600


async def test_text_is_pushed_to_who_chose_it(pushing: Rig, service: PushService):
    alice, bob = await pushing.register("alice"), await pushing.register("bob")
    browser = await subscribed(bob, service)
    await notify(bob, push_text=True)
    feed = await a_feed(alice)
    await send(alice, f"/feeds/{feed}", "hello bob", mentions=[bob.user_id])
    await until(lambda: len(service.came) == 1)
    said = read(browser, service.came[0])
    assert (said["title"], said["body"]) == ("alice", "hello bob")


async def test_levels_mutes_and_permissions_decide(pushing: Rig, service: PushService):
    alice, bob = await pushing.register("alice"), await pushing.register("bob")
    browser = await subscribed(bob, service)
    loud, muted, hidden = [await a_feed(alice, name) for name in ("loud", "muted", "hidden")]
    await alice.ok("PUT", f"/feeds/{hidden}/permissions/user/{bob.user_id}", {"allow": 0, "deny": 1})
    for feed in (loud, muted):
        await bob.ok("PUT", f"/feeds/{feed}/subscribers")
    later = pushing.chat.clock.unix_s() + 3600
    places = {f"feed:{loud}": {"level": "all"}, f"feed:{muted}": {"level": "all", "muted_until": later}}
    await notify(bob, level="nothing", places=places)
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    for place in (f"/feeds/{hidden}", f"/feeds/{muted}", f"/dms/{dm}"):
        await send(alice, place, "x", mentions=[bob.user_id, 0])
    wanted = await send(alice, f"/feeds/{loud}", "followed, and all is wanted")
    await until(lambda: len(service.came) == 1)
    assert read(browser, service.came[0])["msg_id"] == str(wanted), (
        "events are pushed in order: the others were left out"
    )


async def test_a_mention_of_everyone_reaches_all_but_its_author(pushing: Rig, service: PushService):
    alice, bob, carol = [await pushing.register(name) for name in ("alice", "bob", "carol")]
    for person in (alice, bob, carol):
        await subscribed(person, service, person.name)
    feed = await a_feed(alice)
    await send(alice, f"/feeds/{feed}", "all", mentions=[0])
    await until(lambda: len(service.came) == 2)
    assert {path for path, _, _ in service.came} == {"/bob", "/carol"}


async def test_who_is_connected_is_told_by_the_gateway(pushing: Rig, service: PushService):
    alice, bob, carol = [await pushing.register(name) for name in ("alice", "bob", "carol")]
    for person in (bob, carol):
        await subscribed(person, service, person.name)
    feed, both = await a_feed(alice), [bob.user_id, carol.user_id]
    async with bob.gateway():
        await send(alice, f"/feeds/{feed}", "here", mentions=both)
        await until(lambda: len(service.came) == 1)
    await send(alice, f"/feeds/{feed}", "away", mentions=both)
    await until(lambda: len(service.came) == 3)
    assert [path for path, _, _ in service.came].count("/bob") == 1


async def test_a_subscription_that_expired_is_removed_and_a_busy_service_asked_again(
    pushing: Rig, service: PushService
):
    alice, bob = await pushing.register("alice"), await pushing.register("bob")
    await subscribed(bob, service)
    feed = await a_feed(alice)
    pushing.chat.push.__self__._retry_s = 0.01  # pyright: ignore  # noqa: PGH003  not two seconds
    service.statuses = [503, 429, 410]
    await send(alice, f"/feeds/{feed}", "x", mentions=[bob.user_id])
    await until(lambda: len(service.came) == 3)

    def left() -> int:
        return pushing.chat.database.run_sync(
            lambda c: int(c.exec_driver_sql("SELECT count(*) FROM push_subscriptions").scalar_one())
        )

    await until(lambda: left() == 0)


async def test_a_subscription_goes_with_its_login_and_when_it_is_ended(pushing: Rig, service: PushService):
    alice, bob = await pushing.register("alice"), await pushing.register("bob")
    browser = await subscribed(alice, service)
    await bob.ok("PUT", "/users/@me/push", browser.subscription(f"{service.address}/b"))

    def users() -> list[int]:
        return pushing.chat.database.run_sync(
            lambda c: [row[0] for row in c.exec_driver_sql("SELECT user_id FROM push_subscriptions")]
        )

    assert users() == [bob.user_id], "a browser that another user logged in to"
    await bob.ok("POST", "/auth/logout")
    assert users() == []
    await subscribed(alice, service)
    assert (await alice.delete("/users/@me/push")).status_code == 204
    assert users() == []


async def test_only_sound_subscriptions_of_oneself_are_taken(pushing: Rig):
    alice, bob = await pushing.register("alice"), await pushing.register("bob")
    sound = Browser().subscription("https://push.example/x")
    pushing.chat.push_outbound = OutboundGuard(allowed_schemes=frozenset({"https"}))
    for endpoint in ("http://push.example/x", "https://127.0.0.1/x", "https://10.0.0.1/x", "ftp://x", "x"):
        reply = await alice.put("/users/@me/push", {**sound, "endpoint": endpoint})
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "INVALID_URL"), endpoint
    for keys in ({"p256dh": "x", "auth": "y"}, {**sound["keys"], "auth": "AAAA"}, {**sound["keys"], "p256dh": "BAAA"}):
        assert (await alice.put("/users/@me/push", {**sound, "keys": keys})).status_code == 422
    assert (await alice.put(f"/users/{bob.user_id}/push", sound)).status_code == 403
    assert (await alice.put("/users/@me/push", sound)).status_code == 204


async def test_pushes_are_off_without_a_contact(chat: Rig):
    alice = await chat.register("alice")
    assert chat.chat.push is None
    assert (await chat.http.get("/api/v1/client")).json()["features"]["push"] is None
    assert (await alice.put("/users/@me/push", Browser().subscription("https://push.example/x"))).status_code == 404
