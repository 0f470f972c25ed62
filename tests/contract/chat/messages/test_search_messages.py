"""Searching: what is found, what never is, and text that tries to be more than text."""

import unicodedata
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.chat.harness import Person, Rig
from tests.contract.chat.helpers_spaces import Row, deny, feed, mismatches, refusal, say, upload, write
from vox.chat.events.ids import FeedId
from vox.chat.events.permissions import P
from vox.chat.features.messages.schemas import SearchQuery
from vox.chat.features.messages.search_queries import Scope, find

INVALID = (422, "VALIDATION_ERROR")
MISSING = (403, "MISSING_PERMISSIONS")


async def found(person: Person, query: str, **more: Any) -> list[str]:
    return [message["body"] for message in (await person.ok("GET", "/messages/search", query=query, **more))["results"]]


async def test_words_beginnings_and_parts_are_found_newest_first(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    for body in ("The Quick brown fox", "quick: slow", "nothing here", "unquickened", "fox quick"):
        await say(alice, 1, body)
    assert await found(alice, "quick") == ["fox quick", "unquickened", "quick: slow", "The Quick brown fox"]
    assert await found(alice, "QUICK fox") == ["fox quick", "The Quick brown fox"]
    assert await found(alice, '"brown fox"') == ["The Quick brown fox"]
    assert await found(alice, "bro") == ["The Quick brown fox"]
    assert await found(alice, "uick b") == ["The Quick brown fox"]
    assert await found(alice, "absent") == []
    shape = (await alice.ok("GET", "/messages/search", query="brown"))["results"][0]
    assert (shape["feed_id"], shape["attachments"], shape["author_id"]) == (1, [], alice.user_id)


async def test_both_ways_ignore_the_same_on_both_databases(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    bodies = [
        "Don\u2019t panic",
        "ПРИВЕТ-МИР всем",
        "Größe-XL",
        unicodedata.normalize("NFD", "Zürich ruft"),
        "Café\nCrème",
    ]
    for body in bodies:
        await say(alice, 1, body)
    for query, body in (
        ("don't", 0), ("DON\u2019T PANIC", 0), ("привет-мир", 1), ("привет", 1), ("GRÖSSE-XL", 2), ("grosse", 2), ("Zürich", 3),
        (unicodedata.normalize("NFD", "ZÜRICH r"), 3), ("cafe creme", 4), ("afé crè", 4),
    ):  # fmt: skip
        assert await found(alice, query) == [bodies[body]], query


async def test_signs_are_signs_and_not_wildcards(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    for body in ("100% sure", "100 sure", "a_b", "a b", "axb", "C:\\temp", 'say "hi"', "x OR y"):
        await say(alice, 1, body)
    assert await found(alice, "100%") == ["100% sure"]
    assert await found(alice, "%") == ["100% sure"]
    assert await found(alice, "a_b") == ["a_b"]
    assert await found(alice, "C:\\temp") == ["C:\\temp"]
    assert await found(alice, "x OR y") == ["x OR y"]


async def test_edits_and_deletions_change_what_is_found_which_the_original_forgot(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    msg_id = await say(alice, 1, "before")
    await alice.ok("PATCH", f"/feeds/1/messages/{msg_id}", {"body": "after"})
    assert await found(alice, "before") == []
    assert await found(alice, "after") == ["after"]
    await alice.ok("DELETE", f"/feeds/1/messages/{msg_id}")
    assert await found(alice, "after") == []


async def test_nobody_finds_what_he_may_not_read(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await feed(alice, "unseen")
    await feed(alice, "unread")
    for feed_id in (1, 2, 3):
        await say(alice, feed_id, f"needle {feed_id}")
    dm = (await alice.ok("POST", "/dms", {"recipient_ids": [bob.user_id]}))["dm_id"]
    await write(alice, dm, "needle private")
    await deny(alice, 2, bob, P.VIEW_SPACE)
    await deny(alice, 3, bob, P.READ_HISTORY)
    assert await found(bob, "needle") == ["needle 1"]
    assert await found(alice, "needle") == ["needle 3", "needle 2", "needle 1"]
    assert await found(bob, "needle", dm_id=dm) == ["needle private"]
    rows: list[Row] = [
        ("GET", "/messages/search?query=x&feed_id=2", None, MISSING),
        ("GET", "/messages/search?query=x&feed_id=3", None, MISSING),
        ("GET", "/messages/search?query=x&feed_id=9", None, (404, "SPACE_NOT_FOUND")),
        ("GET", "/messages/search?query=x&dm_id=9", None, (403, "NOT_DM_PARTICIPANT")),
    ]
    assert await mismatches(bob, rows) == []
    carol = await chat.register("carol")
    assert refusal(await carol.get("/messages/search", query="x", dm_id=dm)) == (403, "NOT_DM_PARTICIPANT")


async def test_filters_narrow_a_search(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await feed(alice, "other")
    await say(bob, 1, "word bob")
    await say(alice, 2, "word other")
    await say(alice, 1, "word file", attachments=[await upload(chat, alice, "f", feed_id=1)])
    await say(alice, 1, "word embed", embed='{"title": "t"}')
    pinned = await say(alice, 1, "word pin")
    await alice.ok("PUT", f"/feeds/1/pins/{pinned}")
    await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "t"})
    await alice.ok("POST", "/feeds/1/threads/1/messages", {"body": "word thread"})
    assert await found(alice, "word", author_id=bob.user_id) == ["word bob"]
    assert await found(alice, "word", feed_id=2) == ["word other"]
    assert await found(alice, "word", has_file="true") == ["word file"]
    assert await found(alice, "word", has_embed="true") == ["word embed"]
    assert await found(alice, "word", pinned="true") == ["word pin"]
    assert await found(alice, "word", thread_id=1) == ["word thread"]
    assert "word file" not in await found(alice, "word", has_file="false")
    assert await found(alice, "word", before=pinned, has_embed="true") == ["word embed"]
    assert await found(alice, "word", after=pinned) == ["word thread"]


async def test_pages_go_backwards_by_id(chat: Rig):
    alice = await chat.register("alice")
    await alice.ok("PATCH", "/server/limits", {"limits": {"page_limit_search": 2}})
    await feed(alice)
    for number in range(5):
        await say(alice, 1, f"word {number}")
    page = (await alice.ok("GET", "/messages/search", query="word", limit=1000))["results"]
    assert [message["body"] for message in page] == ["word 4", "word 3"]
    assert await found(alice, "word", before=page[-1]["msg_id"]) == ["word 2", "word 1"]


async def test_what_is_wrong_with_a_search_is_refused(chat: Rig):
    alice = await chat.register("alice")
    rows: list[Row] = [
        ("GET", f"/messages/search?{query}", None, INVALID)
        for query in ("", "query=", "query=x&limit=0", "query=x&limit=1001", "query=a%00", "query=x&before=y",
                      "query=x&has_file=maybe", f"query={'x' * 1001}")
    ]  # fmt: skip
    assert await mismatches(alice, rows) == []
    assert await found(alice, " ") == []
    assert await found(alice, '""') == []


async def test_no_text_breaks_a_search(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    for body in ("a AND b", "NEAR(a b)", "a* -b ^c", "{a b}: c", "('a' & b:*)", "'; DROP TABLE messages; --"):
        await say(alice, 1, body)
        assert body in await found(alice, body)
    texts = st.text(alphabet="\"'*()-+:^&|!<>{}%_\\\u00e9\u4e2d\U0001f600 abANDOR", min_size=1, max_size=30)
    queries: list[str] = []

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(texts)
    def collect(text: str) -> None:
        queries.append(text)

    collect()
    for text in queries:
        await chat.chat.read(lambda connection, text=text: _search(connection, text))
    assert len(await found(alice, "a")) >= 1


def _search(connection: Any, text: str) -> list[Any]:
    return find(connection, scope=Scope([FeedId(1)]), query=SearchQuery(text), limit=25)
