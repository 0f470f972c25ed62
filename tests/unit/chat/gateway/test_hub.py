"""The hub's promises, seen from clients: who is told what, in which order, and how a session goes on."""

import json

import pytest

from tests.unit.chat.gateway.gateway_harness import Scene, settle
from vox.chat.config.runtime_config import changed
from vox.chat.errors import refuse
from vox.chat.events import dm_create as dm
from vox.chat.events import (
    feed_create,
    feed_delete,
    feed_update,
    member_ban,
    permission_override_delete,
    permission_override_update,
)
from vox.chat.events.ids import DmId, FeedId, LoginId, RoleId, UserId
from vox.chat.events.permissions import P
from vox.chat.gateway import GatewayLimits

VIEW = int(P.VIEW_SPACE)


def hide(feed_id=1, role_id=1):
    return permission_override_update(
        space_type="feed", space_id=FeedId(feed_id), target_type="role", target_id=RoleId(role_id), allow=0, deny=VIEW
    )


def reveal(feed_id=1, role_id=1):
    return permission_override_delete(
        space_type="feed", space_id=FeedId(feed_id), target_type="role", target_id=RoleId(role_id)
    )


def kinds(client):
    return [kind for kind, _ in client.events()]


async def test_the_original_s_opening_in_its_order():
    scene = Scene()
    first = await scene.join(1)
    assert [frame["type"] for frame in first.opening] == ["hello", "ready"]
    assert "seq" not in first.opening[0]
    assert first.opening[0]["d"] == {"heartbeat_interval": 45000}
    second = await scene.join(2)
    assert [(frame["type"], frame.get("seq")) for frame in second.opening] == [
        ("hello", None), ("ready", 1), ("presence_update", 2),
    ]  # fmt: skip
    assert second.opening[2]["d"] == {"user_id": 1, "status": "online"}
    assert first.events() == [("presence_update", {"user_id": 2, "status": "online"})]
    ready = second.ready
    assert ready["session_id"].startswith("sess_")
    assert len(ready["session_id"]) == 29
    assert {key: ready[key] for key in ("user_id", "display_name", "server_name", "protocol_version")} == {
        "user_id": 2, "display_name": "U2", "server_name": "Vox Server", "protocol_version": 1,
    }  # fmt: skip
    assert ready["capabilities"] == [
        "string_ids", "presence_batch", "snapshot", "account_events", "bots", "webhooks", "e2ee", "voice",
    ]  # fmt: skip
    assert "server_icon" not in ready
    assert {one["user_id"] for one in ready["presences"]} == {1}


async def test_private_feed_messages_reach_only_those_who_may_read_them():
    scene = Scene()
    admin, bob = await scene.join(1), await scene.join(2)
    scene.happen(hide())
    await settle()
    admin.frames()
    bob.frames()
    scene.say(feed_id=1)
    scene.say(feed_id=2)
    await settle()
    assert [d["feed_id"] for _, d in admin.events()] == [1, 2]
    assert [d["feed_id"] for _, d in bob.events()] == [2]


async def test_numbers_are_contiguous_and_one_tick_is_one_write():
    scene = Scene()
    client = await scene.join(1)
    writes = client.socket.writes
    for _ in range(12):
        scene.say()
    await settle()
    assert client.socket.writes == writes + 1
    assert [frame["seq"] for frame in client.frames()] == list(range(2, 14))


async def test_a_space_vanishes_and_appears_with_the_permission():
    scene = Scene()
    bob = await scene.join(2)
    scene.happen(hide())
    await settle()
    assert bob.events() == [("feed_delete", {"feed_id": 1})]
    scene.happen(reveal())
    await settle()
    assert bob.events()[0] == ("feed_create", {"feed_id": 1, "name": "one", "type": "text"})


async def test_a_feed_s_making_and_deletion_are_told_once():
    scene = Scene()
    bob = await scene.join(2)
    scene.happen(feed_create(feed_id=FeedId(7), name="new"))
    await settle()
    assert kinds(bob) == ["feed_create"]
    scene.happen(feed_delete(feed_id=FeedId(7), overrides=()))
    await settle()
    assert kinds(bob) == ["feed_delete"]


async def test_a_hidden_feed_s_deletion_is_told_to_nobody_who_never_knew_it():
    scene = Scene()
    scene.happen(hide())
    bob = await scene.join(2)
    scene.happen(feed_update(feed_id=FeedId(1), changed={"name": "secret"}))
    scene.happen(feed_delete(feed_id=FeedId(1), overrides=scene.community.overrides_of("feed", FeedId(1))))
    await settle()
    assert bob.events() == []


