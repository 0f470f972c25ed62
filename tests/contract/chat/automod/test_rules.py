"""Rules of auto-moderation: what they refuse, delete, flag and tell, and whom they leave alone."""

import asyncio
from collections.abc import AsyncGenerator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.harness import API, Person, Rig, community
from tests.contract.chat.helpers_bots import call, make_bot, offer
from tests.contract.chat.helpers_moderation import BLOCK, make_rule, words
from tests.contract.chat.helpers_people import LateClock, audited, give_role, outcome
from tests.contract.chat.helpers_spaces import bodies, feed, mismatches, say
from tests.require import require
from vox.chat.events.permissions import P

BLOCKED = (403, "MESSAGE_BLOCKED")


@pytest.fixture
async def people(chat: Rig) -> list[Person]:
    return [await chat.register(name) for name in ("ada", "bob", "eve")]


@pytest.fixture
async def clocked(database_url: str, tmp_path: Path) -> AsyncGenerator[tuple[Rig, LateClock], None]:
    clock = LateClock()
    async with community(database_url, tmp_path, clock=clock) as rig:
        yield rig, clock


async def test_a_blocked_message_is_stored_nowhere_and_its_author_reads_why(people: list[Person]):
    ada, bob, eve = people
    place = await feed(ada)
    rule_id = await make_rule(ada, words("darn"))
    async with eve.gateway() as witness:
        reply = await bob.post(f"/feeds/{place}/messages", {"body": "well DARN it"})
        assert outcome(reply) == BLOCKED
        assert reply.json()["error"]["message"] == "Please stay friendly."
        await say(bob, place, "darning is fine")
        frames = [frame["d"] for frame in await witness.events() if frame["type"] == "message_create"]
    assert [frame["body"] for frame in frames] == ["darning is fine"]
    assert await bodies(ada, f"/feeds/{place}/messages") == ["darning is fine"]
    entry = (await audited(ada, "automod.hit"))[0]
    assert (entry["actor_id"], entry["target_id"]) == (None, 2)
    assert entry["metadata"] == {
        "rule_id": rule_id, "rule": "rule", "feed_id": place, "matched": ["darn"], "actions": ["block"],
    }  # fmt: skip


EVASIONS = [
    "d.a.r.n", "d a r n", "daaaarn", "d4rn", "dаrn", "d\u200barn", "ｄａｒｎ", "DARN!!!", "d🔥a🔥r🔥n", "d@rn", "𝖉𝖆𝖗𝖓", "🅳🅰🆁🅽",
    "dárn", "d\u0336a\u0336r\u0336n\u0336", "da-rn", "d*rn", "d_a_r_n", "ᴅᴀʀɴ", "**darn**", "||darn||", "d\u00adarn", "x\ndarn\ny",
]  # fmt: skip


async def test_disguises_do_not_help_in_messages_edits_embeds_threads_and_names(people: list[Person]):
    ada, bob, _ = people
    place, forum = await feed(ada), await feed(ada, "forum", type="forum")
    msg_id = await say(bob, place, "fine")
    thread = (await bob.ok("POST", f"/feeds/{place}/threads", {"parent_msg_id": msg_id, "name": "fine"}))["thread_id"]
    await make_rule(ada, words("darn"))
    for text in EVASIONS:
        assert outcome(await bob.post(f"/feeds/{place}/messages", {"body": text})) == BLOCKED, text
    body = {"body": "darn"}
    assert (
        await mismatches(
            bob,
            [
                ("PATCH", f"/feeds/{place}/messages/{msg_id}", body, BLOCKED),
                ("POST", f"/feeds/{place}/threads/{thread}/messages", body, BLOCKED),
                ("POST", f"/feeds/{forum}/messages", {"body": "darn\nand more"}, BLOCKED),
                ("POST", f"/feeds/{place}/messages", {"embed": '{"title": "darn"}'}, BLOCKED),
                (
                    "POST",
                    f"/feeds/{place}/messages",
                    {"embed": '{"fields": [{"name": "n", "value": "darn"}]}'},
                    BLOCKED,
                ),
                ("POST", f"/feeds/{place}/threads", {"parent_msg_id": msg_id, "name": "darn"}, BLOCKED),
            ],
        )
        == []
    )
    assert await bodies(bob, f"/feeds/{place}/messages") == ["fine"]
    for harmless in ("darning", "a barn", "da rn", "4 a.m. in room 455"):
        await say(bob, place, harmless)


