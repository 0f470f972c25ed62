"""An agent among several people: whom it hears, answers and lets interrupt it, what the room sees of it, and when it leaves."""

import asyncio

import pytest

from tests.unit.agent.rooms.room_world import RoomWorld
from vox.protocols.relay_voices import CHAT_TOPIC, Member, MemberChanged, Removed, TextReceived

pytestmark = pytest.mark.usefixtures("virtual_loop")
ANSWER = ("assistant", "one two three four.")


async def test_two_people_are_heard_apart_and_answered_by_name():
    async with RoomWorld() as world:
        anna, bert = await world.person("Anna"), await world.person("Bert")
        await anna.say("what time is it")
        await asyncio.sleep(3)
        await bert.say("and where are we")
        await asyncio.sleep(3)
        assert world.conversation() == [
            ("user", "Anna: what time is it"), ANSWER, ("user", "Bert: and where are we"), ANSWER,
        ]  # fmt: skip
        assert len(world.room.spoken) == 200
        assert {rate for _, _, rate in world.room.spoken} == {24_000}


async def test_who_speaks_while_another_has_the_floor_is_answered_afterwards():
    async with RoomWorld() as world:
        anna, bert = await world.person("Anna"), await world.person("Bert")
        anna.begins("what time is it")
        await asyncio.sleep(0.5)
        bert.begins("where are we")
        await asyncio.sleep(0.7)
        anna.stops()
        bert.stops()
        await asyncio.sleep(7)
        assert world.conversation() == [
            ("user", "Anna: what time is it"), ANSWER, ("user", "Bert: where are we"), ANSWER,
        ]  # fmt: skip
        assert world.room.flushes == 0


async def test_nobody_is_heard_twice_before_another_once():
    async with RoomWorld() as world:
        anna, bert = await world.person("Anna"), await world.person("Bert")
        anna.begins("first")
        bert.begins("mine")
        await asyncio.sleep(1)
        anna.stops()
        bert.stops()
        await asyncio.sleep(2.55)  # the answer to Anna is just over, and she speaks again at once
        await anna.say("second", seconds=0.5)
        await asyncio.sleep(8)
        assert [text for role, text in world.conversation() if role == "user"][:2] == ["Anna: first", "Bert: mine"]


async def test_anybody_may_interrupt_by_default():
    async with RoomWorld() as world:
        anna, bert = await world.person("Anna"), await world.person("Bert")
        await anna.say("tell me")
        await asyncio.sleep(1.5)
        sent = len(world.room.spoken)
        assert sent
        await bert.say("stop and listen to me")
        assert world.room.flushes == 1
        await asyncio.sleep(4)
        assert ("user", "Bert: stop and listen to me") in world.conversation()


async def test_only_whom_it_answers_may_interrupt_where_it_is_set_so():
    async with RoomWorld(rooms={"interrupted_by": "speaker"}) as world:
        anna, bert = await world.person("Anna"), await world.person("Bert")
        await anna.say("tell me")
        await asyncio.sleep(1)
        await bert.say("but I say", seconds=0.5)
        await asyncio.sleep(0.1)
        assert world.room.flushes == 0
        await asyncio.sleep(6)
        assert world.conversation()[:4] == [("user", "Anna: tell me"), ANSWER, ("user", "Bert: but I say"), ANSWER]
        await bert.say("tell me more")
        await asyncio.sleep(1.2)
        await bert.say("no wait please", seconds=0.4)
        assert world.room.flushes == 1


async def test_the_inviter_may_name_who_interrupts():
    async with RoomWorld(interrupters=("bert",)) as world:
        anna, bert = await world.person("Anna"), await world.person("Bert")
        await anna.say("tell me")
        await asyncio.sleep(1)
        await anna.say("stop it now", seconds=0.4)
        assert world.room.flushes == 0
        await bert.say("stop it now", seconds=0.4)
        await asyncio.sleep(0.6)
        assert world.room.flushes


async def test_it_answers_only_what_follows_its_name_where_it_is_set_so_and_writes_the_rest_all_the_same():
    async with RoomWorld(rooms={"answers": "addressed"}) as world:
        anna, bert = await world.person("Anna"), await world.person("Bert")
        await anna.say("shall we go")
        await asyncio.sleep(2)
        assert world.conversation() == []
        await bert.say("Ada, what time is it")
        await asyncio.sleep(3)
        assert world.conversation() == [("user", "Bert: what time is it"), ANSWER]
        await anna.say("I see")  # Bert woke it, not Anna
        await bert.say("thanks so much")
        await asyncio.sleep(3)
        assert world.conversation()[2] == ("user", "Bert: thanks so much")
        assert world.room.said("anna") == ["shall we go", "I see"]
        assert world.room.said("bert") == ["Ada, what time is it", "thanks so much"]


async def test_the_room_reads_along_and_sees_the_agents_state():
    async with RoomWorld() as world:
        anna = await world.person("Anna")
        anna.begins("what time is it")
        await asyncio.sleep(0.5)
        assert world.room.attributes["vox.listening_to"] == "anna"
        anna.partial("what time")
        anna.stops()
        await asyncio.sleep(3)
        assert world.room.said("anna", is_final=False) == ["what time"]
        assert world.room.said("anna") == ["what time is it"]
        assert len({line.segment for line in world.room.lines if line.speaker == "anna"}) == 1
        assert world.room.said("agent-1") == ["one two three four."]
        assert world.room.shown("lk.agent.state") == ["initializing", "listening", "thinking", "speaking", "listening"]
        assert world.room.shown("vox.listening_to") == ["anna", ""]
        assert world.heard == [("anna", "what time is it"), ("agent-1", "one two three four.")]


