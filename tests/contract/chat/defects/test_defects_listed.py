"""Known bugs of the original server, and behaviour that is corrected here without changing the wire format.

docs/contributing/chat-coverage.md lists all of them; these are the ones that no other suite tests.
"""

import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import insert

from tests.contract.chat.harness import API, PASSWORD, Person, Rig, community
from tests.contract.chat.helpers_people import give_role, log_in, outcome
from tests.contract.chat.helpers_spaces import deny, feed, refusal, say
from tests.time_limits import time_limit
from vox.chat.database.schema import audit_log, messages
from vox.chat.database.unit_of_work import Change
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P


async def test_the_layout_shows_only_what_its_reader_may_view(chat: Rig) -> None:
    alice, bob = await chat.register("alice"), await chat.register("bob")
    secret = await feed(alice, "secret")
    await feed(alice, "public")
    await deny(alice, secret, bob, P.VIEW_SPACE)
    layout = await bob.ok("GET", "/server/layout")
    assert [one["name"] for one in layout["feeds"]] == ["public"]
    assert refusal(await bob.get(f"/feeds/{secret}")) == (403, "MISSING_PERMISSIONS")


async def test_message_create_says_which_thread(chat: Rig) -> None:
    alice = await chat.register("alice")
    general = await feed(alice)
    thread = await alice.ok(
        "POST", f"/feeds/{general}/threads", {"parent_msg_id": await say(alice, general), "name": "x"}
    )
    async with alice.gateway() as socket:
        await alice.ok("POST", f"/feeds/{general}/threads/{thread['thread_id']}/messages", {"body": "aside"})
        frame = await socket.expect("message_create", body="aside")
    assert frame["d"]["thread_id"] == thread["thread_id"]
    assert frame["d"]["feed_id"] == general


@pytest.mark.parametrize("how", ["kick", "ban", "logout", "revoke", "leave", "password"])
async def test_sockets_end_with_what_they_stand_on(chat: Rig, how: str) -> None:
    alice, bob = await chat.register("alice"), await chat.register("bob")
    async with bob.gateway() as socket, alice.gateway() as other:
        match how:
            case "kick":
                await alice.ok("DELETE", f"/members/{bob.user_id}")
            case "ban":
                await alice.ok("PUT", f"/bans/{bob.user_id}", {})
            case "logout":
                await bob.ok("POST", "/auth/logout")
            case "revoke":
                sessions = (await bob.ok("GET", "/auth/sessions"))["sessions"]
                again = (await log_in(chat, "bob", PASSWORD)).json()
                second = Person(chat, "bob", bob.user_id, again["token"])
                await second.ok("DELETE", f"/auth/sessions/{sessions[0]['session_id']}")
            case "leave":
                await bob.ok("DELETE", f"/members/{bob.user_id}")
            case _:
                second = Person(chat, "bob", bob.user_id, (await log_in(chat, "bob", PASSWORD)).json()["token"])
                change = {"current_password": PASSWORD, "new_password": "another long one"}
                await second.ok("POST", "/auth/password", change)
        session = socket.ready["session_id"]
        async with time_limit():
            assert await socket.closed() == 4004
        await other.events()  # others stay
    async with chat.socket() as back:
        await back.expect("hello")
        await back.send("resume", {"token": bob.token, "session_id": session, "last_seq": 1})
        assert await back.closed() == 4004


@pytest.mark.parametrize("prefix", ["mfa_", "setup_totp_", "setup_webauthn_", "fed_"])
async def test_a_ticket_of_half_a_login_opens_neither_rest_nor_gateway(chat: Rig, prefix: str) -> None:
    await chat.register("alice")
    token = f"{prefix}abcdefgh"
    reply = await chat.http.get(f"{API}/server", headers={"authorization": f"Bearer {token}"})
    assert refusal(reply) == (401, "AUTH_FAILED")
    async with chat.socket() as socket:
        await socket.expect("hello")
        await socket.send("identify", {"token": token})
        assert await socket.closed() == 4004


