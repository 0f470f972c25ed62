"""From the model's text to what is spoken, shown and remembered, and how often clients hear of it."""

import asyncio
import json

import pytest

from tests.unit.agent.call_harness import World
from vox.protocols.agent_events import ResponseText, SentenceProgress, SpeechStarted
from vox.protocols.agent_json import JsonCodec
from vox.protocols.rtvi import RtviCodec, client_message
from vox.providers.llm.contract import TextDelta

pytestmark = pytest.mark.usefixtures("virtual_loop")


async def answered(world: World, *pieces: str, seconds: float = 12.0) -> None:
    world.mind.script = lambda request: [TextDelta(piece) for piece in pieces]
    await world.say("go")
    await asyncio.sleep(seconds)


async def test_marks_are_shown_and_remembered_but_not_spoken():
    async with World() as world:
        await answered(world, "It is on **Mon", "day**.\n## Next\n- See [our site](https://example.com/a_b)\n")
        assert world.voice.spoken == ["It is on Monday.", "Next", "See our site"]
        assert world.conversation()[-1] == (
            "assistant",
            "It is on **Monday**. ## Next - See [our site](https://example.com/a_b)",
        )
        over = [event for event in world.line.of(SentenceProgress) if event.status == "completed"]
        assert (over[0].spoken, over[0].voiced) == ("It is on **Monday**.", "It is on Monday.")


async def test_thoughts_are_neither_spoken_nor_shown_nor_remembered():
    async with World() as world:
        await answered(world, "<thi", "nk>\nThe user", " greets.</th", "ink>\n\nHello ", "there!")
        assert world.voice.spoken == ["Hello there!"]
        assert "".join(event.text for event in world.line.of(ResponseText)) == "Hello there!"
        assert world.conversation()[-1] == ("assistant", "Hello there!")


async def test_code_and_emoji_are_shown_between_what_is_spoken():
    async with World() as world:
        await answered(world, "Try this:\n```\nprint(1)\n```\n😀\nGood?")
        assert world.voice.spoken == ["Try this:", "Good?"]
        shown = [event for event in world.line.of(SentenceProgress) if event.status == "new"]
        assert [(event.text, event.will_be_spoken) for event in shown] == [
            ("Try this:", True),
            ("```", False),
            ("print(1)", False),
            ("```", False),
            ("😀", False),
            ("Good?", True),
        ]
        assert world.conversation()[-1] == ("assistant", "Try this: ``` print(1) ``` 😀 Good?")


async def test_an_open_block_of_code_does_not_silence_the_next_answer():
    async with World() as world:
        await answered(world, "```\ncode", seconds=2)
        await answered(world, "Hello.", seconds=4)
        assert world.voice.spoken == ["Hello."]


async def test_nothing_to_speak_is_no_speech():
    async with World() as world:
        await answered(world, "😀")
        assert world.voice.spoken == []
        assert not world.line.of(SpeechStarted)
        assert world.conversation()[-1] == ("assistant", "😀")


async def test_after_a_barge_in_the_conversation_ends_in_what_was_shown_of_it():
    async with World() as world:
        world.mind.script = lambda request: [TextDelta("One **two** three four.")]
        await world.say("go")
        await asyncio.sleep(0.5 + 1.2)
        await world.say("stop", seconds=0.4)
        await asyncio.sleep(3)
        assert world.conversation()[1] == ("assistant", "One **two**")


@pytest.mark.parametrize("version", ["1.2.0", "2.2.0", ""])
@pytest.mark.parametrize("is_cut", [False, True])
async def test_a_client_hears_each_sentence_once_and_each_word_once(version: str, is_cut: bool):
    async with World(has_marks=False) as world:
        world.mind.script = lambda request: [TextDelta("One two **three**. Four five six. Seven eight.")]
        await world.say("go")
        await asyncio.sleep(3.2 if is_cut else 12)
        if is_cut:
            await world.say("stop", seconds=0.4)
            world.mind.script = lambda request: []
            await asyncio.sleep(3)
        codec = RtviCodec()
        if version:
            codec.receive(client_message("client-ready", {"version": version}))
        messages = [json.loads(text) for event in world.line.events for text in codec.encode(event)]
    said = [message["data"]["text"] for message in messages if message["type"] == "bot-transcription"]
    assert said == ["One two **three**.", "Four five six.", "Seven eight."]
    voiced = " ".join(message["data"]["text"] for message in messages if message["type"] == "bot-tts-text")
    assert voiced == ("One two three. Four five" if is_cut else "One two three. Four five six. Seven eight.")
    outputs = [message["data"] for message in messages if message["type"] == "bot-output"]
    if version == "2.2.0":
        for text in said:
            states = [output["spoken_status"] for output in outputs if output["text"] == text]
            assert states.count("new") == states.count("completed") == 1
            assert states[0] == "new"
            assert states[-1] == "completed"
    else:
        assert [output["text"] for output in outputs if not output["spoken"]] == said
        over = [output["text"] for output in outputs if output["spoken"]]
        assert over == (["One two **three**.", "Four five"] if is_cut else said)


async def test_a_client_of_json_frames_hears_each_sentence_once():
    async with World(has_marks=False) as world:
        await answered(world, "One two three. Four five six. Seven eight.")
        frames = [json.loads(text) for event in world.line.events for text in JsonCodec().encode(event)]
    texts = [frame["data"]["text"] for frame in frames if frame["type"] == "AggregatedTextFrame"]
    assert texts == ["One two three.", "Four five six.", "Seven eight."]