async def test_conversations_are_private(people: list[Person]):
    ada, bob, eve = people
    await make_rule(ada, words("darn"))
    dm = (await bob.ok("POST", "/dms", {"recipient_id": eve.user_id}))["dm_id"]
    await bob.ok("POST", f"/dms/{dm}/messages", {"body": "darn"})


async def test_whom_a_rule_leaves_alone(people: list[Person]):
    ada, bob, eve = people
    open_feed, other = await feed(ada), await feed(ada, "other")
    role = await give_role(ada, bob, 0, 5, "trusted")
    await make_rule(ada, words("darn"), exempt_roles=[role], exempt_feeds=[other])
    for person, place in ((ada, open_feed), (bob, open_feed), (eve, other)):
        await say(person, place, "darn")
    assert outcome(await eve.post(f"/feeds/{open_feed}/messages", {"body": "darn"})) == BLOCKED
    await give_role(ada, eve, int(P.MANAGE_MESSAGES), 6, "moderator")
    await say(eve, open_feed, "darn")
    rule = await make_rule(ada, words("heck"), applies_to_moderators=True)
    assert outcome(await eve.post(f"/feeds/{open_feed}/messages", {"body": "heck"})) == BLOCKED
    await ada.ok("DELETE", f"/moderation/rules/{rule}")
    await say(eve, open_feed, "heck")


async def test_a_rule_deletes_flags_times_out_and_tells_a_feed(people: list[Person]):
    ada, bob, eve = people
    place, desk = await feed(ada), await feed(ada, "desk")
    await give_role(ada, eve, int(P.VIEW_REPORTS), 5)
    actions = [{"type": "delete"}, {"type": "flag"}, {"type": "timeout", "seconds": 60}]
    await make_rule(ada, words("darn"), *actions, {"type": "notify", "feed_id": desk})
    async with eve.gateway() as witness:
        msg_id = await say(bob, place, "darn\n@everyone")
        frames = [(frame["type"], frame["d"]) for frame in await witness.events()]
    told = [kind for kind, _ in frames if not kind.startswith("presence")]
    assert told == ["message_create", "message_delete", "report_create", "member_timeout", "message_create"]
    assert ("message_delete", {"msg_id": msg_id, "feed_id": place}) in frames
    assert await bodies(ada, f"/feeds/{place}/messages") == []
    note = (await bodies(ada, f"/feeds/{desk}/messages"))[0]
    assert note.startswith("Rule “rule” (darn): delete, flag, timeout, notify. Written by <@2> in general:\n> darn")
    report = await eve.ok("GET", "/reports/1")
    assert report["rule_id"] == 1
    assert (report["reporter_id"], report["reported_user_id"], report["reason"]) == (None, 2, "automod")
    assert [said["body"] for said in report["evidence"]] == ["darn\n@everyone"]
    assert outcome(await bob.post(f"/feeds/{place}/messages", {"body": "x"})) == (403, "TIMED_OUT")


async def test_an_edit_that_a_rule_deletes_takes_the_message_with_it(people: list[Person]):
    ada, bob, _ = people
    place = await feed(ada)
    msg_id = await say(bob, place, "fine")
    await make_rule(ada, words("darn"), {"type": "delete"})
    await bob.ok("PATCH", f"/feeds/{place}/messages/{msg_id}", {"body": "darn"})
    assert await bodies(ada, f"/feeds/{place}/messages") == []