async def test_manage_roles_is_no_way_to_more_than_one_has(chat: Rig) -> None:
    alice, bob = await chat.register("alice"), await chat.register("bob")
    mine = await give_role(alice, bob, P.MANAGE_ROLES, 5, "keeper")
    general = await feed(alice)
    all_of_it = {"name": "root", "permissions": int(P.ADMINISTRATOR), "position": 9}
    assert outcome(await bob.post("/roles", all_of_it))[0] == 403
    assert outcome(await bob.post("/roles", {**all_of_it, "permissions": 0, "position": 1}))[0] == 403
    assert outcome(await bob.patch(f"/roles/{mine}", {"permissions": int(P.ADMINISTRATOR)}))[0] == 403
    assert outcome(await bob.patch("/roles/1", {"permissions": int(P.BAN_MEMBERS)}))[0] == 403
    assert outcome(await bob.put(f"/members/{bob.user_id}/roles/2"))[0] == 403
    assert outcome(await bob.delete("/roles/2"))[0] == 403
    mask = {"allow": int(P.MANAGE_MESSAGES), "deny": 0}
    assert outcome(await bob.put(f"/feeds/{general}/permissions/user/{bob.user_id}", mask))[0] == 403
    assert not chat.chat.community.may(UserId(bob.user_id), P.ADMINISTRATOR)


async def test_probes_meet_no_limit_and_at_me_is_oneself(database_url: str, tmp_path: Path) -> None:
    async with community(database_url, tmp_path, rate_limit_scale=1) as rig:
        alice = await rig.register("alice")
        for _ in range(40):
            assert (await rig.http.get("/health")).json() == {"status": "ok"}
            assert (await rig.http.get("/ready")).status_code == 200
        assert (await alice.ok("GET", "/users/@me"))["user_id"] == alice.user_id
        assert (await alice.ok("PATCH", "/members/@me", {"nickname": "al"}))["nickname"] == "al"
        assert outcome(await alice.get("/users/me")) == (400, "INVALID_USER_ID")


async def test_the_sender_hears_his_own_typing_and_everything_he_does(chat: Rig) -> None:
    """What clients of the original rely on."""
    alice = await chat.register("alice")
    async with alice.gateway() as one, alice.gateway() as two:
        general = await feed(alice)
        await one.send("typing", {"feed_id": general})
        await alice.ok("PATCH", f"/members/{alice.user_id}", {"nickname": "al"})
        for socket in (one, two):
            await socket.expect("feed_create", feed_id=general)
            await socket.expect("typing_start", user_id=alice.user_id)
            await socket.expect("member_update", nickname="al")


async def test_a_change_of_presence_is_echoed_true_to_oneself_and_first(chat: Rig) -> None:
    alice, bob = await chat.register("alice"), await chat.register("bob")
    async with alice.gateway() as own, bob.gateway() as other:
        await other.events()
        await own.events()
        await own.send("presence_update", {"status": "invisible", "custom_status": "hidden"})
        frame = (await own.expect("presence_update", user_id=alice.user_id))["d"]
        assert frame["status"] == "invisible"
        seen = (await other.expect("presence_update", user_id=alice.user_id))["d"]
        assert seen["status"] == "offline"
        assert "hidden" not in json.dumps(seen)
        assert (await bob.ok("GET", f"/users/{alice.user_id}/presence"))["status"] == "offline"


async def test_an_invite_with_an_expiry_works_and_expires(chat: Rig) -> None:
    """On SQLite the original answered every such invite with 500."""
    alice, bob = await chat.register("alice"), await chat.register("bob")
    invite = await alice.ok("POST", "/invites", {"max_age": 3600, "max_uses": 1})
    await alice.ok("DELETE", f"/members/{bob.user_id}")
    assert (await bob.post("/members/join", {"invite_code": invite["code"]})).status_code == 204
    assert (await bob.get("/server")).status_code == 200


async def test_a_kicked_user_comes_back_by_an_invite(chat: Rig) -> None:
    """In the original nobody who was kicked could ever log in again."""
    alice, bob = await chat.register("alice"), await chat.register("bob")
    invite = await alice.ok("POST", "/invites", {})
    await alice.ok("DELETE", f"/members/{bob.user_id}")
    assert refusal(await log_in(chat, "bob", PASSWORD)) == (403, "KICKED")
    assert (await log_in(chat, "bob", PASSWORD, invite_code=invite["code"])).status_code == 200
    assert (await log_in(chat, "bob", PASSWORD)).status_code == 200


