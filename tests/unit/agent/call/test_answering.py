"""Calls that the agent makes, on virtual time: what follows when a person, a voicemail, a screening or a menu answers."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from tests.unit.agent.call_harness import RATE, Mind, World
from vox.protocols.agent_events import ServerMessage
from vox.providers.llm.contract import LlmEvent, LlmRequest, TextDelta, ToolCall

pytestmark = pytest.mark.usefixtures("virtual_loop")

GREETING = "hello this is ada."
VOICEMAIL = "please leave a message after the tone"
MESSAGE = "please call {{name}} back."
PERSON_LIKE = "this is the office of doctor miller we open at eight on weekdays"


def calling(mind: Mind | None = None, *, greeting: str = GREETING, **answering: Any) -> World:
    settings = {"detect": True, "voicemail_message": MESSAGE, **answering}
    return World(mind=mind, greeting=greeting, variables={"name": "Ada"}, answering=settings)


def outcomes(world: World) -> list[Any]:
    return [event.data["by"] for event in world.line.of(ServerMessage) if event.data["type"] == "answered-by"]


def beep() -> bytes:
    return (np.sin(2 * np.pi * 1000 * np.arange(RATE // 2) / RATE) * 9000).astype(np.int16).tobytes() + bytes(RATE)


async def test_a_person_who_says_hello_is_greeted():
    async with calling() as world:
        await asyncio.sleep(1)
        assert world.voice.spoken == []
        await world.say("hello")
        await asyncio.sleep(5)
        assert world.voice.spoken == [GREETING]
        assert world.conversation() == [("user", "hello"), ("assistant", GREETING)]
        assert outcomes(world) == ["person"]
        assert world.session.variables["answered_by"] == "person"
        await world.say("fine")
        await asyncio.sleep(5)
        assert world.voice.spoken[-1] == "one two three four."
        assert world.mind.requests[-1].variables["answered_by"] == "person"


async def test_without_a_greeting_the_model_answers_the_person():
    async with calling(greeting="") as world:
        await world.say("hello")
        await asyncio.sleep(5)
        assert world.voice.spoken == ["one two three four."]


async def test_one_who_says_nothing_is_greeted_after_a_while():
    async with calling(silence_secs=3.0) as world:
        await asyncio.sleep(2.9)
        assert world.voice.spoken == []
        await asyncio.sleep(3)
        assert world.voice.spoken == [GREETING]


async def test_a_message_is_left_behind_the_beep_and_the_call_ends():
    async with calling() as world:
        await asyncio.sleep(1)
        world.ear.texts.append(None)
        world.speech(True)
        await asyncio.sleep(2)
        world.partial(VOICEMAIL)
        await asyncio.sleep(4)
        assert world.voice.spoken == []  # its greeting goes on
        world.speech(False)
        await asyncio.sleep(0.2)
        world.session.audio(beep())
        await asyncio.sleep(0.5)
        assert world.voice.spoken == ["please call Ada back."]
        await asyncio.sleep(5)
        assert world.line.closed == (1000, "voicemail")
        assert outcomes(world) == ["voicemail"]
        assert world.mind.requests == []


async def test_without_a_beep_silence_behind_the_greeting_is_enough():
    async with calling(voicemail_quiet_secs=2.0) as world:
        await world.say(VOICEMAIL, seconds=3)
        await asyncio.sleep(1)
        world.speech(True)  # a second sentence
        await asyncio.sleep(3)
        world.speech(False)
        await asyncio.sleep(1.8)
        assert world.voice.spoken == []
        await asyncio.sleep(0.5)
        assert world.voice.spoken == ["please call Ada back."]


async def test_nothing_on_the_line_interrupts_the_message():
    async with calling() as world:
        await world.say(VOICEMAIL)
        await asyncio.sleep(3.5)
        assert world.voice.spoken
        sent = len(world.line.frames)
        world.early_voice(True)
        world.speech(True)
        await asyncio.sleep(0.4)
        assert len(world.line.frames) > sent + 15
        world.speech(False)
        await asyncio.sleep(5)
        assert world.line.clears == 0
        assert world.line.closed == (1000, "voicemail")


async def test_without_a_message_the_call_ends_at_once():
    async with calling(voicemail_message="") as world:
        await world.say(VOICEMAIL)
        await asyncio.sleep(1)
        assert world.line.closed == (1000, "voicemail")
        assert world.voice.spoken == []


async def test_a_greeting_without_end_is_given_up():
    async with calling() as world:
        world.ear.texts.append(None)
        world.speech(True)
        world.partial(VOICEMAIL)
        await asyncio.sleep(59)
        assert world.line.closed is None
        await asyncio.sleep(2)
        assert world.line.closed == (1000, "voicemail")


async def test_a_screening_is_told_who_calls_and_the_person_behind_it_greeted():
    async with calling(screening_message="ada about your order.") as world:
        await world.say("record your name and reason for calling", seconds=3)
        await asyncio.sleep(8)
        assert world.voice.spoken == ["ada about your order."]
        assert outcomes(world) == ["screening"]
        await asyncio.sleep(15)
        await world.say("hello")
        await asyncio.sleep(4)
        assert world.voice.spoken == ["ada about your order.", GREETING]
        assert outcomes(world) == ["screening", "person"]


async def test_a_screening_that_ends_in_a_voicemail_gets_the_message():
    async with calling(screening_message="ada about your order.") as world:
        await world.say("say your name and why you're calling")
        await asyncio.sleep(8)
        await world.say(VOICEMAIL)
        await asyncio.sleep(4)
        assert world.voice.spoken[-1] == "please call Ada back."


@pytest.mark.parametrize(("answer", "kind"), [("VOICEMAIL", "voicemail"), ("PERSON", "person"), ("no idea", "person")])
async def test_where_the_words_do_not_tell_the_model_is_asked(answer: str, kind: str):
    mind = Mind()
    mind.script = lambda request: [TextDelta(answer)]
    async with calling(mind) as world:
        await world.say(PERSON_LIKE, seconds=4)
        await asyncio.sleep(4)
        assert outcomes(world) == [kind]
        assert PERSON_LIKE in str(mind.requests[0].messages)
        assert world.voice.spoken == ["please call Ada back." if kind == "voicemail" else GREETING]


@pytest.mark.parametrize("script", [[60.0], [ValueError("no")]])
async def test_a_model_that_fails_or_takes_long_is_not_waited_for(script: list[Any]):
    mind = Mind()

    def answer(request: LlmRequest) -> list[LlmEvent | float]:
        if isinstance(script[0], Exception):
            raise script[0]
        return script

    mind.script = answer
    async with calling(mind) as world:
        await world.say(PERSON_LIKE, seconds=4)
        await asyncio.sleep(0.5 + 3.0 + 2.5)
        assert outcomes(world) == ["person"]
        assert world.voice.spoken == [GREETING]


async def test_a_menu_is_worked_with_keys_and_waiting_until_a_person_comes():
    mind = Mind()

    def navigate(request: LlmRequest) -> list[LlmEvent | float]:
        last = request.messages[-1]
        if last["role"] == "tool":
            return (
                []
                if "waiting" not in str(last["content"]) and "person" not in str(last["content"])
                else [TextDelta("hi there.")]
            )
        said = str(last["content"])
        if "press two" in said:
            return [ToolCall("k", "press_keys", json.dumps({"keys": "2"}))]
        if "hold" in said:
            return [ToolCall("w", "wait_for_menu", "{}")]
        if "billing how can" in said:
            return [ToolCall("l", "leave_menu", "{}")]
        return [TextDelta("yes.")]

    mind.script = navigate
    async with calling(mind, menu_goal="reach billing about {{name}}") as world:
        prompt = world.session.conversation.system_prompt
        world.line.takes_digits = True
        await world.say("for sales press one for billing press two", seconds=4)
        await asyncio.sleep(3)
        assert world.line.digits == ["2"]
        assert "reach billing about Ada" in world.session.conversation.system_prompt
        assert world.detector.params is not None
        assert world.detector.params.stop_s == 1.5
        await world.say("please hold the line", seconds=2)
        await asyncio.sleep(3)
        assert world.voice.spoken == []
        await world.say("billing how can i help you", seconds=2)
        await asyncio.sleep(4)
        assert world.voice.spoken == ["hi there."]
        assert world.session.conversation.system_prompt == prompt
        assert world.detector.params.stop_s == 0.2
        assert outcomes(world) == ["menu", "person"]


async def test_a_menu_without_a_goal_is_answered_like_a_person_and_offers_no_tools():
    async with calling() as world:
        await world.say("for sales press one", seconds=2)
        await asyncio.sleep(4)
        assert world.voice.spoken == [GREETING]
        await world.say("go")
        await asyncio.sleep(2)
        assert {"wait_for_menu", "press_keys"}.isdisjoint(spec.name for spec in world.mind.requests[-1].tools)


async def test_without_detection_nothing_waits():
    async with World(greeting=GREETING) as world:
        await asyncio.sleep(1)
        assert world.voice.spoken == [GREETING]
