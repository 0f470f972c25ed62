"""Voice rooms: who is in them, and that the media follows at once."""

import base64
import json
from typing import Any

import pytest

from tests.contract.chat.harness import Rig
from tests.contract.chat.helpers_spaces import Row, deny, feed, grant, mismatches, refusal
from tests.contract.chat.voice.conftest import VoiceRig
from tests.fakes.media_server import KEY
from vox.chat.events.permissions import P
from vox.security.room_tokens import read_room_token

MISSING = (403, "MISSING_PERMISSIONS")
NO_SPACE = (404, "SPACE_NOT_FOUND")
INVALID = (422, "VALIDATION_ERROR")


async def test_who_begins_with_a_snapshot_sees_who_is_in_the_rooms_they_may_view(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room, hidden = await voice.room(alice), await voice.room(alice)
    await deny(alice, hidden, bob, P.VIEW_SPACE, kind="rooms")
    joined = await voice.join(alice, room)

    async def seen() -> list[Any]:
        async with bob.gateway(capabilities=["snapshot"]) as gateway:
            return gateway.ready["snapshot"]["voice"]

    assert await seen() == [{"room_id": room, "members": joined["members"], "guests": []}]
    await alice.ok("POST", f"/rooms/{room}/voice/leave")
    await voice.join(alice, hidden)
    assert await seen() == []


async def test_joining_answers_with_address_token_and_members(voice: VoiceRig):
    alice = await voice.register("alice")
    room = await voice.room(alice)
    async with alice.gateway() as gateway:
        reply = await alice.post(f"/rooms/{room}/voice/join", {"self_mute": True})
        assert reply.status_code == 200
        joined = reply.json()
        event = await gateway.expect("voice_state_update")
    assert list(joined) == ["media_url", "media_token", "members", "guests", "expires_at"]
    member = {
        "user_id": 1, "mute": True, "deaf": False, "video": False, "streaming": False, "server_mute": False,
        "server_deaf": False, "joined_at": voice.clock.unix_s(),
    }  # fmt: skip
    assert joined["members"] == [member]
    assert event["d"] == {"room_id": room, "members": [member], "guests": []}
    claims = read_room_token(joined["media_token"], {KEY.key: KEY.secret}, now=voice.clock.unix())
    assert (claims.sub, claims.name, claims.video.room) == ("user-1", "alice", "vox-1")
    assert set(claims.video.can_publish_sources) == {"microphone", "camera", "screen_share", "screen_share_audio"}
    shown = await alice.ok("GET", f"/rooms/{room}/voice")
    assert shown == {"room_id": room, "members": [member], "guests": [], "topic": None, "speakers": []}


async def test_a_client_gets_a_token_for_trying_its_connection_in_a_room_that_is_its_own(voice: VoiceRig):
    alice = await voice.register("alice")
    room = await voice.room(alice)
    checked = await alice.ok("POST", "/voice/check")
    claims = read_room_token(checked["media_token"], {KEY.key: KEY.secret}, now=voice.clock.unix())
    assert (claims.sub, claims.video.room, claims.video.can_subscribe) == ("user-1", "vox-check-1", False)
    assert checked["expires_at"] == voice.clock.unix_s() + 60
    assert checked["media_url"] == (await voice.join(alice, room))["media_url"]
    assert (await alice.ok("GET", f"/rooms/{room}/voice"))["members"] != []


async def test_requests_that_are_refused(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    one, two, hidden = [await voice.room(alice) for _ in range(3)]
    await deny(alice, hidden, bob, P.VIEW_SPACE, kind="rooms")
    await deny(alice, two, bob, P.SPEAK, kind="rooms")
    join = "/voice/join"
    rows: list[Row] = [
        ("GET", "/voice/media-cert", None, (404, "NO_CERT_PINNING")),
        ("POST", f"/rooms/99{join}", {}, NO_SPACE),
        ("POST", f"/rooms/{hidden}{join}", {}, MISSING),
        ("GET", f"/rooms/{hidden}/voice", None, MISSING),
        ("POST", f"/rooms/{two}{join}", {}, MISSING),
        ("POST", f"/rooms/{one}{join}", {"self_mute": "yes"}, INVALID),
        ("POST", f"/rooms/{one}{join}", {"latitude": 10}, INVALID),
        ("POST", f"/rooms/{one}{join}", {"latitude": 91, "longitude": 0}, INVALID),
        ("POST", f"/rooms/{one}{join}", {"rtts": {str(n): 1 for n in range(101)}}, INVALID),
        ("POST", f"/rooms/{one}/voice/token-refresh", {}, (400, "NOT_IN_VOICE")),
        ("POST", f"/rooms/{one}/voice/kick", {"user_id": 1}, MISSING),
        ("POST", f"/rooms/{one}/voice/move", {"user_id": 1, "to_room_id": two}, MISSING),
        ("POST", f"/rooms/{one}/voice/mute", {"user_id": 1, "muted": True}, MISSING),
        ("POST", f"/rooms/{one}/voice/deafen", {"user_id": 1, "deafened": True}, MISSING),
        ("POST", f"/rooms/{one}/stage/invite", {"user_id": 1}, MISSING),
        ("POST", f"/rooms/{one}/stage/revoke", {"user_id": 1}, MISSING),
        ("PATCH", f"/rooms/{one}/stage/topic", {"topic": "x"}, MISSING),
        ("POST", f"/rooms/{one}/stage/request", {}, (400, "NOT_IN_VOICE")),
        ("POST", f"/rooms/{one}/stage/invite/respond", {"accepted": True}, (400, "NO_PENDING_INVITE")),
        ("POST", f"/rooms/{one}/voice/agents", {}, MISSING),
        ("GET", f"/rooms/{one}/voice/numbers", None, MISSING),
        ("PUT", f"/rooms/{one}/voice/settings", {}, MISSING),
        ("GET", f"/rooms/{one}/voice/settings", None, MISSING),
        ("POST", f"/rooms/{one}/voice/numbers", {"number": "+49301234567"}, MISSING),
        ("DELETE", f"/rooms/{one}/voice/numbers/1", None, MISSING),
        ("DELETE", f"/rooms/{hidden}/voice/guests/1", None, MISSING),
        ("POST", f"/rooms/{hidden}/voice/token-refresh", {}, MISSING),
        ("POST", f"/rooms/{hidden}/stage/request", {}, MISSING),
        ("POST", f"/rooms/{hidden}/stage/invite/respond", {"accepted": True}, MISSING),
    ]
    assert await mismatches(bob, rows) == []
    rows = [
        ("POST", f"/rooms/{one}/voice/mute", {"user_id": 2, "muted": True}, (400, "NOT_IN_VOICE")),
        ("POST", f"/rooms/{one}/voice/deafen", {"user_id": 2, "deafened": True}, (400, "NOT_IN_VOICE")),
        ("POST", f"/rooms/{one}/voice/move", {"user_id": 2, "to_room_id": two}, (400, "NOT_IN_VOICE")),
        ("POST", f"/rooms/{one}/voice/move", {"user_id": 2, "to_room_id": 99}, NO_SPACE),
        ("POST", f"/rooms/{one}/voice/move", {"user_id": 2, "to_room_id": hidden}, MISSING),
        ("POST", f"/rooms/{one}/stage/invite", {"user_id": 2}, (400, "NOT_IN_VOICE")),
        ("POST", f"/rooms/{one}/voice/kick", {"user_id": 2**70}, INVALID),
        ("PATCH", f"/rooms/{one}/stage/topic", {"topic": "x" * 257}, INVALID),
    ]
    assert await mismatches(alice, rows) == []


async def test_one_is_in_one_room_at_a_time(voice: VoiceRig):
    alice = await voice.register("alice")
    one, two = await voice.room(alice), await voice.room(alice)
    await voice.join(alice, one)
    for room in (one, two):
        assert refusal(await alice.post(f"/rooms/{room}/voice/join")) == (409, "ALREADY_IN_VOICE")
    assert (await alice.post(f"/rooms/{two}/voice/leave")).status_code == 204
    assert await voice.inside(alice, one) == [1]
    assert (await alice.post(f"/rooms/{one}/voice/leave")).status_code == 204
    assert await voice.inside(alice, one) == []
    assert voice.media.everyone() == {}
    await voice.join(alice, two)
    assert voice.media.everyone() == {"vox-2": ["user-1"]}


async def test_a_full_room_takes_no_more(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice)
    await alice.ok("PUT", f"/rooms/{room}/voice/settings", {"max_members": 1})
    await voice.join(alice, room)
    assert refusal(await bob.post(f"/rooms/{room}/voice/join")) == (503, "ROOM_FULL")
    await alice.ok("PUT", f"/rooms/{room}/voice/settings", {})
    await voice.join(bob, room)
    await alice.ok("PATCH", "/server/limits", {"limits": {"voice_room_max_members": 2}})
    carol = await voice.register("carol")
    assert refusal(await carol.post(f"/rooms/{room}/voice/join")) == (503, "ROOM_FULL")


async def test_settings_of_a_room(voice: VoiceRig):
    alice = await voice.register("alice")
    room, general = await voice.room(alice), await feed(alice)
    path = f"/rooms/{room}/voice/settings"
    assert await alice.ok("GET", path) == {"transcript_feed_id": None, "max_members": None}
    chosen = {"transcript_feed_id": general, "max_members": 5}
    assert await alice.ok("PUT", path, chosen) == chosen
    assert await alice.ok("GET", path) == chosen
    assert refusal(await alice.put(path, {"transcript_feed_id": 99})) == NO_SPACE
    assert refusal(await alice.put(path, {"max_members": 0})) == INVALID
    await alice.ok("DELETE", f"/feeds/{general}")
    assert (await alice.ok("GET", path))["transcript_feed_id"] is None


async def test_a_kicked_member_leaves_the_media_at_once(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice)
    joined = await voice.join(bob, room)
    async with bob.gateway() as gateway:
        assert (await alice.post(f"/rooms/{room}/voice/kick", {"user_id": bob.user_id})).status_code == 204
        assert (await gateway.expect("voice_state_update"))["d"]["members"] == []
    assert voice.media.everyone() == {}
    voice.media.connect(joined["media_token"])  # the token is still valid, but its holder no longer belongs there
    headers, body = voice.media.webhook("participant_joined", "vox-1", "user-2")
    await voice.join(alice, room)
    reply = await voice.rig.http.post("/api/v1/voice/webhook", headers=headers, content=body)
    assert reply.status_code == 204
    await voice.settled()
    assert voice.media.everyone() == {"vox-1": ["user-1"]}
    assert (await alice.post(f"/rooms/{room}/voice/kick", {"user_id": bob.user_id})).status_code == 204


async def test_a_moved_member_gets_a_token_for_the_other_room(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    one, two = await voice.room(alice), await voice.room(alice)
    await voice.join(bob, one, self_mute=True)
    await alice.ok("POST", f"/rooms/{one}/voice/mute", {"user_id": 2, "muted": True})
    async with bob.gateway() as gateway:
        reply = await alice.post(f"/rooms/{one}/voice/move", {"user_id": 2, "to_room_id": two})
        assert reply.status_code == 204
        token = (await gateway.expect("media_token_refresh"))["d"]
    assert (token["room_id"], token["reason"]) == (two, "moved")
    assert voice.media.everyone() == {}
    voice.media.connect(token["media_token"])
    await voice.sweep()
    assert voice.media.everyone() == {"vox-2": ["user-2"]}
    (member,) = (await bob.ok("GET", f"/rooms/{two}/voice"))["members"]
    assert (member["mute"], member["server_mute"]) == (True, True)
    assert "MICROPHONE" not in voice.media.permission("user-2")["can_publish_sources"]


async def test_leaving_ends_no_mute(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice)
    await voice.join(bob, room)
    await alice.ok("POST", f"/rooms/{room}/voice/mute", {"user_id": 2, "muted": True})
    await bob.post(f"/rooms/{room}/voice/leave")
    joined = await voice.join(bob, room)
    assert joined["members"][0]["server_mute"] is True
    assert voice.media.permission("user-2")["can_publish"] is False
    await alice.ok("POST", f"/rooms/{room}/voice/mute", {"user_id": 2, "muted": False})
    await bob.post(f"/rooms/{room}/voice/leave")
    await voice.join(bob, room)
    assert voice.media.permission("user-2")["can_publish_sources"] == ["MICROPHONE"]


async def test_a_moderators_mute_and_deafening_act_on_the_media(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice)
    await voice.join(bob, room)
    voice.media.publish("user-2", "MICROPHONE")
    await alice.ok("POST", f"/rooms/{room}/voice/mute", {"user_id": 2, "muted": True})
    assert voice.media.permission("user-2")["can_publish_sources"] == []
    assert voice.media.permission("user-2")["can_publish"] is False
    await alice.ok("POST", f"/rooms/{room}/voice/deafen", {"user_id": 2, "deafened": True})
    assert voice.media.permission("user-2")["can_subscribe"] is False
    await alice.ok("POST", f"/rooms/{room}/voice/mute", {"user_id": 2, "muted": False})
    await alice.ok("POST", f"/rooms/{room}/voice/deafen", {"user_id": 2, "deafened": False})
    assert voice.media.permission("user-2")["can_publish_sources"] == ["MICROPHONE"]
    assert voice.media.permission("user-2")["can_subscribe"] is True


async def test_changed_permissions_act_on_the_media(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice)
    await voice.join(bob, room)
    role = await grant(alice, bob, P.VIDEO)
    await voice.settled()
    assert voice.media.permission("user-2")["can_publish_sources"] == ["CAMERA", "MICROPHONE"]
    await alice.ok("DELETE", f"/members/{bob.user_id}/roles/{role}")
    await voice.settled()
    assert voice.media.permission("user-2")["can_publish_sources"] == ["MICROPHONE"]
    await deny(alice, room, bob, P.CONNECT, kind="rooms")
    await voice.settled()
    assert voice.media.everyone() == {}
    assert await voice.inside(alice, room) == []


@pytest.mark.parametrize("how", ["ban", "kick"])
async def test_who_is_no_member_any_more_is_in_no_room(voice: VoiceRig, how: str):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice)
    await voice.join(bob, room)
    if how == "ban":
        await alice.ok("PUT", f"/bans/{bob.user_id}", {})
    else:
        await alice.ok("DELETE", f"/members/{bob.user_id}")
    await voice.settled()
    assert voice.media.everyone() == {}
    assert await voice.inside(alice, room) == []


async def test_a_deleted_room_ends_its_media(voice: VoiceRig):
    alice = await voice.register("alice")
    room = await voice.room(alice)
    await voice.join(alice, room)
    voice.media.fails_with = 503
    await alice.ok("DELETE", f"/rooms/{room}")
    await voice.settled()
    assert voice.media.everyone() == {"vox-1": ["user-1"]}
    voice.media.fails_with = None
    await voice.keeper.sweep()
    assert voice.media.everyone() == {}
    assert refusal(await alice.get(f"/rooms/{room}/voice")) == NO_SPACE


async def test_what_is_published_is_the_members_state(voice: VoiceRig):
    alice = await voice.register("alice")
    room = await voice.room(alice)
    await voice.join(alice, room)
    for source in ("MICROPHONE", "CAMERA", "SCREEN_SHARE"):
        voice.media.publish("user-1", source, muted=source == "MICROPHONE")
    async with alice.gateway() as gateway:
        await voice.sweep()
        (member,) = (await gateway.expect("voice_state_update"))["d"]["members"]
    assert (member["mute"], member["video"], member["streaming"]) == (True, True, True)


async def test_a_member_whose_media_is_lost_stays_for_a_while(voice: VoiceRig):
    alice = await voice.register("alice")
    room = await voice.room(alice)
    joined = await voice.join(alice, room)
    async with alice.gateway():
        voice.media.disconnect("user-1")
        await voice.sweep()
        await voice.sweep(14)
        assert await voice.inside(alice, room) == [1]
        voice.media.connect(joined["media_token"])
        await voice.sweep(60)
        assert await voice.inside(alice, room) == [1]
        voice.media.disconnect("user-1")
        await voice.sweep()
        await voice.sweep(15)
        assert await voice.inside(alice, room) == []


async def test_who_never_connects_goes_and_without_gateway_sooner(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice)
    async with alice.gateway():
        for person in (alice, bob):
            await person.ok("POST", f"/rooms/{room}/voice/join", {})
        await voice.sweep(15)
        assert await voice.inside(alice, room) == [1]
        await voice.sweep(45)
        assert await voice.inside(alice, room) == []


async def test_who_talks_on_without_a_gateway_stays(voice: VoiceRig):
    alice = await voice.register("alice")
    room = await voice.room(alice)
    await voice.join(alice, room)
    await voice.sweep(1000)
    assert await voice.inside(alice, room) == [1]


async def test_a_media_server_that_is_away_changes_nothing_and_is_caught_up_with(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice)
    await voice.join(bob, room)
    voice.media.fails_with = 503
    assert (await alice.post(f"/rooms/{room}/voice/kick", {"user_id": 2})).status_code == 204
    assert await voice.inside(alice, room) == []
    await voice.settled()
    assert voice.media.everyone() == {"vox-1": ["user-2"]}
    voice.media.fails_with = None
    await voice.sweep()
    assert voice.media.everyone() == {}


async def test_a_new_token_comes_as_answer_and_event_and_before_the_old_one_ends(voice: VoiceRig):
    alice = await voice.register("alice")
    room = await voice.room(alice)
    await voice.join(alice, room)
    async with alice.gateway() as gateway:
        reply = await alice.ok("POST", f"/rooms/{room}/voice/token-refresh", {})
        event = (await gateway.expect("media_token_refresh"))["d"]
        assert event["media_token"] == reply["media_token"]
        assert "reason" not in event
        await voice.sweep(3000)
        event = (await gateway.expect("media_token_refresh"))["d"]
        assert event["reason"] == "expiring"
        payload = json.loads(base64.urlsafe_b64decode(event["media_token"].split(".")[1] + "=="))
        assert payload["exp"] == voice.clock.unix_s() + 3600
        await voice.sweep(10)
        assert [one["type"] for one in await gateway.events()] == []


async def test_strangers_hear_of_no_room_they_cannot_see(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice)
    await deny(alice, room, bob, P.VIEW_SPACE, kind="rooms")
    async with bob.gateway() as gateway:
        await voice.join(alice, room)
        assert "voice_state_update" not in {one["type"] for one in await gateway.events()}


async def test_clients_say_their_own_state_over_the_gateway(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice)
    async with bob.gateway() as gateway:
        await gateway.send("voice_state_update", {"self_mute": True})
        assert await gateway.events() == []
        await bob.ok("POST", f"/rooms/{room}/voice/join", {})
        await gateway.send("voice_state_update", {"self_mute": True, "self_deaf": True})
        await gateway.expect("voice_state_update")
        (member,) = (await gateway.expect("voice_state_update"))["d"]["members"]
        assert (member["mute"], member["deaf"]) == (True, True)
        await gateway.send("voice_state_update", {"video": True})
        assert (await gateway.expect("error"))["d"]["code"] == "MISSING_PERMISSIONS"
        await gateway.send("voice_state_update", {"self_mute": "x"})
        assert (await gateway.expect("error"))["d"]["code"] == "VALIDATION_ERROR"
        for kind in ("voice_codec_neg", "stage_response"):
            await gateway.send(kind, {"room_id": 99})
            assert (await gateway.expect("error"))["d"]["code"] == "NOT_IN_VOICE"
            await gateway.send(kind, {})
            assert (await gateway.expect("error"))["d"]["code"] == "MISSING_ROOM_ID"
        await gateway.send("voice_codec_neg", {"room_id": room, "media_type": "audio", "codec": "opus"})
        assert (await gateway.expect("voice_codec_neg"))["d"] == {"media_type": "audio", "codec": "opus"}
        await gateway.send("stage_response", {"room_id": room, "response_type": "hand", "accepted": True})
        expected = {"user_id": 2, "response_type": "hand", "accepted": True}
        assert (await gateway.expect("stage_response"))["d"] == expected


@pytest.mark.parametrize("change", ["secret", "body", "none", "garbage"])
async def test_a_webhook_that_is_not_signed_for_its_body_is_refused(voice: VoiceRig, change: str):
    headers, body = voice.media.webhook("room_finished", "vox-1", secret="other" if change == "secret" else KEY.secret)
    if change == "body":
        body += b" "
    elif change == "none":
        del headers["authorization"]
    elif change == "garbage":
        headers["authorization"] = "Bearer a.b.c"
    reply = await voice.rig.http.post("/api/v1/voice/webhook", headers=headers, content=body)
    assert refusal(reply) == (401, "AUTH_FAILED")


async def test_without_a_media_server_rooms_are_shown_and_not_joined(chat: Rig):
    alice = await chat.register("alice")
    await alice.ok("POST", "/rooms", {"name": "r", "type": "voice"})
    assert (await alice.ok("GET", "/rooms/1/voice"))["members"] == []
    assert refusal(await alice.post("/rooms/1/voice/join")) == (404, "VOICE_NOT_CONFIGURED")
    reply: Any = await chat.http.post("/api/v1/voice/webhook", content=b"{}")
    assert refusal(reply) == (401, "AUTH_FAILED")
