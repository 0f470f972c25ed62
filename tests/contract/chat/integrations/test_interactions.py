"""Interactions: asked of one bot, answered once and in time, in the place where they were asked."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import Gateway, Person, Rig, community
from tests.contract.chat.helpers_bots import BotPerson, call, make_bot, offer
from tests.contract.chat.helpers_gateway import resumed
from tests.contract.chat.helpers_people import LateClock, outcome, set_everyone
from tests.contract.chat.helpers_spaces import deny, feed, say
from vox.chat.events.permissions import P

BUTTON = {"type": "button", "label": "Yes", "custom_id": "yes"}
MENU: dict[str, Any] = {
    "type": "select", "custom_id": "colour", "max_values": 2,
    "options": [{"label": "Red", "value": "r"}, {"label": "Blue", "value": "b"}, {"label": "Green", "value": "g"}],
}  # fmt: skip
MODAL: dict[str, Any] = {
    "custom_id": "form", "title": "Tell us",
    "fields": [
        {"custom_id": "why", "label": "Why", "min_length": 2, "max_length": 10},
        {"custom_id": "more", "label": "More", "required": False, "style": "paragraph"},
    ],
}  # fmt: skip


@pytest.fixture
async def alice(chat: Rig) -> Person:
    return await chat.register("alice")


@pytest.fixture
async def bob(chat: Rig, alice: Person) -> Person:
    return await chat.register("bob")


@pytest.fixture
async def bot(alice: Person) -> BotPerson:
    return await make_bot(alice)


async def asked(gateway: Gateway) -> dict[str, Any]:
    """The next interaction."""
    return (await gateway.expect("interaction_create"))["d"]


async def answer(bot: Person, interaction_id: str, **body: Any) -> tuple[int, str]:
    return outcome(await bot.post(f"/interactions/{interaction_id}/response", body))


async def test_a_command_asks_its_bot_alone_and_the_answer_is_for_all(alice: Person, bob: Person, bot: BotPerson):
    general = await feed(alice)
    await offer(bot, "weather")
    async with bot.gateway() as own, bob.gateway() as bobs:
        sent = await bob.ok("POST", f"/feeds/{general}/messages", {"body": "/weather city=Lund now"})
        assert sent == {
            "msg_id": 0,
            "timestamp": sent["timestamp"],
            "interaction_id": sent["interaction_id"],
            "mentions": [],
        }
        assert await asked(own) == {
            "id": sent["interaction_id"], "type": "slash_command", "command": "weather",
            "params": {"city": "Lund", "now": True}, "user_id": bob.user_id, "feed_id": general, "dm_id": None,
        }  # fmt: skip
        assert await answer(bot, sent["interaction_id"], body="Rain") == (204, "")
        frame = await bobs.expect("message_create")
        assert (frame["d"]["author_id"], frame["d"]["body"], frame["d"]["feed_id"]) == (bot.user_id, "Rain", general)
        assert "interaction_create" not in {event["type"] for event in await bobs.events()}
    assert [one["body"] for one in (await bob.ok("GET", f"/feeds/{general}/messages"))["messages"]] == ["Rain"]


async def test_texts_that_call_nothing_are_messages(alice: Person, bot: BotPerson):
    general = await feed(alice)
    await offer(bot, "roll")
    for text in ("/rolling", "/", "/ roll", "//roll", "say /roll", "/Roll", "/nope x=1"):
        sent = await alice.ok("POST", f"/feeds/{general}/messages", {"body": text})
        assert (sent["msg_id"] > 0, sent["interaction_id"]) == (True, None), text
    sent = await bot.ok("POST", f"/feeds/{general}/messages", {"body": "/roll"})
    assert sent["msg_id"] > 0, "bots call no commands"


async def test_an_answer_comes_once(alice: Person, bot: BotPerson):
    general = await feed(alice)
    await offer(bot, "roll")
    interaction_id = await call(alice, general, "/roll")
    replies = await asyncio.gather(*(answer(bot, interaction_id, body=f"{number}") for number in range(5)))
    assert sorted(replies) == [(204, ""), *[(404, "INTERACTION_NOT_FOUND")] * 4]
    late = await bot.post(f"/interactions/{interaction_id}/response", {"body": "again"})
    assert late.json()["error"]["reason"] == "answered"
    assert len((await alice.ok("GET", f"/feeds/{general}/messages"))["messages"]) == 1
    unknown = await bot.post("/interactions/nope/response", {"body": "x"})
    assert (outcome(unknown), unknown.json()["error"]["reason"]) == ((404, "INTERACTION_NOT_FOUND"), "unknown")


async def test_an_answer_after_fifteen_seconds_is_late(database_url: str, tmp_path: Path):
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as chat:
        alice = await chat.register("alice")
        general, bot = await feed(alice), await make_bot(alice)
        await offer(bot, "roll")
        in_time, late = await call(alice, general, "/roll"), await call(alice, general, "/roll")
        clock.advance(14)
        assert await answer(bot, in_time, body="4") == (204, "")
        clock.advance(2)
        reply = await bot.post(f"/interactions/{late}/response", {"body": "4"})
        assert (outcome(reply), reply.json()["error"]["reason"]) == ((404, "INTERACTION_NOT_FOUND"), "expired")


async def test_others_can_neither_answer_nor_use_an_interaction_up(alice: Person, bob: Person, bot: BotPerson):
    general, other = await feed(alice), await make_bot(alice, "other")
    await offer(bot, "roll")
    interaction_id = await call(bob, general, "/roll")
    for person in (other, bob, alice):
        assert await answer(person, interaction_id, body="mine") == (403, "FORBIDDEN")
    assert await answer(bot, interaction_id, body="4") == (204, "")


async def test_a_malformed_answer_does_not_use_it_up(alice: Person, bot: BotPerson):
    general = await feed(alice)
    await offer(bot, "roll")
    interaction_id = await call(alice, general, "/roll")
    for body, expected in (
        ({}, (400, "EMPTY_MESSAGE")),
        ({"body": " "}, (400, "EMPTY_MESSAGE")),
        ({"body": "x" * 4001}, (400, "MESSAGE_TOO_LARGE")),
        ({"body": "a\x00"}, (422, "VALIDATION_ERROR")),
        ({"embeds": [{"url": "javascript:alert(1)"}]}, (422, "VALIDATION_ERROR")),
        ({"body": "x", "components": [BUTTON, BUTTON]}, (422, "VALIDATION_ERROR")),
        ({"body": "x", "components": [{"type": "button", "label": "x"}]}, (422, "VALIDATION_ERROR")),
        ({"body": "x", "components": [{**MENU, "min_values": 3, "max_values": 2}]}, (422, "VALIDATION_ERROR")),
        ({"body": "x", "components": [{"type": "slider", "custom_id": "x"}]}, (422, "VALIDATION_ERROR")),
        ({"type": "modal"}, (422, "VALIDATION_ERROR")),
        ({"type": "update", "body": "x"}, (422, "VALIDATION_ERROR")),
        ({"type": "modal", "modal": {**MODAL, "fields": []}}, (422, "VALIDATION_ERROR")),
        ({"type": "modal", "modal": {**MODAL, "fields": [MODAL["fields"][0]] * 2}}, (422, "VALIDATION_ERROR")),
    ):
        assert await answer(bot, interaction_id, **body) == expected, body
    assert await answer(bot, interaction_id, body="4") == (204, "")


async def test_options_are_read_by_their_types(alice: Person, bot: BotPerson):
    general = await feed(alice)
    params = [
        {"name": "count", "type": "integer", "required": True, "min": 1, "max": 9},
        {"name": "who", "type": "user"},
        {"name": "loud", "type": "boolean"},
        {"name": "text"},
    ]
    await offer(bot, "remind", params=params)
    async with bot.gateway() as own:
        await call(alice, general, f'/remind 3 who=<@{alice.user_id}> loud text="buy \\"milk\\" now"')
        assert (await asked(own))["params"] == {
            "count": 3, "who": alice.user_id, "loud": True, "text": 'buy "milk" now',
        }  # fmt: skip
    for text in ("/remind", "/remind x", "/remind 0", "/remind 10", "/remind 1 who=nobody", "/remind count=1 count=2"):
        reply = await alice.post(f"/feeds/{general}/messages", {"body": text})
        assert outcome(reply) == (422, "VALIDATION_ERROR"), text
        assert "params." in reply.json()["error"]["message"]


async def test_an_ephemeral_answer_is_for_one_and_stored_nowhere(alice: Person, bob: Person, bot: BotPerson):
    general = await feed(alice)
    await offer(bot, "secret")
    async with alice.gateway() as alices, bob.gateway() as bobs, bot.gateway() as own:
        interaction_id = await call(bob, general, "/secret")
        await asked(own)
        body = {"body": "psst", "ephemeral": True, "components": [BUTTON], "embeds": [{"title": "a"}, {"title": "b"}]}
        assert await answer(bot, interaction_id, **body) == (204, "")
        shown = (await bobs.expect("message_create"))["d"]
        assert (shown["body"], shown["ephemeral"], shown["author_id"]) == ("psst", True, bot.user_id)
        assert [one["title"] for one in shown["embeds"]] == ["a", "b"]
        assert not [event for event in await alices.events() if event["type"] == "message_create"]
        assert (await bob.ok("GET", f"/feeds/{general}/messages"))["messages"] == []
        press = {"msg_id": shown["msg_id"], "component_id": "yes"}
        assert outcome(await alice.post("/interactions/component", press)) == (404, "MESSAGE_NOT_FOUND")
        assert (await bob.post("/interactions/component", press)).status_code == 204
        pressed = await asked(own)
        assert (pressed["component_id"], pressed["user_id"], pressed["msg_id"]) == ("yes", bob.user_id, shown["msg_id"])
        assert await answer(bot, pressed["id"], type="update", body="thanks", components=[]) == (204, "")
        changed = (await bobs.expect("message_update"))["d"]
        assert (changed["body"], changed["components"], changed["ephemeral"]) == ("thanks", [], True)
        assert not [event for event in await alices.events() if event["type"] == "message_update"]
    assert outcome(await bob.post("/interactions/component", press)) == (404, "COMPONENT_NOT_FOUND")


async def test_buttons_and_menus_stand_in_history_and_ask_their_bot(alice: Person, bob: Person, bot: BotPerson):
    general = await feed(alice)
    async with bot.gateway() as own, bob.gateway() as bobs:
        msg_id = await say(
            bot,
            general,
            "Well?",
            components=[BUTTON, MENU, {"type": "button", "label": "More", "url": "https://example.com"}],
        )
        shown = (await bobs.expect("message_create"))["d"]["components"]
        assert [one["type"] for one in shown] == ["button", "select", "button"]
        stored = await bob.ok("GET", f"/feeds/{general}/messages/{msg_id}")
        assert stored["components"] == shown
        assert (await bob.post("/interactions/component", {"msg_id": msg_id, "component_id": "yes"})).status_code == 204
        pressed = await asked(own)
        assert pressed == {
            "id": pressed["id"], "type": "button", "component_id": "yes", "user_id": bob.user_id, "feed_id": general,
            "dm_id": None, "msg_id": msg_id,
        }  # fmt: skip
        chosen = {"msg_id": msg_id, "component_id": "colour", "values": ["r", "g"]}
        assert (await bob.post("/interactions/component", chosen)).status_code == 204
        frame = await asked(own)
        assert (frame["type"], frame["values"]) == ("select", ["r", "g"])
        update = {"type": "update", "body": "Done", "components": [{**BUTTON, "disabled": True}]}
        assert await answer(bot, frame["id"], **update) == (204, "")
        changed = (await bobs.expect("message_update"))["d"]
        assert (changed["body"], changed["components"][0]["disabled"]) == ("Done", True)
        assert await answer(bot, pressed["id"], type="ack") == (204, "")
    stored = await bob.ok("GET", f"/feeds/{general}/messages/{msg_id}")
    assert (stored["body"], len(stored["components"])) == ("Done", 1)
    disabled = await bob.post("/interactions/component", {"msg_id": msg_id, "component_id": "yes"})
    assert outcome(disabled) == (422, "VALIDATION_ERROR")


async def test_components_that_a_message_does_not_have_are_refused(alice: Person, bob: Person, bot: BotPerson):
    general, hidden = await feed(alice), await feed(alice, "hidden")
    await deny(alice, hidden, bob, P.VIEW_SPACE)
    with_menu, bare = await say(bot, general, "x", components=[MENU]), await say(bot, general, "x")
    secret, human = (
        await say(bot, hidden, "x", components=[BUTTON]),
        await say(alice, general, "x", components=[BUTTON]),
    )

    async def use(msg_id: int, component_id: str, values: list[str] | None = None) -> tuple[int, str]:
        body = {"msg_id": msg_id, "component_id": component_id, **({} if values is None else {"values": values})}
        return outcome(await bob.post("/interactions/component", body))

    assert await use(with_menu, "yes") == (404, "COMPONENT_NOT_FOUND")
    assert await use(bare, "yes") == (404, "COMPONENT_NOT_FOUND")
    assert await use(secret, "yes") == (404, "MESSAGE_NOT_FOUND")
    assert await use(human, "yes") == (400, "NOT_BOT_MESSAGE")
    assert await use(12345, "yes") == (404, "MESSAGE_NOT_FOUND")
    for values in ([], ["r", "g", "b"], ["r", "r"], ["x"]):
        assert await use(with_menu, "colour", values) == (422, "VALIDATION_ERROR"), values
    assert outcome(await bot.post("/interactions/component", {"msg_id": with_menu, "component_id": "colour"})) == (
        403,
        "FORBIDDEN",
    )
    assert "components" not in await bob.ok("GET", f"/feeds/{general}/messages/{human}"), "members send none"
    await alice.ok("PATCH", f"/bots/{bot.user_id}", {"disabled": True})
    assert await use(with_menu, "colour", ["r"]) == (403, "BOT_DISABLED")
    await alice.ok("DELETE", f"/bots/{bot.user_id}")
    assert await use(with_menu, "colour", ["r"]) == (400, "NOT_BOT_MESSAGE")


async def test_a_bot_changes_the_components_of_its_message_by_editing(alice: Person, bot: BotPerson):
    general = await feed(alice)
    msg_id = await say(bot, general, "x", components=[BUTTON])
    path = f"/feeds/{general}/messages/{msg_id}"
    async with alice.gateway() as gateway:
        await bot.ok("PATCH", path, {"body": "y"})
        assert "components" not in (await gateway.expect("message_update"))["d"]
        assert len((await alice.ok("GET", path))["components"]) == 1
        await bot.ok("PATCH", path, {"body": "y", "components": []})
        assert (await gateway.expect("message_update"))["d"]["components"] == []
    assert "components" not in await alice.ok("GET", path)
    own = await say(alice, general, "mine")
    await alice.ok("PATCH", f"/feeds/{general}/messages/{own}", {"body": "still", "components": [BUTTON]})
    assert "components" not in await alice.ok("GET", f"/feeds/{general}/messages/{own}")


async def test_a_form_is_sent_to_one_user_and_submitted_once(alice: Person, bob: Person, bot: BotPerson):
    general = await feed(alice)
    await offer(bot, "form")
    async with bot.gateway() as own, bob.gateway() as bobs, alice.gateway() as alices:
        interaction_id = await call(bob, general, "/form")
        await asked(own)
        assert await answer(bot, interaction_id, type="modal", modal=MODAL) == (204, "")
        form = (await bobs.expect("interaction_modal"))["d"]
        assert (form["bot_id"], form["title"], form["feed_id"]) == (bot.user_id, "Tell us", general)
        assert [one["custom_id"] for one in form["fields"]] == ["why", "more"]
        assert not [event for event in await alices.events() if event["type"] == "interaction_modal"]
        for values in ({}, {"why": "x"}, {"why": "x" * 11}, {"why": "fine", "other": "x"}, {"why": "a\x00b"}):
            reply = await bob.post("/interactions/modal", {"modal_id": form["modal_id"], "values": values})
            assert outcome(reply) == (422, "VALIDATION_ERROR"), values
        good = {"modal_id": form["modal_id"], "values": {"why": "fine"}}
        assert outcome(await alice.post("/interactions/modal", good)) == (403, "FORBIDDEN")
        assert await answer(bot, form["modal_id"], body="x") == (404, "INTERACTION_NOT_FOUND")
        assert (await bob.post("/interactions/modal", good)).status_code == 204
        submitted = await asked(own)
        assert (submitted["type"], submitted["custom_id"], submitted["values"]) == (
            "modal_submit",
            "form",
            {"why": "fine"},
        )
        assert await answer(bot, submitted["id"], body="Thanks") == (204, "")
        again = await bob.post("/interactions/modal", good)
        assert (outcome(again), again.json()["error"]["reason"]) == ((404, "INTERACTION_NOT_FOUND"), "answered")


async def test_a_bot_that_may_not_see_or_write_there_is_not_asked_and_cannot_answer(
    alice: Person, bob: Person, bot: BotPerson
):
    general = await feed(alice)
    await offer(bot, "roll")
    early = await call(bob, general, "/roll")
    await deny(alice, general, bot, P.SEND_MESSAGES)
    assert await answer(bot, early, body="4") == (403, "MISSING_PERMISSIONS")
    assert await answer(bot, early, body="4", ephemeral=True) == (204, "")
    second = await call(bob, general, "/roll")
    await deny(alice, general, bot, P.VIEW_SPACE)
    assert await answer(bot, second, body="4", ephemeral=True) == (403, "MISSING_PERMISSIONS")
    sent = await bob.ok("POST", f"/feeds/{general}/messages", {"body": "/roll"})
    assert sent["interaction_id"] is None


async def test_members_who_may_not_write_call_no_commands(alice: Person, bob: Person, bot: BotPerson):
    general = await feed(alice)
    await offer(bot, "roll")
    await set_everyone(alice, int(P.VIEW_SPACE | P.READ_HISTORY))
    assert outcome(await bob.post(f"/feeds/{general}/messages", {"body": "/roll"})) == (403, "MISSING_PERMISSIONS")


async def test_conversations_call_bots_that_take_part(alice: Person, bob: Person, bot: BotPerson):
    await offer(bot, "roll")
    with_bot = (await bob.ok("POST", "/dms", {"recipient_id": bot.user_id}))["dm_id"]
    without = (await bob.ok("POST", "/dms", {"recipient_id": alice.user_id}))["dm_id"]
    async with bot.gateway() as own:
        sent = await bob.ok("POST", f"/dms/{with_bot}/messages", {"body": "/roll"})
        frame = await asked(own)
        assert (frame["id"], frame["feed_id"], frame["dm_id"]) == (sent["interaction_id"], None, with_bot)
        assert await answer(bot, frame["id"], body="4", components=[BUTTON]) == (204, "")
        history = (await bob.ok("GET", f"/dms/{with_bot}/messages"))["messages"]
        assert (history[0]["body"], history[0]["components"][0]["custom_id"]) == ("4", "yes")
        press = {"msg_id": history[0]["msg_id"], "component_id": "yes"}
        assert outcome(await alice.post("/interactions/component", press)) == (404, "MESSAGE_NOT_FOUND")
        assert (await bob.post("/interactions/component", press)).status_code == 204
    assert (await bob.ok("POST", f"/dms/{without}/messages", {"body": "/roll"}))["msg_id"] > 0


async def test_threads_and_forums_keep_their_place(alice: Person, bot: BotPerson):
    general = await feed(alice)
    await offer(bot, "roll")
    thread = await alice.ok("POST", f"/feeds/{general}/threads", {"name": "aside", "parent_msg_id": 1})
    path = f"/feeds/{general}/threads/{thread['thread_id']}/messages"
    async with bot.gateway() as own:
        await alice.ok("POST", path, {"body": "/roll"})
        frame = await asked(own)
        assert frame["thread_id"] == thread["thread_id"]
        assert await answer(bot, frame["id"], body="4") == (204, "")
    assert [one["body"] for one in (await alice.ok("GET", path))["messages"]] == ["4"]
    second = (await alice.ok("POST", path, {"body": "/roll"}))["interaction_id"]
    await alice.ok("PATCH", f"/threads/{thread['thread_id']}", {"locked": True})
    assert await answer(bot, second, body="4") == (403, "THREAD_LOCKED")


async def test_a_repeated_request_with_a_nonce_asks_once(alice: Person, bot: BotPerson):
    general = await feed(alice)
    await offer(bot, "roll")
    async with bot.gateway() as own:
        body = {"body": "/roll", "nonce": "n1"}
        ids = {(await alice.ok("POST", f"/feeds/{general}/messages", body))["interaction_id"] for _ in range(3)}
        assert len(ids) == 1
        assert len([event for event in await own.events() if event["type"] == "interaction_create"]) == 1


async def test_a_bot_that_lost_its_connection_gets_the_interaction_on_resuming(
    chat: Rig, alice: Person, bot: BotPerson
):
    general = await feed(alice)
    await offer(bot, "roll")
    async with bot.gateway() as own:
        last = own.last_seq
    interaction_id = await call(alice, general, "/roll")
    frames = await resumed(chat, bot, own, last)
    assert [frame["d"]["id"] for frame in frames if frame["type"] == "interaction_create"] == [interaction_id]
