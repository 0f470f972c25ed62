"""History that brings along what a client would otherwise ask for message by message."""

from typing import Any

import pytest

from tests.contract.chat.harness import Person, Rig, community
from tests.contract.chat.helpers_files import a_feed, picture, upload


@pytest.fixture
async def linking(database_url, tmp_path):
    async with community(database_url, tmp_path, signed_media_urls=True) as rig:
        yield rig


async def send(person: Person, path: str, text: str, **more: Any) -> int:
    return (await person.ok("POST", f"{path}/messages", {"body": text, **more}))["msg_id"]


async def test_one_request_brings_authors_reactions_replies_and_links(linking: Rig):
    alice, bob = await linking.register("alice"), await linking.register("bob")
    feed = await a_feed(alice)
    place = f"/feeds/{feed}"
    old = await send(bob, place, "old")
    file = (await upload(alice, f"{place}/files", picture(), "x.png", "image/png")).json()
    assert file["width"] is None, "an upload answers as the original does"
    note = (await upload(alice, f"{place}/files")).json()["file_id"]
    embed = '{"title": "t", "image": "https://pictures.example/a.png"}'
    new = await send(alice, place, "new", reply_to=old, attachments=[file["file_id"], note], embed=embed)
    await bob.ok("PUT", f"{place}/messages/{new}/reactions/👍")
    await alice.ok("PUT", f"{place}/messages/{new}/reactions/👍")
    await bob.ok("PUT", f"{place}/messages/{new}/reactions/❤")
    page = await alice.ok("GET", f"{place}/messages", limit=1, include="authors,reactions,replies,links")
    assert [one["msg_id"] for one in page["messages"]] == [new]
    assert [one["username"] for one in page["authors"]] == ["alice", "bob"], "of the page, then of what it answers"
    assert page["reactions"] == [
        {"msg_id": new, "reactions": sorted(page["reactions"][0]["reactions"], key=lambda one: one["emoji"])}
    ]
    assert {one["emoji"]: (one["count"], one["me"]) for one in page["reactions"][0]["reactions"]} == {
        "👍": (2, True),
        "❤\ufe0f": (1, False),
    }
    assert [one["body"] for one in page["replies"]] == ["old"]
    first, second = page["messages"][0]["attachments"]
    assert (first["width"], first["height"], second["width"]) == (8, 8, None)
    links = {one["file_id"]: one for one in page["links"]}
    assert (links[first["file_id"]]["width"], links[note]["thumbnail_url"]) == (8, None)
    for url in (links[note]["url"], links[first["file_id"]]["url"], links[first["file_id"]]["thumbnail_url"]):
        assert (await linking.http.get(url)).status_code == 200
    assert [one["source"] for one in page["proxied"]] == ["https://pictures.example/a.png"]


async def test_without_include_a_page_is_the_original_s(linking: Rig):
    alice = await linking.register("alice")
    feed = await a_feed(alice)
    file = (await upload(alice, f"/feeds/{feed}/files", picture(), "x.png", "image/png")).json()["file_id"]
    await send(alice, f"/feeds/{feed}", "x", attachments=[file])
    page = await alice.ok("GET", f"/feeds/{feed}/messages")
    assert list(page) == ["messages"]
    assert page["messages"][0]["attachments"][0]["width"] is None
    assert list(await alice.ok("GET", f"/feeds/{feed}/messages", include="authors")) == ["messages", "authors"]


async def test_a_name_that_there_is_not_is_refused(chat: Rig):
    alice = await chat.register("alice")
    feed = await a_feed(alice)
    reply = await alice.get(f"/feeds/{feed}/messages", include="authors,passwords")
    assert reply.status_code == 422
    assert "authors, links, reactions, replies" in reply.json()["error"]["message"]


async def test_an_answer_to_a_message_of_another_place_does_not_show_it(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed, secret = await a_feed(alice), await a_feed(alice, "secret")
    hidden = await send(alice, f"/feeds/{secret}", "hidden")
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    await send(alice, f"/feeds/{feed}", "x", reply_to=hidden)
    await send(bob, f"/dms/{dm}", "y", reply_to=hidden)
    for path in (f"/feeds/{feed}/messages", f"/dms/{dm}/messages"):
        assert (await bob.ok("GET", path, include="replies"))["replies"] == []


async def test_threads_and_conversations_include_alike(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    feed = await a_feed(alice)
    start = await send(alice, f"/feeds/{feed}", "start")
    thread = (await alice.ok("POST", f"/feeds/{feed}/threads", {"parent_msg_id": start, "name": "t"}))["thread_id"]
    await send(bob, f"/feeds/{feed}/threads/{thread}", "in the thread", reply_to=start)
    page = await bob.ok("GET", f"/feeds/{feed}/threads/{thread}/messages", include="authors,replies,links")
    assert [one["body"] for one in page["replies"]] == ["start"]
    assert page["links"] == [], "links are off"
    dm = (await alice.ok("POST", "/dms", {"recipient_id": bob.user_id}))["dm_id"]
    first = await send(alice, f"/dms/{dm}", "hi")
    await bob.ok("PUT", f"/dms/{dm}/messages/{first}/reactions/👍")
    page = await alice.ok("GET", f"/dms/{dm}/messages", include="authors,reactions")
    assert page["reactions"] == [{"msg_id": first, "reactions": [{"emoji": "👍", "count": 1, "me": False}]}]


async def test_reading_with_include_leaves_the_bucket_of_sending_full(database_url, tmp_path):
    async with community(database_url, tmp_path, rate_limit_scale=1.0) as chat:
        alice = await chat.register("alice")
        feed = await a_feed(alice)
        plain = await alice.get(f"/feeds/{feed}/messages")
        more = [await alice.get(f"/feeds/{feed}/messages", include="authors") for _ in range(3)]
        sent = await alice.post(f"/feeds/{feed}/messages", {"body": "x"})
    assert [one.headers["x-ratelimit-limit"] for one in (plain, more[0], sent)] == ["50", "60", "50"]
    assert (plain.headers["x-ratelimit-remaining"], sent.headers["x-ratelimit-remaining"]) == ("49", "48")