async def test_transcriptions_may_be_off():
    async with RoomWorld(rooms={"transcripts": False}) as world:
        anna = await world.person("Anna")
        await anna.say("hello there")
        await asyncio.sleep(3)
        assert world.room.lines == []
        assert world.heard[0] == ("anna", "hello there")


async def test_a_text_in_the_rooms_chat_is_answered_in_its_turn():
    async with RoomWorld() as world:
        anna, _ = await world.person("Anna"), await world.person("Bert")
        anna.begins("what time is it")
        world.room.tell(TextReceived("hello agent", CHAT_TOPIC, "bert"))
        world.room.tell(TextReceived("of something else", "files", "bert"))
        await asyncio.sleep(1)
        anna.stops()
        await asyncio.sleep(6)
        said = [text for role, text in world.conversation() if role == "user"]
        assert said == ["Anna: what time is it", "Bert: hello agent"]


async def test_other_agents_are_not_listened_to_unless_it_is_set_so():
    async with RoomWorld() as world:
        world.room.enters("agent-2", kind="agent")
        await asyncio.sleep(0.1)
        assert world.room.taps == {}
    async with RoomWorld(rooms={"hears_agents": True}) as world:
        world.room.enters("agent-2", kind="agent")
        await asyncio.sleep(0.1)
        assert world.room.taps == {"agent-2": True}


async def test_it_listens_to_so_many_at_once_and_to_those_who_spoke_last():
    async with RoomWorld(rooms={"max_speakers": 2}) as world:
        anna = await world.person("Anna")
        await world.person("Bert")
        await anna.say("hello")
        await asyncio.sleep(3)
        world.room.enters("carl", "Carl")
        await asyncio.sleep(0.1)
        assert world.room.taps == {"anna": True, "bert": False, "carl": True}


async def test_in_an_encrypted_room_it_says_and_shows_that_it_cannot_hear():
    async with RoomWorld() as world:
        world.room.enters("anna", encrypted=True)
        await asyncio.sleep(8)
        assert world.room.taps == {}
        assert world.room.attributes["vox.cannot_hear"] == "encrypted"
        assert " ".join(world.tts.spoken) == "This room is encrypted from end to end, so I cannot hear you."
        world.room.changes(Member("anna", "Anna", has_audio=True))
        await asyncio.sleep(0.1)
        assert "vox.cannot_hear" not in world.room.attributes
        assert world.room.taps == {"anna": True}


async def test_it_greets_when_it_comes_in_unless_it_is_set_not_to():
    async with RoomWorld(greeting="hello all") as world:
        await asyncio.sleep(3)
        assert world.tts.spoken == ["hello all"]
    async with RoomWorld(greeting="hello all", rooms={"greets": False}) as world:
        await asyncio.sleep(3)
        assert world.tts.spoken == []


async def test_it_leaves_a_room_without_people():
    async with RoomWorld(rooms={"empty_secs": 20}) as world:
        await world.person("Anna")
        world.room.enters("agent-2", kind="agent")
        await asyncio.sleep(60)
        assert not world.is_over
        world.room.leaves("anna")
        await asyncio.sleep(19)
        assert not world.is_over
        await asyncio.sleep(2)
        assert world.is_over
        assert world.room.has_left
        assert world.agent.session.end_reason == "room_empty"


async def test_it_is_out_once_the_relay_says_so():
    async with RoomWorld() as world:
        anna = await world.person("Anna")
        anna.begins("hello")
        world.room.tell(Removed("removed"))
        await asyncio.sleep(1)
        assert world.is_over
        assert world.agent.session.end_reason == "removed"


async def test_who_leaves_in_the_middle_of_a_sentence_is_understood_as_far_as_it_went():
    async with RoomWorld() as world:
        anna, bert = await world.person("Anna"), await world.person("Bert")
        anna.begins("what time is")
        await asyncio.sleep(0.5)
        world.room.leaves("anna")
        await asyncio.sleep(0.1)
        anna.stops()  # the detector hears the silence behind it
        await asyncio.sleep(3)
        assert world.conversation() == [("user", "Anna: what time is"), ANSWER]
        await bert.say("hello")
        await asyncio.sleep(3)
        assert world.conversation()[2:] == [("user", "Bert: hello"), ANSWER]
        assert world.detectors.all[0].is_closed


async def test_a_microphone_that_is_muted_in_the_middle_of_a_sentence_ends_the_turn():
    async with RoomWorld() as world:
        anna = await world.person("Anna")
        world.room.sounds("anna", b"\x01\x02" * 320)
        anna.begins("what time is it")
        await asyncio.sleep(0.02)
        world.room.tell(MemberChanged(Member("anna", "Anna", has_audio=False)))
        await asyncio.sleep(1)
        assert len(anna.detector.heard) == 640 + 32_000  # a second of silence, in which the detector hears the end
