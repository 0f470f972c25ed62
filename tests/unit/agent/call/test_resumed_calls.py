"""Calls that one session leaves at any moment and another takes up, on virtual time: nothing is said twice, nothing is lost."""

import asyncio
from typing import Any

import pytest

from tests.unit.agent.call_harness import Mind, World
from vox.agent.call import checkpoint
from vox.agent.call.checkpoint import Checkpoint
from vox.agent.tools.contract import Tool
from vox.protocols.agent_events import SentenceProgress
from vox.providers.llm.contract import LlmEvent, LlmRequest, TextDelta, ToolCall, ToolSpec

pytestmark = pytest.mark.usefixtures("virtual_loop")

WORDS = "one two three four. five six seven eight."


def taken(world: World) -> Checkpoint:
    """The state of a call as another process reads it; the call ends here."""
    saved = checkpoint.decode(checkpoint.encode(world.session.state.checkpoint()))
    world.session.hand_over()
    return saved


def saying(text: str) -> Mind:
    mind = Mind()
    mind.script = lambda request: [TextDelta(text)]
    return mind


async def test_between_two_turns_the_other_process_listens_and_does_not_greet_again():
    async with World(greeting="hello there.") as before:
        await asyncio.sleep(2)
        assert before.session.state.moment.is_between_turns
        saved = taken(before)
    async with World(greeting="hello there.", resume=saved) as after:
        await asyncio.sleep(2)
        assert after.voice.spoken == []
        await after.say("how are you")
        await asyncio.sleep(4)
        assert after.conversation() == [
            ("assistant", "hello there."),
            ("user", "how are you"),
            ("assistant", "one two three four."),
        ]
        known = {event.segment_id for event in before.line.of(SentenceProgress)}
        assert known.isdisjoint(event.segment_id for event in after.line.of(SentenceProgress)), (
            "clients know sentences by their ids"
        )


async def test_an_answer_goes_on_at_the_word_where_it_was_left():
    async with World(mind=saying(WORDS)) as before:
        await before.say("hi")
        await asyncio.sleep(0.5 + 2.6)  # the pause, and five words of half a second
        assert before.session.state.moment.is_answer_known
        saved = taken(before)
    assert before.voice.spoken == ["one two three four.", "five six seven eight."]
    async with World(mind=saying("never asked."), resume=saved) as after:
        await asyncio.sleep(3)
        assert after.mind.requests == []
        (spoken,) = after.voice.spoken
        assert spoken in {"six seven eight.", "five six seven eight."}, (
            "a word that was not heard to its end is said again"
        )
        assert after.conversation() == [("user", "hi"), ("assistant", WORDS)]


async def test_an_answer_that_changes_hands_twice_stays_one():
    async with World(mind=saying(WORDS)) as one:
        await one.say("hi")
        await asyncio.sleep(0.5 + 1.2)
        saved = taken(one)
    async with World(resume=saved) as two:
        await asyncio.sleep(1.2)
        again = taken(two)
    async with World(resume=again) as three:
        await asyncio.sleep(6)
        assert three.conversation() == [("user", "hi"), ("assistant", WORDS)]
        assert three.session.state.checkpoint().turns > saved.turns > 0


async def test_an_answer_of_which_nothing_was_heard_is_made_anew():
    mind = Mind()
    mind.script = lambda request: [5.0, TextDelta("too late.")]
    async with World(mind=mind) as before:
        await before.say("hi")
        await asyncio.sleep(1.5)
        assert not before.session.state.moment.is_answer_known
        saved = taken(before)
    async with World(resume=saved) as after:
        await asyncio.sleep(4)
        assert after.conversation() == [("user", "hi"), ("assistant", "one two three four.")]


async def test_the_greeting_is_gone_on_with_and_its_end_still_ends_the_call():
    async with World(greeting="one two three four. five six.", user_idle_timeout_secs=1, user_idle_max=1) as before:
        await asyncio.sleep(1.2)
        saved = taken(before)
    profile: dict[str, Any] = {"user_idle_timeout_secs": 1, "user_idle_max": 1}
    async with World(greeting="one two three four. five six.", resume=saved, **profile) as after:
        await asyncio.sleep(2.5)
        assert after.conversation() == [("assistant", "one two three four. five six.")]
        await asyncio.sleep(2)
        assert after.is_over, "a caller who stays silent is still hung up on"


