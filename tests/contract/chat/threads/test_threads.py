"""Threads: they follow their feed in everything that is seen and allowed."""

from tests.contract.chat.harness import Rig
from tests.contract.chat.helpers_spaces import Row, allow, bodies, count, deny, feed, mismatches, refusal, say
from vox.chat.database.schema import messages, threads
from vox.chat.events.permissions import P

MISSING = (403, "MISSING_PERMISSIONS")
NO_SPACE = (404, "SPACE_NOT_FOUND")
INVALID = (422, "VALIDATION_ERROR")
LOCKED = (403, "THREAD_LOCKED")


async def test_a_thread_is_made_with_the_documented_shape_and_event(chat: Rig):
    alice = await chat.register("alice")
    parent = await say(alice, await feed(alice))
    async with alice.gateway() as gateway:
        reply = await alice.post("/feeds/1/threads", {"parent_msg_id": parent, "name": "aside"})
        assert reply.status_code == 201
        assert reply.json() == {
            "thread_id": 1, "parent_feed_id": 1, "parent_msg_id": parent, "name": "aside", "archived": False,
            "locked": False,
        }  # fmt: skip
        event = await gateway.expect("thread_create")
        assert event["d"] == {"thread_id": 1, "parent_feed_id": 1, "name": "aside", "parent_msg_id": parent}
    assert await alice.ok("GET", "/threads/1") == reply.json()


async def test_a_thread_has_its_own_history(chat: Rig):
    alice = await chat.register("alice")
    parent = await say(alice, await feed(alice), "parent")
    await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": parent, "name": "aside"})
    async with alice.gateway() as gateway:
        reply = await alice.post("/feeds/1/threads/1/messages", {"body": "inside"})
        assert reply.status_code == 201
        event = await gateway.expect("message_create")
        assert (event["d"]["feed_id"], event["d"]["thread_id"]) == (1, 1)
    assert await bodies(alice, "/feeds/1/messages") == ["parent"]
    assert await bodies(alice, "/feeds/1/threads/1/messages") == ["inside"]
    one = await alice.ok("GET", f"/feeds/1/messages/{reply.json()['msg_id']}")
    assert (one["feed_id"], one["thread_id"]) == (1, 1)


async def test_message_create_names_the_thread_which_the_original_left_out(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "aside"})
    async with alice.gateway() as gateway:
        await say(alice, 1)
        assert "thread_id" not in (await gateway.expect("message_create"))["d"]
        await alice.ok("POST", "/feeds/1/threads/1/messages", {"body": "x"})
        assert (await gateway.expect("message_create"))["d"]["thread_id"] == 1


async def test_a_thread_is_changed_and_deleted_with_its_events(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "aside"})
    await alice.ok("POST", "/feeds/1/threads/1/messages", {"body": "inside"})
    await say(alice, 1, "outside")
    async with alice.gateway() as gateway:
        changed = await alice.ok("PATCH", "/threads/1", {"name": "beside", "locked": True})
        assert (changed["name"], changed["locked"], changed["archived"]) == ("beside", True, False)
        event = await gateway.expect("thread_update")
        assert event["d"] == {"thread_id": 1, "name": "beside", "locked": True}
        assert (await alice.delete("/threads/1")).status_code == 204
        assert (await gateway.expect("thread_delete"))["d"] == {"thread_id": 1}
    assert refusal(await alice.get("/threads/1")) == NO_SPACE
    assert await bodies(alice, "/feeds/1/messages") == ["outside"]
    assert (await count(chat, threads), await count(chat, messages)) == (0, 1)
    assert [entry["event_type"] for entry in (await alice.ok("GET", "/audit-log"))["entries"]][-1] == "thread.delete"