async def test_resume_brings_exactly_what_was_emitted_in_the_gap():
    scene = Scene()
    bob = await scene.join(2)
    scene.say()
    await settle()
    bob.frames()
    await bob.drop()
    sent = [scene.say() for _ in range(5)]
    again = await scene.resume(bob)
    frames = again.frames()
    assert [frame["type"] for frame in frames] == ["hello", *["message_create"] * 5, "resumed"]
    assert [frame["d"]["msg_id"] for frame in frames[1:-1]] == sent
    assert [frame["seq"] for frame in frames[1:-1]] == list(range(bob.last_seq + 1, bob.last_seq + 6))
    assert "seq" not in frames[-1]
    assert frames[-1]["d"] == {"seq": bob.last_seq + 5}


async def test_what_was_written_to_a_dead_socket_comes_again():
    scene = Scene()
    bob = await scene.join(2)
    last = bob.last_seq
    sent = [scene.say() for _ in range(3)]
    await settle()
    await bob.drop()
    sent.append(scene.say())
    again = await scene.resume(bob, last_seq=last + 1)
    assert [d["msg_id"] for kind, d in again.events() if kind == "message_create"] == sent[1:]


async def test_resume_asks_the_permissions_of_now():
    scene = Scene()
    bob = await scene.join(2)
    await bob.drop()
    scene.say(feed_id=1)
    scene.say(feed_id=2)
    scene.happen(hide())
    again = await scene.resume(bob)
    assert [kind for kind, _ in again.events()] == ["hello", "feed_delete", "message_create", "resumed"]


async def test_resume_of_a_session_whose_socket_is_not_known_to_be_dead():
    scene = Scene()
    bob = await scene.join(2)
    last = bob.last_seq
    scene.say()
    again = await scene.resume(bob, last_seq=last)
    assert kinds(again) == ["hello", "message_create", "resumed"]
    assert bob.socket.verdict == (4009, "the session goes on elsewhere")
    scene.say()
    await settle()
    assert [frame["seq"] for frame in again.frames()] == [last + 2]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"session_id": "sess_unknown"}, 4009),
        ({"token": "nonsense"}, 4004),
        ({"token": "t3"}, 4004),
        ({"last_seq": 0}, 4010),
        ({"last_seq": 99}, 4010),
    ],
)
async def test_resume_is_refused(change, code):
    scene = Scene()
    bob = await scene.join(2)
    await bob.drop()
    d = {"token": "t2", "session_id": bob.ready["session_id"], "last_seq": bob.last_seq} | change
    other = scene.open(2)
    await other.say("resume", d)
    assert other.socket.verdict is not None
    assert other.socket.verdict[0] == code
    if code == 4004:  # a stranger's attempt takes nothing from its owner
        assert kinds(await scene.resume(bob)) == ["hello", "resumed"]


async def test_a_session_is_over_after_its_time():
    scene = Scene()
    bob = await scene.join(2)
    await bob.drop()
    scene.clock.advance(301)
    assert (await scene.resume(bob)).socket.verdict == (4009, "session expired")


async def test_a_trimmed_log_is_said_and_not_lied_about():
    scene = Scene()
    scene.bus._max_entries = 3
    bob = await scene.join(2)
    await bob.drop()
    for _ in range(5):
        scene.say()
    assert (await scene.resume(bob)).socket.verdict == (4010, "replay exhausted")


async def test_a_quiet_session_is_not_lost_with_the_log_it_never_needed():
    scene = Scene()
    scene.happen(hide())
    bob = await scene.join(2)
    scene.bus._max_entries = 3
    for _ in range(5):
        scene.say(feed_id=1)
    await settle()
    await bob.drop()
    assert kinds(await scene.resume(bob)) == ["hello", "resumed"]


async def test_too_long_a_gap_is_exhausted():
    scene = Scene(GatewayLimits(replay_events=4))
    bob = await scene.join(2)
    await bob.drop()
    for _ in range(5):
        scene.say()
    assert (await scene.resume(bob)).socket.verdict == (4010, "replay exhausted")


async def test_a_slow_reader_is_closed_resumable_and_blocks_nobody():
    scene = Scene(GatewayLimits(backlog_bytes=2500, busy_bytes=300))
    bob, eve = await scene.join(2), await scene.join(3)
    bob.frames()
    eve.frames()
    bob.socket.is_stuck = True
    sent = []
    for _ in range(32):
        sent.append(scene.say())
        await settle()
    assert bob.socket.verdict == (4000, "reads too slowly")
    assert [d["msg_id"] for _, d in eve.events()] == sent
    await bob.drop()
    again = await scene.resume(bob)
    assert [d["msg_id"] for kind, d in again.events() if kind == "message_create"] == sent