async def test_a_text_behind_which_the_call_ends_ends_it_in_the_other_process():
    profile: dict[str, Any] = {"user_idle_timeout_secs": 1, "user_idle_max": 1, "user_idle_goodbye": "good bye to you."}
    async with World(**profile) as before:
        await before.say(None, 0.2)
        before.session.digit("#")
        await asyncio.sleep(2)
        saved = taken(before)
    assert saved.answer is not None
    assert saved.answer.end_reason == "idle"
    async with World(resume=saved, **profile) as after:
        await asyncio.sleep(3)
        assert after.line.closed == (1000, "idle")


async def test_a_caller_in_the_middle_of_a_turn_is_asked_again():
    async with World(not_understood="I missed that.") as before:
        before.speech(True)
        await asyncio.sleep(1)
        assert not before.session.state.moment.is_caller_silent
        saved = taken(before)
    async with World(not_understood="I missed that.", resume=saved) as after:
        await asyncio.sleep(2)
        assert after.voice.spoken == ["I missed that."]


async def test_keys_idle_counts_and_the_longest_duration_go_on():
    settings = {"rtc_max_duration_secs": 10}
    async with World(settings=settings, dtmf_timeout_secs=2.0, user_idle_timeout_secs=60) as before:
        before.session.audio(bytes(320))
        await asyncio.sleep(6)
        before.session.digit("4")
        assert not before.session.state.moment.is_between_turns, "an entry is not torn apart"
        saved = taken(before)
    assert (saved.digits, saved.talked_s) == ("4", pytest.approx(6, abs=0.1))
    async with World(settings=settings, dtmf_timeout_secs=2.0, resume=saved) as after:
        after.session.digit("2")
        after.session.digit("#")
        await asyncio.sleep(1)
        assert ("user", "DTMF: 42") in after.conversation()
        await asyncio.sleep(3.5)
        assert after.line.closed == (1000, "too_long")


def tool(*, is_cancellable: bool, ran: list[str]) -> dict[str, Tool]:
    async def run(call: ToolCall, _arguments: Any) -> str:
        ran.append(call.id)
        await asyncio.sleep(3)
        return "found"

    spec = ToolSpec("look_up", "", {"type": "object"})
    return {"look_up": Tool(spec, run, is_cancellable=is_cancellable)}


def asking() -> Mind:
    mind = Mind()

    def script(request: LlmRequest) -> list[LlmEvent | float]:
        results = [message for message in request.messages if message["role"] == "tool"]
        return [TextDelta(f"result {results[-1]['content']}")] if results else [ToolCall("c1", "look_up", "{}")]

    mind.script = script
    return mind


@pytest.mark.parametrize("is_cancellable", [True, False])
async def test_a_tool_in_flight_runs_again_under_its_id_or_is_told_to_be_uncertain(is_cancellable: bool):
    ran: list[str] = []
    async with World(mind=asking(), tools=tool(is_cancellable=is_cancellable, ran=ran)) as before:
        await before.say("look it up")
        await asyncio.sleep(1.5)
        assert not before.session.state.moment.is_answer_known
        saved = taken(before)
    assert saved.answer is not None
    assert saved.answer.is_owed
    mind = asking()
    async with World(mind=mind, tools=tool(is_cancellable=is_cancellable, ran=ran), resume=saved) as after:
        await asyncio.sleep(8)
        (request,) = mind.requests
        (result,) = [message["content"] for message in request.messages if message["role"] == "tool"]
        if is_cancellable:
            assert ran == ["c1", "c1"]
            assert result == '"found"'
        else:
            assert ran == ["c1"]
            assert "not known whether it was done" in (result or "")
        assert after.conversation()[-1][1] is not None


async def test_what_was_said_while_a_prompt_had_variables_is_filled_as_before():
    prompt = "You serve {{name}}."
    async with World(system_prompt=prompt, variables={"name": "Ann"}) as before:
        await before.say("hi")
        await asyncio.sleep(4)
        saved = taken(before)
    async with World(system_prompt=prompt, resume=saved) as after:
        assert after.session.conversation.messages()[0]["content"] == "You serve Ann."
        assert after.session.variables["name"] == "Ann"