async def test_links(people: list[Person]):
    ada, bob, _ = people
    place = await feed(ada)
    rule_id = await make_rule(ada, {"type": "links", "deny": ["evil.example"], "invites": True})
    caught = [
        "https://evil.example/x", "a.b.evil.example", "hxxps://evil[.]example", "https://good.example@evil.example/",
        "https://%65vil.example", "ＥＶＩＬ．example", "evil\u200b.example", "discord.gg/abcdef", "disсord.gg/abcdef",
        "https://chat.other.example/invite/Abcd1234", "https:\\\\evil.example\\",
    ]  # fmt: skip
    for text in caught:
        assert outcome(await bob.post(f"/feeds/{place}/messages", {"body": text})) == BLOCKED, text
    for text in ("https://notevil.example", "evil, example", "me@evil.example.org", "discord.gg is a domain"):
        await say(bob, place, text)
    allow = {"name": "rule", "trigger": {"type": "links", "allow": ["good.example"]}, "actions": [BLOCK]}
    await ada.ok("PUT", f"/moderation/rules/{rule_id}", allow)
    await say(bob, place, "https://www.good.example/a and main.py")
    for text in ("http://2130706433/", "https://good.example.evil.com", "shop.com", "https://good.example@evil.com"):
        assert outcome(await bob.post(f"/feeds/{place}/messages", {"body": text})) == BLOCKED, text


async def test_spam(people: list[Person]):
    ada, bob, eve = people
    place, other = await feed(ada), await feed(ada, "other")
    await make_rule(ada, {"type": "repeats", "times": 3, "within_s": 60})
    for number, where in enumerate((place, other, place)):
        reply = await bob.post(f"/feeds/{where}/messages", {"body": f"Buy{'!' * number}"})
        assert outcome(reply) == (BLOCKED if number == 2 else (201, "")), number
    await say(eve, place, "Buy")
    await make_rule(ada, {"type": "mentions", "most": 2})
    assert outcome(await bob.post(f"/feeds/{place}/messages", {"body": "hey", "mentions": [1, 2, 3]})) == BLOCKED
    assert outcome(await bob.post(f"/feeds/{place}/messages", {"body": "<@1> <@2> <@&3>"})) == BLOCKED
    await say(bob, place, "hey <@1> <@1>", mentions=[1, 3])
    await make_rule(ada, {"type": "flood", "messages": 2, "within_s": 3600})
    outcomes = [outcome(await eve.post(f"/feeds/{place}/messages", {"body": f"text {n}"})) for n in range(3)]
    assert outcomes == [(201, ""), (201, ""), BLOCKED]


async def test_a_rule_for_new_accounts_ends_with_their_age(clocked: tuple[Rig, LateClock]):
    rig, clock = clocked
    ada, bob = await rig.register("ada"), await rig.register("bob")
    place = await feed(ada)
    trigger = {"type": "contents", "any_of": ["link", "embed"]}
    await make_rule(ada, trigger, account_younger_than_s=3600)
    await say(bob, place, "hello")
    link = {"body": "see https://a.example"}
    assert outcome(await bob.post(f"/feeds/{place}/messages", link)) == BLOCKED
    clock.advance(3601)
    await bob.ok("POST", f"/feeds/{place}/messages", link)


async def test_regular_expressions_are_linear_or_refused(people: list[Person]):
    require(find_spec("re2") is not None, "google-re2", "uv pip install google-re2")
    ada, bob, _ = people
    place = await feed(ada)
    await make_rule(ada, {"type": "regex", "patterns": [r"(?i)b[uy]{2}\s+now", r"(a+)+$"]})
    assert outcome(await bob.post(f"/feeds/{place}/messages", {"body": "BUY  now"})) == BLOCKED
    await say(bob, place, "a" * 3990 + "b")
    for pattern in ("(", "(?=a)", r"(a)\1", "a*", "((a{100}){100}){100}"):
        body = {"name": "r", "trigger": {"type": "regex", "patterns": [pattern]}, "actions": [BLOCK]}
        assert outcome(await ada.post("/moderation/rules", body)) == (422, "VALIDATION_ERROR"), pattern


