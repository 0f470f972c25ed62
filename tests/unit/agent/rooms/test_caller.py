"""A telephone caller on the way into a room, inside, and out again."""

import asyncio

import pytest

from tests.unit.agent.rooms.phone_world import PhoneWorld
from vox.errors import DependencyError, UsageError
from vox.media import g711
from vox.media.dtmf import tone
from vox.protocols.relay_voices import Muted, Removed

pytestmark = pytest.mark.usefixtures("virtual_loop")


async def test_a_caller_enters_with_the_code_and_may_cut_the_question_short():
    async with PhoneWorld() as world:
        await asyncio.sleep(0.1)
        assert world.tts.spoken == ["code"]
        world.press("12")
        await asyncio.sleep(0.1)
        assert world.line.clears == 1
        world.press("34#")
        await asyncio.sleep(2)
        assert world.tts.spoken == ["code", "in Lobby"]
        assert world.relays.asked == [("ws://relay", "t")]
        assert world.chat.asked == [
            ("GET /numbers/%2B49301", None),
            ("POST /calls", {"number": "+49301", "code": "1234", "caller": "+49171", "call_id": "call_1"}),
        ]
        assert world.room.attributes["sip.callStatus"] == "active"
        assert world.counted('vox_agent_room_members{kind="sip"}') == 1
    assert world.room.has_left
    assert world.counted('vox_agent_room_members{kind="sip"}') == 0


async def test_a_number_with_one_room_asks_for_no_code():
    async with PhoneWorld() as world:
        world.chat.needs_code = False
        await asyncio.sleep(2)
        assert world.tts.spoken == ["in Lobby"]


async def test_wrong_codes_are_bounded():
    async with PhoneWorld(line={"attempts": 2}) as world:
        await asyncio.sleep(0.1)
        world.press("9#")
        await asyncio.sleep(0.1)
        world.press("8#")
        await asyncio.sleep(3)
        assert world.tts.spoken == ["code", "wrong code", "wrong", "bye"]
        assert world.is_over
        assert world.line.closed is not None
        assert world.counted('vox_agent_room_codes_total{outcome="wrong"}') == 2
        assert world.relays.asked == []


async def test_a_chat_server_that_has_had_enough_of_wrong_codes_ends_the_call():
    async with PhoneWorld() as world:
        world.chat.wrong = 429
        await asyncio.sleep(0.1)
        world.press("9#")
        await asyncio.sleep(3)
        assert world.tts.spoken == ["code", "wrong", "bye"]
        assert world.is_over


async def test_a_caller_who_enters_nothing_is_said_good_bye_to():
    async with PhoneWorld(line={"code_secs": 5}) as world:
        await asyncio.sleep(7)
        assert world.tts.spoken == ["code", "bye"]
        assert world.is_over


async def test_digits_without_an_end_are_a_code_after_a_while():
    async with PhoneWorld(line={"code_secs": 5}) as world:
        await asyncio.sleep(0.1)
        world.press("1234")
        await asyncio.sleep(7)
        assert world.tts.spoken == ["code", "in Lobby"]


@pytest.mark.parametrize("what", ["chat", "relay"])
async def test_what_does_not_answer_is_said_and_the_call_ends(what: str):
    async with PhoneWorld() as world:
        world.chat.needs_code = False
        if what == "chat":
            world.chat.error = DependencyError("x", code="fetch_failed")
        else:
            world.relays.error = UsageError("x", code="room_token_invalid")
        await asyncio.sleep(2)
        assert world.tts.spoken == ["later"]
        assert world.is_over
        code = "rooms_unavailable" if what == "chat" else "room_token_invalid"
        assert world.counted(f'vox_agent_room_joins_total{{kind="sip",outcome="{code}"}}') == 1


async def test_the_caller_hears_the_rooms_mix_and_is_heard():
    async with PhoneWorld() as world:
        await world.enter()
        assert world.room.mix_rate == 8_000
        sent = len(world.line.frames)
        sound = b"\x00\x10" * 320
        world.room.sounds("", sound)
        world.room.sounds("anna", sound)
        await asyncio.sleep(0.1)
        assert [frame for _, frame in world.line.frames[sent:]] == [g711.encode(sound[:320], "mulaw")] * 2
        world.caller.audio(b"\x00\x20" * 160)
        assert world.room.spoken[-1][1:] == (b"\x00\x20" * 160, 8_000)


