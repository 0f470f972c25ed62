"""Stages: only speakers publish, and moderators let them."""

from tests.contract.chat.helpers_spaces import grant, refusal
from tests.contract.chat.voice.conftest import VoiceRig
from vox.chat.events.permissions import P


async def test_a_listener_asks_is_invited_speaks_and_listens_again(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice, "stage")
    await voice.join(alice, room)
    await voice.join(bob, room)
    assert voice.media.permission("user-2")["can_publish"] is False
    assert "MICROPHONE" in voice.media.permission("user-1")["can_publish_sources"]  # a moderator
    async with alice.gateway() as hers, bob.gateway() as his:
        assert (await bob.post(f"/rooms/{room}/stage/request")).status_code == 204
        assert (await hers.expect("stage_request"))["d"] == {"room_id": room, "user_id": 2}
        assert (await alice.post(f"/rooms/{room}/stage/invite", {"user_id": 2})).status_code == 204
        assert (await his.expect("stage_invite"))["d"] == {"room_id": room, "user_id": 2}
        assert (await bob.post(f"/rooms/{room}/stage/invite/respond", {"accepted": True})).status_code == 204
        await hers.expect("voice_state_update")
        assert voice.media.permission("user-2")["can_publish_sources"] == ["MICROPHONE"]
        voice.media.publish("user-2", "MICROPHONE")
        assert (await alice.ok("GET", f"/rooms/{room}/voice"))["speakers"] == [2]
        assert (await alice.post(f"/rooms/{room}/stage/revoke", {"user_id": 2})).status_code == 204
        assert (await his.expect("stage_revoke"))["d"] == {"room_id": room, "user_id": 2}
    assert voice.media.permission("user-2")["can_publish"] is False
    assert voice.media.rooms["vox-1"]["user-2"]["tracks"] == []


async def test_an_invitation_is_answered_once_and_in_time(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice, "stage")
    await voice.join(bob, room)
    respond = f"/rooms/{room}/stage/invite/respond"
    async with alice.gateway() as gateway:
        await alice.post(f"/rooms/{room}/stage/invite", {"user_id": 2})
        assert (await bob.post(respond, {"accepted": False})).status_code == 204
        assert (await gateway.expect("stage_invite_decline"))["d"] == {"room_id": room, "user_id": 2}
    assert refusal(await bob.post(respond, {"accepted": True})) == (400, "NO_PENDING_INVITE")
    await alice.post(f"/rooms/{room}/stage/invite", {"user_id": 2})
    voice.clock.advance(300)
    assert refusal(await bob.post(respond, {"accepted": True})) == (400, "NO_PENDING_INVITE")


async def test_who_leaves_is_no_speaker_after_coming_back(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice, "stage")
    await voice.join(bob, room)
    await alice.post(f"/rooms/{room}/stage/invite", {"user_id": 2})
    await bob.post(f"/rooms/{room}/stage/invite/respond", {"accepted": True})
    await bob.post(f"/rooms/{room}/voice/leave")
    await voice.join(bob, room)
    assert voice.media.permission("user-2")["can_publish"] is False


async def test_without_a_moderator_in_the_room_all_who_see_it_hear_of_a_request(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice, "stage")
    await voice.join(bob, room)
    async with alice.gateway() as gateway:
        await bob.post(f"/rooms/{room}/stage/request")
        await gateway.expect("stage_request")


async def test_the_topic_is_the_moderators(voice: VoiceRig):
    alice, bob = await voice.register("alice"), await voice.register("bob")
    room = await voice.room(alice, "stage")
    await grant(alice, bob, P.STAGE_MODERATOR)
    async with alice.gateway() as gateway:
        assert await bob.ok("PATCH", f"/rooms/{room}/stage/topic", {"topic": "Tides"}) == {"topic": "Tides"}
        assert (await gateway.expect("stage_topic_update"))["d"] == {"room_id": room, "topic": "Tides"}
    assert (await alice.ok("GET", f"/rooms/{room}/voice"))["topic"] == "Tides"