async def test_a_dry_run_answers_what_a_rule_would_have_caught_and_changes_nothing(people: list[Person]):
    ada, bob, eve = people
    place, secret = await feed(ada), await feed(ada, "secret")
    await give_role(ada, eve, int(P.MANAGE_SERVER), 5)
    await ada.ok("PUT", f"/feeds/{secret}/permissions/role/1", {"allow": 0, "deny": 1})
    for text in ("darn", "fine", "d4rn you"):
        await say(bob, place, text)
    await say(ada, place, "darn, says an administrator")
    await ada.ok("PUT", f"/feeds/{secret}/permissions/user/2", {"allow": 1, "deny": 0})
    await say(bob, secret, "darn in secret")
    rule = {"name": "r", "trigger": words("darn"), "actions": [BLOCK]}
    trial = {"rule": rule, "samples": ["ok", "oh d.a.r.n"], "messages": 100}
    result = await eve.ok("POST", "/moderation/rules/try", trial)
    assert result["samples"] == [{"index": 1, "matched": ["darn"]}]
    assert [message["body"] for message in result["messages"]] == ["darn", "d4rn you"]
    assert (result["examined"], result["caught"]) == (4, 2)
    everything = await ada.ok("POST", "/moderation/rules/try", trial)
    assert everything["caught"] == 3
    assert (await ada.ok("GET", "/moderation/rules"))["items"] == []
    repeats = {"name": "r", "trigger": {"type": "repeats", "times": 2, "within_s": 60}, "actions": [BLOCK]}
    await say(bob, place, "FINE!")
    again = await ada.ok("POST", "/moderation/rules/try", {"rule": repeats, "messages": 100, "feed_id": place})
    assert [message["body"] for message in again["messages"]] == ["FINE!"]
    assert outcome(await eve.post("/moderation/rules/try", {**trial, "feed_id": secret})) == (404, "SPACE_NOT_FOUND")


async def test_rules_are_stored_changed_listed_deleted_and_audited(people: list[Person]):
    ada, bob, _ = people
    async with ada.gateway() as socket:
        rule_id = await make_rule(ada, words("darn"), enabled=False)
        told = (await socket.expect("automod_rule_update"))["d"]
        assert told == {"rule_id": rule_id, "name": "rule", "enabled": False}
        place = await feed(ada)
        await say(bob, place, "darn")
        rule = await ada.ok("GET", f"/moderation/rules/{rule_id}")
        assert (rule["trigger"], rule["enabled"], rule["creator_id"]) == (
            {"type": "words", "words": ["darn"], "look_alikes": True}, False, 1,
        )  # fmt: skip
        await ada.ok("PUT", f"/moderation/rules/{rule_id}", {**rule, "enabled": True})
        assert outcome(await bob.post(f"/feeds/{place}/messages", {"body": "darn"})) == BLOCKED
        await ada.ok("DELETE", f"/moderation/rules/{rule_id}")
        assert (await socket.expect("automod_rule_delete"))["d"] == {"rule_id": rule_id}
    await say(bob, place, "darn")
    kinds = [(await audited(ada, f"automod.rule_{what}"))[0]["target_id"] for what in ("create", "update", "delete")]
    assert kinds == [rule_id] * 3