@pytest.mark.parametrize("embed", ["{", "[]", '"x"', '{"title": 1}', "null"])
async def test_a_broken_embed_is_refused_and_stores_nothing(chat: Rig, embed: str) -> None:
    alice = await chat.register("alice")
    general = await feed(alice)
    reply = await alice.post(f"/feeds/{general}/messages", {"body": "hi", "embed": embed})
    assert refusal(reply) == (422, "VALIDATION_ERROR")
    assert (await alice.ok("GET", f"/feeds/{general}/messages"))["messages"] == []


async def test_a_list_of_embeds_in_an_original_database_is_read(chat: Rig) -> None:
    """The original stored webhooks' embeds as a list and showed null."""
    alice = await chat.register("alice")
    general = await feed(alice)
    row = {
        "id": chat.chat.ids.next(),
        "feed_id": general,
        "body": "hook",
        "timestamp": 1,
        "embed": '[{"title":"first"},{"title":"second"}]',
    }
    await chat.chat.change(lambda connection: Change(connection.execute(insert(messages).values(row)).rowcount))
    (message,) = (await alice.ok("GET", f"/feeds/{general}/messages"))["messages"]
    assert message["embed"]["title"] == "first"
    assert message["author_id"] is None


async def test_an_audit_entry_without_actor_is_listed(chat: Rig) -> None:
    """The original answered the whole audit log with 500 once federation had written such an entry."""
    alice = await chat.register("alice")
    row = {
        "id": chat.chat.ids.next(),
        "event_type": "federation_block_request_received",
        "actor_id": None,
        "timestamp": 1,
    }
    await chat.chat.change(lambda connection: Change(connection.execute(insert(audit_log).values(row)).rowcount))
    entries = (await alice.ok("GET", "/audit-log", event_type="federation_*"))["entries"]
    assert [entry["actor_id"] for entry in entries] == [None]


async def test_two_emoji_of_one_name_are_a_conflict(chat: Rig) -> None:
    """500 in the original."""
    alice = await chat.register("alice")
    for path in ("/emoji", "/stickers"):
        replies = [
            await alice.call("POST", path, files={"image": ("x.png", PNG, "image/png")}, data={"name": "party"})
            for _ in range(2)
        ]
        assert [reply.status_code for reply in replies] == [201, 409], replies[0].text
        assert replies[1].json()["error"]["code"] == "NAME_TAKEN"
        long = await alice.call("POST", path, files={"image": ("x.png", PNG, "image/png")}, data={"name": "a" * 33})
        assert refusal(long) == (422, "VALIDATION_ERROR")


async def test_sessions_list_logins_only(chat: Rig) -> None:
    alice = await chat.register("alice")
    listed = (await alice.ok("GET", "/auth/sessions"))["sessions"]
    assert len(listed) == 1
    assert {"session_id", "created_at", "expires_at"} <= set(listed[0])
    assert alice.token not in json.dumps(listed)


async def test_a_client_that_floods_is_closed(chat: Rig) -> None:
    """120 messages a minute; the original's counter never reached its limit."""
    alice = await chat.register("alice")
    async with alice.gateway() as socket:
        for _ in range(121):
            await socket.send("heartbeat")
        assert await socket.closed() == 4006


async def test_login_needs_no_member_to_be_guessed(chat: Rig) -> None:
    """The same words for a wrong name and a wrong password."""
    await chat.register("alice")
    replies = [await log_in(chat, name, "wrong password") for name in ("alice", "nobody")]
    assert [outcome(reply) for reply in replies] == [(401, "AUTH_FAILED")] * 2
    assert replies[0].json() == replies[1].json()


def _png() -> bytes:
    """The smallest picture."""
    out = BytesIO()
    Image.new("RGB", (2, 2), "red").save(out, "PNG")
    return out.getvalue()


PNG: bytes = _png()