async def test_nobody_writes_into_a_locked_or_archived_thread(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "aside"})
    sent = await alice.ok("POST", "/feeds/1/threads/1/messages", {"body": "before"})
    for change in ({"locked": True, "archived": False}, {"locked": False, "archived": True}):
        await alice.ok("PATCH", "/threads/1", change)
        assert refusal(await alice.post("/feeds/1/threads/1/messages", {"body": "x"})) == LOCKED
        edit = await alice.patch(f"/feeds/1/messages/{sent['msg_id']}", {"body": "x"})
        assert refusal(edit) == LOCKED
        assert await bodies(alice, "/feeds/1/threads/1/messages") == ["before"]
    await alice.ok("PATCH", "/threads/1", {"archived": False})
    await alice.ok("POST", "/feeds/1/threads/1/messages", {"body": "after"})


async def test_threads_are_listed_in_pages(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    await feed(alice, "other")
    for number in range(3):
        await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": f"t{number}"})
    await alice.ok("POST", "/feeds/2/threads", {"parent_msg_id": 1, "name": "elsewhere"})
    page = await alice.ok("GET", "/feeds/1/threads", limit=2)
    assert ([thread["name"] for thread in page["items"]], page["cursor"]) == (["t0", "t1"], "2")
    page = await alice.ok("GET", "/feeds/1/threads", limit=2, after=page["cursor"])
    assert ([thread["name"] for thread in page["items"]], page["cursor"]) == (["t2"], "3")
    assert await alice.ok("GET", "/feeds/1/threads", after=3) == {"items": [], "cursor": None}


async def test_threads_are_listed_by_activity(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    began = [await say(person, 1) for person in (alice, bob, alice)]
    for number, parent in enumerate(began):
        await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": parent, "name": f"t{number}"})
    await alice.ok("POST", "/feeds/1/threads/3/messages", {"body": "a"})
    latest = [(await alice.ok("POST", "/feeds/1/threads/1/messages", {"body": body}))["msg_id"] for body in "bc"][-1]
    page = await alice.ok("GET", "/feeds/1/threads", order="activity", limit=2)
    assert [thread["name"] for thread in page["items"]] == ["t0", "t2"]
    assert page["items"][0] | {"last_msg_id": latest, "messages": 2, "author_id": alice.user_id} == page["items"][0]
    page = await alice.ok("GET", "/feeds/1/threads", order="activity", limit=2, before=page["cursor"])
    (quiet,) = page["items"]
    assert (quiet["name"], quiet["last_msg_id"], quiet["messages"], quiet["author_id"], page["cursor"]) == (
        "t1", None, 0, bob.user_id, None,
    )  # fmt: skip
    await alice.ok("PATCH", "/threads/2", {"archived": True})
    for archived, names in (("true", ["t1"]), ("false", ["t0", "t2"])):
        page = await alice.ok("GET", "/feeds/1/threads", order="activity", archived=archived)
        assert [thread["name"] for thread in page["items"]] == names
    await alice.ok("DELETE", f"/feeds/1/messages/{began[0]}")
    page = await alice.ok("GET", "/feeds/1/threads", order="activity", limit=1)
    assert page["items"][0]["author_id"] is None


async def test_permissions_of_threads_are_those_of_their_feed(chat: Rig):
    alice, bob = await chat.register("alice"), await chat.register("bob")
    await feed(alice)
    await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "aside"})
    assert refusal(await bob.patch("/threads/1", {"locked": True})) == MISSING
    assert refusal(await bob.delete("/threads/1")) == MISSING
    await allow(alice, 1, bob, P.MANAGE_THREADS)
    await bob.ok("PATCH", "/threads/1", {"name": "mine"})
    for permission, method, path, body in (
        (P.CREATE_THREADS, "POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "x"}),
        (P.SEND_IN_THREADS, "POST", "/feeds/1/threads/1/messages", {"body": "x"}),
        (P.READ_HISTORY, "GET", "/feeds/1/threads/1/messages", None),
        (P.VIEW_SPACE, "GET", "/threads/1", None),
        (P.VIEW_SPACE, "PATCH", "/threads/1", {"name": "x"}),
        (P.VIEW_SPACE, "PUT", "/feeds/1/threads/1/subscribers", None),
        (P.VIEW_SPACE, "DELETE", "/feeds/1/threads/1/subscribers", None),
    ):
        await bob.ok(method, path, body)
        await deny(alice, 1, bob, permission)
        assert await mismatches(bob, [(method, path, body, MISSING)]) == []
        await allow(alice, 1, bob, P.MANAGE_THREADS)


async def test_a_thread_is_found_in_its_own_feed_only(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    await feed(alice, "other")
    await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "aside"})
    rows: list[Row] = [
        ("GET", "/feeds/2/threads/1/messages", None, NO_SPACE),
        ("POST", "/feeds/2/threads/1/messages", {"body": "x"}, NO_SPACE),
        ("PUT", "/feeds/2/threads/1/subscribers", None, NO_SPACE),
        ("DELETE", "/feeds/2/threads/1/subscribers", None, NO_SPACE),
        ("GET", "/feeds/1/threads/9/messages", None, NO_SPACE),
        ("GET", "/feeds/9/threads", None, NO_SPACE),
        ("POST", "/feeds/9/threads", {"parent_msg_id": 1, "name": "x"}, NO_SPACE),
        ("GET", "/threads/9", None, NO_SPACE),
        ("PATCH", "/threads/9", {"name": "x"}, NO_SPACE),
        ("DELETE", "/threads/9", None, NO_SPACE),
        ("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": ""}, INVALID),
        ("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "x" * 65}, INVALID),
        ("POST", "/feeds/1/threads", {"name": "x"}, INVALID),
        ("PATCH", "/threads/1", {"locked": "yes"}, INVALID),
    ]
    assert await mismatches(alice, rows) == []