async def test_what_is_no_rule(people: list[Person]):
    ada, bob, _ = people

    def rule(trigger: dict[str, Any], *actions: dict[str, Any]) -> dict[str, Any]:
        return {"name": "r", "trigger": trigger, "actions": list(actions) or [BLOCK]}

    invalid, lacks = (422, "VALIDATION_ERROR"), (403, "MISSING_PERMISSIONS")
    path = "/moderation/rules"
    wrong = [
        rule(words()), rule(words("..")), rule(words("a*b")), rule(words("x" * 65)), rule({"type": "magic"}),
        rule({"type": "links"}), rule({"type": "links", "deny": ["no domain"]}), rule(words("a"), BLOCK, BLOCK),
        rule(words("a"), {"type": "timeout", "seconds": 1}), {"name": "r", "trigger": words("a"), "actions": []},
        {**rule(words("a")), "name": " "}, rule(words("a"), {"type": "block", "message": "\u202etxt"}),
        rule({"type": "repeats", "times": 1, "within_s": 5}), rule({"type": "flood", "messages": 1, "within_s": 0}),
    ]  # fmt: skip
    rows: list[Any] = [("POST", path, body, invalid) for body in wrong]
    rows += [
        ("POST", path, rule(words("a"), {"type": "notify", "feed_id": 99}), (404, "SPACE_NOT_FOUND")),
        ("GET", f"{path}/9", None, (404, "RULE_NOT_FOUND")),
        ("PUT", f"{path}/9", rule(words("a")), (404, "RULE_NOT_FOUND")),
        ("DELETE", f"{path}/9", None, (404, "RULE_NOT_FOUND")),
        ("POST", f"{path}/try", {"rule_id": 9}, (404, "RULE_NOT_FOUND")),
        ("POST", f"{path}/try", {}, invalid),
    ]
    assert await mismatches(ada, rows) == []
    forbidden: list[Any] = [
        ("GET", path, None, lacks), ("POST", path, rule(words("a")), lacks), ("GET", f"{path}/1", None, lacks),
        ("PUT", f"{path}/1", rule(words("a")), lacks), ("DELETE", f"{path}/1", None, lacks),
        ("POST", f"{path}/try", {"samples": ["a"]}, lacks),
    ]  # fmt: skip
    assert await mismatches(bob, forbidden) == []


async def test_hits_of_a_flood_are_refused_without_filling_the_log_and_the_queue(people: list[Person]):
    ada, bob, _ = people
    place = await feed(ada)
    await make_rule(ada, words("darn"), BLOCK, {"type": "flag"})
    replies = [await bob.post(f"/feeds/{place}/messages", {"body": "darn"}) for _ in range(30)]
    assert {outcome(reply) for reply in replies} == {BLOCKED}
    assert len((await ada.ok("GET", "/reports"))["items"]) == 3
    assert len(await audited(ada, "automod.hit")) == 20


async def test_messages_while_a_rule_comes_are_either_whole_or_refused(people: list[Person]):
    ada, bob, _ = people
    place = await feed(ada)

    async def send() -> tuple[int, str]:
        return outcome(await bob.post(f"/feeds/{place}/messages", {"body": "darn"}))

    sent = [asyncio.create_task(send()) for _ in range(10)]
    await make_rule(ada, words("darn"))
    sent += [asyncio.create_task(send()) for _ in range(10)]
    outcomes = await asyncio.gather(*sent)
    assert set(outcomes) <= {(201, ""), BLOCKED}
    assert set(outcomes[10:]) == {BLOCKED}, "whoever reads that the rule is stored can rely on it"
    assert len(await bodies(ada, f"/feeds/{place}/messages")) == outcomes.count((201, ""))


async def test_webhooks_and_answers_of_bots_are_asked_about_too(chat: Rig, people: list[Person]):
    ada, bob, _ = people
    place, bot = await feed(ada), await make_bot(ada)
    hook = await ada.ok("POST", f"/feeds/{place}/webhooks", {"name": "ci"})
    await offer(bot, "roll")
    await make_rule(ada, words("darn"))
    path = f"{API}/webhooks/{hook['webhook_id']}/{hook['token']}"
    for body in ({"body": "darn"}, {"body": "", "embeds": [{"title": "fine"}, {"title": "darn"}]}):
        assert outcome(await chat.http.post(path, json=body)) == BLOCKED, body
    asked = await call(bob, place, "/roll")
    for body in ({"body": "darn"}, {"body": "fine", "embeds": [{"title": "darn"}]}):
        assert outcome(await bot.post(f"/interactions/{asked}/response", body)) == BLOCKED, body
    assert (await bot.post(f"/interactions/{asked}/response", {"body": "darn", "ephemeral": True})).status_code == 204
    asked = await call(bob, place, "/roll")
    assert (await bot.post(f"/interactions/{asked}/response", {"body": "fine"})).status_code == 204
    assert await bodies(ada, f"/feeds/{place}/messages") == ["fine"]