async def test_a_slow_reader_misses_typing_first():
    scene = Scene(GatewayLimits(busy_bytes=100))
    bob = await scene.join(2)
    bob.socket.is_stuck = True
    for _ in range(16):
        scene.say()
    await settle()
    backlog = bob.socket.backlog_bytes
    assert backlog > 100
    seq = next(iter(scene.hub.index.of_user(UserId(2)))).seq
    await (await scene.join(1)).say("typing", {"feed_id": 1})
    assert bob.socket.backlog_bytes == backlog
    assert next(iter(scene.hub.index.of_user(UserId(2)))).seq == seq


async def test_typing_is_told_to_readers_and_to_the_typist_once_per_interval():
    scene = Scene()
    scene.happen(hide(feed_id=1))
    admin, bob, eve = [await scene.join(n) for n in (1, 2, 3)]
    for one in (admin, bob, eve):
        one.frames()
    for _ in range(2):
        await bob.say("typing", {"feed_id": 2})
        await bob.say("typing", {"feed_id": 1})
    expected = [("typing_start", {"user_id": 2, "feed_id": 2})]
    hidden = [("typing_start", {"user_id": 2, "feed_id": 1})]
    assert (admin.events(), bob.events(), eve.events()) == (expected, expected + hidden, expected)
    await bob.say("typing", {"feed_id": 99})
    assert bob.events() == [("typing_start", {"user_id": 2, "feed_id": 99})], (
        "what is not there looks like what is hidden"
    )
    assert (admin.events(), eve.events()) == ([], [])
    await admin.say("typing", {"feed_id": "1"})
    assert (kinds(admin), kinds(bob)) == (["typing_start"], [])
    scene.clock.advance(5)
    await bob.say("typing", {"feed_id": 2})
    assert kinds(bob) == ["typing_start"]


async def test_typing_in_a_dm_is_for_its_participants():
    scene = Scene()
    scene.happen(dm(dm_id=DmId(5), participant_ids=[UserId(2), UserId(3)], is_group=False))
    bob, eve, mallory = [await scene.join(n) for n in (2, 3, 4)]
    for one in (bob, eve, mallory):
        one.frames()
    await bob.say("typing", {"dm_id": 5})
    await mallory.say("typing", {"dm_id": 5})
    expected = [("typing_start", {"user_id": 2, "dm_id": 5})]
    assert (bob.events(), eve.events(), mallory.events()) == (expected, expected, [])


async def test_the_typing_of_before_is_not_replayed():
    scene = Scene()
    bob, eve = await scene.join(2), await scene.join(3)
    bob.frames()
    scene.clock.advance(1)
    await bob.drop()
    await eve.say("typing", {"feed_id": 1})
    sent = scene.say()
    assert [(k, d.get("msg_id")) for k, d in (await scene.resume(bob)).events()][1:] == [
        ("message_create", sent), ("resumed", None),
    ]  # fmt: skip


async def test_ids_as_texts_for_who_asks():
    scene = Scene()
    bob, plain = await scene.join(2, "string_ids"), await scene.join(3)
    bob.frames()
    plain.frames()
    assert bob.ready["user_id"] == "2"
    sent = scene.say()
    await settle()
    assert bob.events()[0][1]["msg_id"] == str(sent)
    assert plain.events()[0][1]["msg_id"] == sent


@pytest.mark.parametrize("how", [{"compressed": True}, {"takes_frames": False}])
async def test_other_sockets_get_the_same_frames(how):
    scene = Scene()
    bob, plain = await scene.join(2, **how), await scene.join(3)
    assert all(isinstance(message, bytes) for message in bob.socket.messages) is ("compressed" in how)
    bob.frames()
    plain.frames()
    scene.say()
    scene.say()
    await settle()
    assert [d for _, d in bob.events()] == [d for _, d in plain.events()]


async def test_banned_users_and_ended_logins_are_closed_at_once():
    scene = Scene()
    bob, eve, admin = await scene.join(2), await scene.join(3), await scene.join(1)
    scene.happen(member_ban(user_id=UserId(2)))
    await settle()
    assert bob.socket.verdict == (4004, "not a member any more")
    assert "member_ban" in kinds(eve)
    scene.hub.close_logins(UserId(3), {LoginId(3)}, 4004, "Logged out")
    assert eve.socket.verdict == (4004, "Logged out")
    assert admin.socket.verdict is None
    await eve.drop()
    assert (await scene.resume(eve)).socket.verdict == (4009, "session expired")