async def test_following_a_thread_tells_who_may_view_its_feed(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice)
    await alice.ok("POST", "/feeds/1/threads", {"parent_msg_id": 1, "name": "aside"})
    async with alice.gateway() as gateway:
        await alice.ok("PUT", "/feeds/1/threads/1/subscribers")
        assert (await gateway.expect("thread_subscribe"))["d"] == {"thread_id": 1, "user_id": alice.user_id}
        await alice.ok("DELETE", "/feeds/1/threads/1/subscribers")
        assert (await gateway.expect("thread_unsubscribe"))["d"] == {"thread_id": 1, "user_id": alice.user_id}


async def test_a_forum_makes_a_thread_of_each_message(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice, type="forum")
    async with alice.gateway() as gateway:
        msg_id = await say(alice, 1, "How do I " + "x" * 80)
        first, second = [event for event in await gateway.events() if event["type"] != "presence_update"]
    name = ("How do I " + "x" * 80)[:64]
    assert first["type"] == "thread_create"
    assert first["d"] == {"thread_id": 1, "parent_feed_id": 1, "name": name, "parent_msg_id": msg_id}
    assert second["type"] == "message_create"
    assert (await alice.ok("GET", "/threads/1"))["name"] == name
    await alice.ok("POST", "/feeds/1/threads/1/messages", {"body": "Like this."})
    assert await count(chat, threads) == 1


async def test_a_post_of_a_forum_has_the_title_that_its_author_gave_it(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice, type="forum")
    await feed(alice, "general")
    async with alice.gateway() as gateway:
        await say(alice, 1, "the text", thread_name="  A   question ")
        assert (await gateway.expect("thread_create"))["d"]["name"] == "A question"
    assert (await alice.ok("GET", "/threads/1"))["name"] == "A question"
    for path, name in (("/feeds/2", "A"), ("/feeds/1/threads/1", "A"), ("/feeds/1", ""), ("/feeds/1", "x" * 300)):
        assert refusal(await alice.post(f"{path}/messages", {"body": "x", "thread_name": name})) == INVALID


async def test_a_message_without_words_names_its_thread_thread(chat: Rig):
    alice = await chat.register("alice")
    await feed(alice, type="forum")
    await alice.ok("POST", "/feeds/1/messages", {"embed": '{"title": "t"}'})
    assert (await alice.ok("GET", "/threads/1"))["name"] == "Thread"