async def test_while_the_line_speaks_to_the_caller_the_room_is_left_out():
    async with PhoneWorld() as world:
        await asyncio.sleep(0.1)
        world.press("1234#")
        await asyncio.sleep(0.3)
        assert world.tts.spoken[-1] == "in Lobby"
        world.room.sounds("", b"\x00\x10" * 160)
        await asyncio.sleep(0.1)
        assert g711.encode(b"\x00\x10" * 160, "mulaw") not in [frame for _, frame in world.line.frames]


async def test_star_one_mutes_and_opens_the_microphone():
    async with PhoneWorld() as world:
        await world.enter()
        world.press("*1")
        world.caller.audio(bytes(320))
        assert (world.room.is_muted, world.room.spoken) == (True, [])
        await asyncio.sleep(1)
        world.press("*1")
        world.caller.audio(bytes(320))
        assert not world.room.is_muted
        assert len(world.room.spoken) == 1
        await asyncio.sleep(1)
        assert world.tts.spoken[-2:] == ["muted", "heard"]


async def test_a_moderators_mute_is_told_and_holds():
    async with PhoneWorld() as world:
        await world.enter()
        world.room.tell(Muted(is_muted=True))
        await asyncio.sleep(1)
        world.caller.audio(bytes(320))
        assert world.room.spoken == []
        assert world.tts.spoken[-1] == "muted"


async def test_star_two_raises_and_lowers_the_hand():
    async with PhoneWorld() as world:
        await world.enter()
        world.press("*2")
        assert world.room.attributes["vox.hand_raised"] == "true"
        await asyncio.sleep(1)
        world.press("*2")
        assert "vox.hand_raised" not in world.room.attributes
        await asyncio.sleep(1)
        assert world.tts.spoken[-2:] == ["up", "down"]


async def test_hash_leaves_and_says_good_bye():
    async with PhoneWorld() as world:
        await world.enter()
        world.press("#")
        await asyncio.sleep(2)
        assert world.room.has_left
        assert world.tts.spoken[-1] == "bye"
        assert world.is_over


async def test_other_keys_go_to_the_room():
    async with PhoneWorld() as world:
        await world.enter()
        world.press("5*9")
        assert world.room.digits == "5*9"


async def test_keys_are_heard_in_the_sound_where_the_line_reports_none():
    async with PhoneWorld(hear_keys=True) as world:
        await asyncio.sleep(0.1)
        world.caller.audio(tone("1234#", 8_000))
        await asyncio.sleep(2)
        assert world.tts.spoken[-1] == "in Lobby"


@pytest.mark.parametrize(
    ("reason", "text"), [("room_deleted", "closed"), ("removed", "removed"), ("lost", "later"), ("too_slow", "later")]
)
async def test_the_end_of_the_room_is_said(reason: str, text: str):
    async with PhoneWorld() as world:
        await world.enter()
        world.room.tell(Removed(reason))
        await asyncio.sleep(2)
        assert world.tts.spoken[-1] == text
        assert world.is_over
        assert world.line.closed == (1000, reason)


async def test_in_an_encrypted_room_the_caller_is_told():
    async with PhoneWorld() as world:
        await world.enter()
        world.room.enters("anna", encrypted=True)
        world.room.enters("bert", encrypted=True)
        await asyncio.sleep(3)
        assert world.tts.spoken.count("encrypted") == 1


async def test_who_hangs_up_leaves_the_room_at_once():
    async with PhoneWorld() as world:
        await world.enter()
        world.caller.hang_up()
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert world.room.has_left
        assert world.is_over


async def test_a_stay_has_an_end():
    async with PhoneWorld(line={"max_secs": 60}) as world:
        await world.enter()
        await asyncio.sleep(60)
        assert world.is_over
        assert world.line.closed == (1000, "max_duration")


async def test_a_voice_that_fails_does_not_keep_the_caller_out():
    async with PhoneWorld() as world:
        world.tts.error = DependencyError("x", code="provider_error")
        await asyncio.sleep(0.1)
        world.press("1234#")
        await asyncio.sleep(1)
        assert world.room.attributes["sip.callStatus"] == "active"