async def test_revoked_logins_close_their_sockets_and_no_others():
    scene = Scene()
    bob, eve = await scene.join(2), await scene.join(3)
    scene.hub.close_revoked(UserId(2), {LoginId(7)}, "Logged out")
    assert bob.socket.verdict is None
    scene.hub.close_revoked(UserId(2), {LoginId(2)}, "Logged out")
    assert bob.socket.verdict == (4004, "Logged out")
    again = await scene.join(2)
    scene.hub.close_revoked(UserId(2), None, "Logged out")
    assert again.socket.verdict == (4004, "Logged out")
    assert eve.socket.verdict is None


async def test_the_limits_of_connections():
    scene = Scene(GatewayLimits(per_address=3, per_user=2))
    several = [scene.open(1, address="here") for _ in range(4)]
    assert [client.socket.verdict and client.socket.verdict[0] for client in several] == [None, None, None, 4006]
    for client in several:
        await client.drop()
    assert scene.open(1, address="here").socket.verdict is None
    mine = [await scene.join(2) for _ in range(3)]
    assert [client.socket.verdict and client.socket.verdict[0] for client in mine] == [None, None, 4006]
    scene.config.absorb(changed(limits={"max_total_connections": 0}))
    assert scene.open(4).socket.verdict == (4012, "the server is full")


async def test_ten_wrong_tokens_send_an_address_away():
    scene = Scene()
    for _ in range(10):
        client = scene.open(2, address="here")
        await client.say("identify", {"token": "wrong"})
        assert client.socket.verdict == (4004, "authentication failed")
        await client.drop()
    client = scene.open(2, address="here")
    await client.say("identify", {"token": "t2"})
    assert client.socket.verdict == (4008, "AUTH_RATE_LIMITED")
    scene.known_tokens.add("t2")
    assert (await scene.join(2, address="here")).ready, "others behind the same proxy, whose tokens are known, come in"
    assert (await scene.join(2, address="elsewhere")).ready
    scene.clock.advance(61)
    assert (await scene.join(2, address="here")).ready


async def test_a_newcomer_whom_this_process_has_not_heard_of_shall_come_again():
    scene = Scene()

    async def who(token: str, source: str = ""):
        raise refuse("UNAVAILABLE", "not known here yet", retry_after_ms=1000)

    scene.authenticate_member = who
    for _ in range(11):
        client = scene.open(2)
        await client.say("identify", {"token": "t2"})
        assert client.socket.verdict == (4000, "try again"), "4004 would be final"
        await client.drop()


async def test_deadlines():
    scene = Scene()
    silent, bob = scene.open(3), await scene.join(2)
    await scene.sweep(29)
    assert silent.socket.verdict is None
    await scene.sweep(1)
    assert silent.socket.verdict == (4003, "identify timeout")
    await bob.say("heartbeat")
    assert kinds(bob) == ["heartbeat_ack"]
    await scene.sweep(67)
    assert bob.socket.verdict is None
    await scene.sweep(0.5)
    assert bob.socket.verdict == (4007, "heartbeat timeout")
    assert "resumed" in kinds(await scene.resume(bob))


async def test_a_heartbeat_with_a_number_trims_what_is_kept():
    scene = Scene()
    bob = await scene.join(2)
    for _ in range(10):
        scene.say()
    await settle()
    await bob.say("heartbeat", {"seq": 8})
    session = next(iter(scene.hub.index.of_user(UserId(2))))
    assert len(session.ring) == 3
    await bob.drop()
    assert kinds(await scene.resume(bob, last_seq=8))[1:] == ["message_create"] * 3 + ["resumed"]
    assert (await scene.resume(bob, last_seq=6)).socket.verdict == (4010, "replay exhausted")


async def test_drain_sends_everybody_away_resumable():
    scene = Scene()
    bob, opening = await scene.join(2), scene.open(3)
    task_done = scene.hub.drain()
    for client in (bob, opening):
        client.hangs_up_by_itself()
    await task_done
    assert bob.socket.verdict == opening.socket.verdict == (4008, "Server restarting")
    assert scene.open(4).socket.verdict == (4008, "Server restarting")


async def test_what_a_client_says_while_it_is_checked_is_done_after_ready():
    scene = Scene()
    client = scene.open(2)
    client.connection.received(json.dumps({"type": "identify", "d": {"token": "t2"}}))
    client.connection.received(json.dumps({"type": "heartbeat"}))
    await settle()
    assert kinds(client) == ["hello", "ready", "heartbeat_ack"]
