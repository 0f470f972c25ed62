"""Incoming webhooks: their tokens, their limits, and messages in three shapes."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from sqlalchemy import text

from tests.contract.chat.harness import API, Person, Rig, community
from tests.contract.chat.helpers_people import audited, give_role, outcome
from tests.contract.chat.helpers_spaces import deny, feed
from vox.chat.events.permissions import P


@pytest.fixture
async def alice(chat: Rig) -> Person:
    return await chat.register("alice")


async def made(person: Person, feed_id: int, **more: Any) -> dict[str, Any]:
    return await person.ok("POST", f"/feeds/{feed_id}/webhooks", {"name": "ci", **more})


async def post(rig: Rig, webhook: dict[str, Any], body: Any, shape: str = "", **more: Any) -> httpx2.Response:
    path = f"{API}/webhooks/{webhook['webhook_id']}/{webhook['token']}{shape}"
    return await rig.http.post(path, **({"json": body} if body is not None else {}), **more)


async def newest(person: Person, feed_id: int) -> dict[str, Any]:
    return (await person.ok("GET", f"/feeds/{feed_id}/messages", limit=1))["messages"][0]


async def test_a_webhook_posts_as_itself_and_keeps_its_name(chat: Rig, alice: Person):
    general = await feed(alice)
    async with alice.gateway() as gateway:
        webhook = await made(alice, general, avatar="/api/v1/files/x")
        assert webhook == {
            "webhook_id": 1, "feed_id": general, "name": "ci", "token": webhook["token"], "avatar": "/api/v1/files/x",
        }  # fmt: skip
        assert webhook["token"].startswith("whk_")
        assert (await gateway.expect("webhook_create"))["d"] == {"webhook_id": 1, "feed_id": general, "name": "ci"}
        embeds = [{"title": "one", "color": 5}, {"title": "two"}]
        reply = await post(chat, webhook, {"body": "built", "embeds": embeds})
        assert (reply.status_code, reply.content) == (204, b"")
        shown = (await gateway.expect("message_create"))["d"]
        assert (shown["author_id"], shown["webhook_id"], shown["webhook_name"]) == (None, 1, "ci")
        assert shown["embed"] == {"title": "one", "color": 5}
        assert shown["embeds"] == embeds
        changed = await alice.ok("PATCH", "/webhooks/1", {"name": "builds"})
        assert changed == {"webhook_id": 1, "feed_id": general, "name": "builds", "avatar": "/api/v1/files/x"}
        assert await alice.ok("GET", "/webhooks/1") == changed
        assert (await gateway.expect("webhook_update"))["d"] == {"webhook_id": 1, "name": "builds"}
        assert (await alice.delete("/webhooks/1")).status_code == 204
        assert (await gateway.expect("webhook_delete"))["d"] == {"webhook_id": 1}
    message = await newest(alice, general)
    assert (message["author_id"], message["webhook_id"], message["webhook_name"]) == (None, 1, "ci")
    assert (message["embed"]["title"], [one["title"] for one in message["embeds"]]) == ("one", ["one", "two"])
    found = (await alice.ok("GET", "/messages/search", query="built"))["results"]
    assert [one["title"] for one in found[0]["embeds"]] == ["one", "two"]
    assert outcome(await post(chat, webhook, {"body": "x"})) == (401, "WEBHOOK_TOKEN_INVALID")
    assert outcome(await alice.get("/webhooks/1")) == (404, "WEBHOOK_NOT_FOUND")
    assert [len(await audited(alice, f"webhook.{what}")) for what in ("create", "update", "delete")] == [1, 1, 1]


async def test_embeds_that_an_original_stored_come_back_all(chat: Rig, alice: Person):
    general = await feed(alice)
    webhook = await made(alice, general)
    await post(chat, webhook, {"body": "x", "embeds": [{"title": "one"}]})
    stored = json.dumps([{"title": "one"}, {"title": "two"}])
    update = text("UPDATE messages SET embed = :embed, extras = NULL")
    await chat.chat.database.write(lambda c: c.execute(update, {"embed": stored}) and None)
    message = await newest(alice, general)
    assert (message["embed"]["title"], [one["title"] for one in message["embeds"]]) == ("one", ["one", "two"])


async def test_only_the_right_token_posts(chat: Rig, alice: Person):
    general, other = await feed(alice), await feed(alice, "other")
    first, second = await made(alice, general), await made(alice, other)
    for webhook_id, token in (
        (first["webhook_id"], second["token"]), (first["webhook_id"], "whk_x"), (99, first["token"]), ("x", first["token"]),
        (first["webhook_id"], "x" * 5000), ("9" * 30, "x"),
    ):  # fmt: skip
        for shape in ("", "/discord", "/slack"):
            wrong = {"webhook_id": webhook_id, "token": token}
            body = {"body": "x", "content": "x", "text": "x"}
            assert outcome(await post(chat, wrong, body, shape)) == (401, "WEBHOOK_TOKEN_INVALID")
    fresh = await alice.ok("POST", f"/webhooks/{first['webhook_id']}/token")
    assert outcome(await post(chat, first, {"body": "x"})) == (401, "WEBHOOK_TOKEN_INVALID")
    assert (await post(chat, {**first, **fresh}, {"body": "x"})).status_code == 204
    listed = await alice.ok("GET", f"/feeds/{general}/webhooks")
    assert listed == {"webhooks": [{"webhook_id": 1, "feed_id": general, "name": "ci", "avatar": None}]}


async def test_what_cannot_be_posted_is_refused(chat: Rig, alice: Person):
    general = await feed(alice)
    webhook = await made(alice, general)
    for body, expected in (
        ({}, (422, "VALIDATION_ERROR")),
        ({"body": ""}, (400, "EMPTY_MESSAGE")),
        ({"body": "x" * 4001}, (422, "VALIDATION_ERROR")),
        ({"body": "a\x00"}, (422, "VALIDATION_ERROR")),
        ({"body": "x", "embeds": [{}] * 11}, (422, "VALIDATION_ERROR")),
        ({"body": "x", "embeds": [{"url": "javascript:x"}]}, (422, "VALIDATION_ERROR")),
        ({"body": "x", "embeds": [{"title": "a\x00"}]}, (422, "VALIDATION_ERROR")),
        ({"body": "x", "embeds": [{"title": "x" * 20_000}]}, (400, "MESSAGE_TOO_LARGE")),
    ):
        assert outcome(await post(chat, webhook, body)) == expected, body
    assert (await post(chat, webhook, {"body": "", "embeds": [{"title": "card"}]})).status_code == 204
    await alice.ok("DELETE", f"/feeds/{general}")
    assert outcome(await post(chat, webhook, {"body": "x"})) == (401, "WEBHOOK_TOKEN_INVALID")


async def test_keepers_manage_the_webhooks_of_feeds_that_they_see(chat: Rig, alice: Person):
    general, hidden = await feed(alice), await feed(alice, "hidden")
    bob = await chat.register("bob")
    assert outcome(await bob.post(f"/feeds/{general}/webhooks", {"name": "x"})) == (403, "MISSING_PERMISSIONS")
    await give_role(alice, bob, P.MANAGE_WEBHOOKS, 5)
    await deny(alice, hidden, bob, P.VIEW_SPACE)
    secret = await made(alice, hidden)
    assert (await bob.post(f"/feeds/{general}/webhooks", {"name": "x"})).status_code == 201
    assert outcome(await bob.post(f"/feeds/{hidden}/webhooks", {"name": "x"})) == (403, "MISSING_PERMISSIONS")
    assert outcome(await bob.get(f"/feeds/{hidden}/webhooks")) == (403, "MISSING_PERMISSIONS")
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/token")):
        reply = await bob.call(method, f"/webhooks/{secret['webhook_id']}{path}", json={})
        assert outcome(reply) == (404, "WEBHOOK_NOT_FOUND"), (method, path)
    assert outcome(await alice.post("/feeds/99/webhooks", {"name": "x"})) == (404, "SPACE_NOT_FOUND")
    assert outcome(await alice.get("/feeds/99/webhooks")) == (404, "SPACE_NOT_FOUND")
    for name in ("", "x" * 65, "a\u202eb"):
        assert outcome(await alice.post(f"/feeds/{general}/webhooks", {"name": name})) == (422, "VALIDATION_ERROR")


async def test_a_webhook_in_a_forum_begins_a_thread(chat: Rig, alice: Person):
    forum = (await alice.ok("POST", "/feeds", {"name": "forum", "type": "forum"}))["feed_id"]
    webhook = await made(alice, forum)
    assert (await post(chat, webhook, {"body": "Release 5\nmore"})).status_code == 204
    threads = (await alice.ok("GET", f"/feeds/{forum}/threads"))["items"]
    assert [one["name"] for one in threads] == ["Release 5"]


async def test_followers_are_notified(chat: Rig, alice: Person):
    general = await feed(alice)
    webhook = await made(alice, general)
    await alice.ok("PUT", f"/feeds/{general}/subscribers")
    async with alice.gateway() as gateway:
        await post(chat, webhook, {"body": "built"})
        told = (await gateway.expect("notification_create"))["d"]
        assert (told["type"], told["body_preview"], told["user_id"]) == ("message", "built", alice.user_id)


async def test_the_limit_is_the_webhooks_own(database_url: str, tmp_path: Path):
    async with community(database_url, tmp_path, rate_limit_scale=1) as chat:
        alice = await chat.register("alice")
        general = await feed(alice)
        first, second = await made(alice, general), await made(alice, general)
        guesses = [await post(chat, {**first, "token": f"whk_{number}"}, {"body": "x"}) for number in range(30)]
        assert {reply.status_code for reply in guesses} == {401}, "guesses do not use up the limit of the webhook"
        replies = [await post(chat, first, {"body": "x"}) for _ in range(51)]
        assert [reply.status_code for reply in replies] == [204] * 50 + [429]
        assert replies[0].headers["x-ratelimit-limit"] == "50"
        assert outcome(replies[-1]) == (429, "RATE_LIMITED")
        assert (await post(chat, second, {"body": "x"})).status_code == 204
        guesses = [await post(chat, {**first, "token": f"whk_x{number}"}, {"body": "x"}) for number in range(40)]
        assert guesses[-1].status_code == 429, "after 60 unknown tokens an address has to wait"


async def test_discords_shape(chat: Rig, alice: Person):
    general = await feed(alice)
    webhook = await made(alice, general)
    body = {
        "content": "**Deployed**", "username": "Deploy", "avatar_url": "https://example.com/a.png", "tts": True,
        "allowed_mentions": {"parse": []},
        "embeds": [
            {
                "title": "v5", "url": "https://example.com/5", "color": 65280, "timestamp": "2026-01-01T00:00:00Z",
                "author": {"name": "Ann", "icon_url": "https://example.com/i.png"}, "footer": {"text": "by CI"},
                "fields": [{"name": "Env", "value": "prod", "inline": True}], "image": {"url": "https://example.com/i.png"},
            },
            {"description": "second"},
        ],
    }  # fmt: skip
    reply = await post(chat, webhook, body, "/discord")
    assert (reply.status_code, reply.content) == (204, b"")
    named = {"tts", "allowed_mentions", "embeds.timestamp", "embeds.author.icon_url"}
    assert set(reply.headers["x-vox-ignored"].split(", ")) == named
    message = await newest(alice, general)
    assert (message["body"], message["webhook_name"]) == ("**Deployed**", "Deploy")
    assert message["webhook_avatar"] == "https://example.com/a.png"
    first = message["embeds"][0]
    assert (first["site_name"], first["image"], first["color"]) == ("Ann", "https://example.com/i.png", 65280)
    assert [(one["name"], one["value"]) for one in first["fields"]] == [("Env", "prod"), ("", "by CI")]
    waited = await post(chat, webhook, {"content": "x", "flags": 4}, "/discord?wait=true")
    posted = await newest(alice, general)
    assert waited.json() == {
        "id": str(posted["msg_id"]), "channel_id": str(general), "webhook_id": "1", "content": "x", "ignored": ["flags"],
        "type": 0,
    }  # fmt: skip
    thread = await alice.ok("POST", f"/feeds/{general}/threads", {"name": "aside", "parent_msg_id": 1})
    there = await post(chat, webhook, {"content": "in"}, f"/discord?thread_id={thread['thread_id']}")
    assert there.status_code == 204
    path = f"/feeds/{general}/threads/{thread['thread_id']}/messages"
    assert [one["body"] for one in (await alice.ok("GET", path))["messages"]] == ["in"]
    for body, more, expected in (
        ({"content": 5}, {}, (422, "VALIDATION_ERROR")),
        ({}, {}, (400, "EMPTY_MESSAGE")),
        ([], {}, (422, "VALIDATION_ERROR")),
        ({"content": "x", "username": "a\u202eb"}, {}, (422, "VALIDATION_ERROR")),
        ({"content": "x", "avatar_url": "javascript:x"}, {}, (422, "VALIDATION_ERROR")),
        ({"content": "x", "embeds": "no"}, {}, (422, "VALIDATION_ERROR")),
        (None, {"content": b"{", "headers": {"content-type": "application/json"}}, (422, "VALIDATION_ERROR")),
        (None, {"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}, (422, "VALIDATION_ERROR")),
        (None, {"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, (422, "VALIDATION_ERROR")),
        (None, {"files": {"file": b"x"}}, (415, "UNSUPPORTED_MEDIA_TYPE")),
    ):
        assert outcome(await post(chat, webhook, body, "/discord", **more)) == expected, body
    assert outcome(await post(chat, webhook, {"content": "x"}, "/discord?thread_id=99")) == (404, "SPACE_NOT_FOUND")


async def test_slacks_shape(chat: Rig, alice: Person):
    general = await feed(alice)
    webhook = await made(alice, general)
    body = {
        "text": "*Alert* on <https://example.com|db1> &amp; more", "username": "Alerts", "icon_emoji": ":fire:", "channel": "#ops",
        "attachments": [{"color": "danger", "title": "CPU", "title_link": "https://example.com/g", "text": "_high_", "ts": 1}],
    }  # fmt: skip
    reply = await post(chat, webhook, body, "/slack")
    assert (reply.status_code, reply.text) == (200, "ok")
    assert reply.headers["content-type"].startswith("text/plain")
    assert set(reply.headers["x-vox-ignored"].split(", ")) == {"icon_emoji", "channel", "attachments.ts"}
    message = await newest(alice, general)
    assert message["body"] == "**Alert** on [db1](https://example.com) & more"
    assert (message["webhook_name"], message["embed"]["title"], message["embed"]["color"]) == (
        "Alerts",
        "CPU",
        0xE01E5A,
    )
    form = urlencode({"payload": json.dumps({"text": "from a form"})}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await post(chat, webhook, None, "/slack", content=form, headers=headers)).text == "ok"
    assert (await newest(alice, general))["body"] == "from a form"
    for wrong, more, expected in (
        ({"text": 5}, {}, (422, "VALIDATION_ERROR")),
        ({"attachments": [{}]}, {}, (400, "EMPTY_MESSAGE")),
        ({"text": "x", "icon_url": "javascript:x"}, {}, (422, "VALIDATION_ERROR")),
        ({"text": "x", "attachments": [{"title": "x", "image_url": "javascript:x"}]}, {}, (422, "VALIDATION_ERROR")),
        (None, {"content": b"payload=%7B", "headers": headers}, (422, "VALIDATION_ERROR")),
        (None, {"content": b"a=b&" * 50, "headers": headers}, (422, "VALIDATION_ERROR")),
        (None, {"content": b"\xff", "headers": headers}, (422, "VALIDATION_ERROR")),
    ):
        assert outcome(await post(chat, webhook, wrong, "/slack", **more)) == expected, (wrong, more)
