"""What goes wrong in a call stays in that call, and what can be saved of it is: races, failing drivers, failing lines."""

import asyncio
from typing import Any

import pytest

from tests.unit.agent.call_harness import World
from vox.agent.call.limits import CallLimits
from vox.agent.call.session import MAX_TEXT
from vox.agent.config.resources import Resources
from vox.agent.tools.contract import Tool
from vox.errors import DependencyError, UsageError
from vox.protocols.agent_events import (
    AgentError,
    BotInterrupted,
    ClientAudio,
    ClientContext,
    ClientDisconnect,
    ClientSpeak,
    ClientText,
    ResponseStarted,
    ResponseStopped,
    SentenceProgress,
    SpeakingChanged,
    TurnMetrics,
)
from vox.providers.llm.contract import TextDelta, ToolCall, ToolSpec

pytestmark = pytest.mark.usefixtures("virtual_loop")
LONG = "one two three four five six seven eight. " * 5


async def test_a_voice_that_still_speaks_when_its_answer_was_cut_is_not_heard_in_the_next_one():
    async with World() as world:
        world.voice.word_delay_s = 0.3
        world.mind.closing_s = 2.0
        world.mind.script = lambda request: [TextDelta(LONG), 60.0]
        await world.say("go")
        await asyncio.sleep(0.5 + 1.0)
        world.mind.script = lambda request: [TextDelta("fine.")]
        await world.say("no not that", seconds=0.8)
        frames = len(world.line.frames)
        await asyncio.sleep(5)
        assert world.line.closed is None
        assert world.sent_seconds() - frames * 0.02 == pytest.approx(0.5)
        assert world.conversation()[-2:] == [("user", "no not that"), ("assistant", "fine.")]


async def test_a_stream_that_is_slow_to_close_does_not_end_the_next_answer_before_it_has_begun():
    async with World() as world:
        world.mind.closing_s = 0.4
        world.mind.script = lambda request: [5.0, TextDelta("never.")]
        await world.say("go")
        await asyncio.sleep(0.8)
        world.mind.script = lambda request: [1.0, TextDelta("one two.")]
        await world.say("no")
        await asyncio.sleep(5)
        assert world.conversation() == [("user", "go no"), ("assistant", "one two.")]
        started = [type(event) for event in world.line.events if isinstance(event, ResponseStarted | ResponseStopped)]
        assert started == [ResponseStarted, ResponseStopped] * 2


@pytest.mark.parametrize("turns_of_the_loop", range(8))
async def test_an_answer_cut_in_the_moment_it_fails_does_not_touch_the_next_one(turns_of_the_loop: int):
    async with World(error_message="sorry.") as world:
        world.voice.error, world.voice.first_delay_s = DependencyError("gone", code="tts_failed"), 1.0
        world.session.receive(ClientText("go"))
        await asyncio.sleep(1.0)  # the moment at which synthesis fails
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        world.session.receive(ClientText("again"))
        world.voice.error = None
        await asyncio.sleep(5)
        assert world.conversation()[-1] == ("assistant", "one two three four.")
        assert world.voice.spoken[-1] == "one two three four."
        assert world.sent_seconds() == 2.0


@pytest.mark.parametrize("error", [DependencyError("down", code="stt_failed"), ValueError("a driver's bug")])
async def test_a_recogniser_that_fails_in_whatever_way_costs_one_turn(error: Exception):
    async with World(not_understood="pardon.") as world:
        world.ear.error = error
        await world.say("lost")
        await asyncio.sleep(2)
        assert world.voice.spoken == ["pardon."]
        world.ear.error = None
        await world.say("again")
        await asyncio.sleep(4)
        assert world.conversation()[-1] == ("assistant", "one two three four.")
        assert world.line.closed is None
        assert world.counted('stt_errors_total{error_type="provider_error",model="",session_id="",stage="stt"}') == 1


async def test_a_recogniser_that_cannot_begin_is_reported_and_the_call_goes_on():
    async with World() as world:
        world.ear.start_error = DependencyError("no room", code="provider_busy")
        await world.say("")
        await asyncio.sleep(1)
        assert "provider_busy" in world.line.of(AgentError)[0].message
        world.ear.start_error = None
        await world.say("hello")
        await asyncio.sleep(3)
        assert ("user", "hello") in world.conversation()


@pytest.mark.parametrize("stage", ["mind", "voice"])
async def test_a_drivers_bug_in_an_answer_is_apologised_for_and_the_call_goes_on(stage: str):
    async with World(error_message="sorry.") as world:
        if stage == "mind":
            world.mind.script = lambda request: [TextDelta(str(1 // 0))]
        else:
            world.voice.error, world.voice.fails_after = KeyError("words"), 2
        await world.say("go")
        await asyncio.sleep(2)
        world.voice.error, world.mind.script = None, lambda request: [TextDelta("back.")]
        assert world.line.of(AgentError) == [AgentError("the answer failed")]
        await asyncio.sleep(2)
        await world.say("again")
        await asyncio.sleep(3)
        assert world.conversation()[-1] == ("assistant", "back.")
        assert world.voice.spoken[-1] == "back."
        assert world.line.closed is None


async def test_speech_that_fails_in_the_middle_is_kept_as_far_as_it_was_heard():
    async with World(error_message="") as world:
        world.voice.error, world.voice.fails_after = DependencyError("gone", code="tts_failed"), 2
        await world.say("go")
        await asyncio.sleep(4)
        assert world.sent_seconds() == 1.0
        said = world.conversation()[-1]
        assert said[0] == "assistant"
        assert "one two three four.".startswith(said[1] or "-")
        assert world.line.of(SpeakingChanged)[-1] == SpeakingChanged("bot", is_speaking=False)


@pytest.mark.parametrize("begins", ["audio", "edge", "timer", "client"])
async def test_a_bug_in_whatever_the_call_is_told_ends_that_call_with_1011_and_nothing_else(begins: str):
    async with World() as world:
        if begins == "audio":
            world.detector.error = RuntimeError("bug")
            world.session.audio(b"\0" * 320)
        elif begins == "edge":
            world.line.error = RuntimeError("bug")
            world.speech(True)
        elif begins == "timer":
            world.speech(True)
            world.speech(False)
            world.ear.texts.append("go")
            await asyncio.sleep(0.4)
            world.line.error = RuntimeError("bug")
            await asyncio.sleep(0.2)
        else:
            world.line.error = RuntimeError("bug")
            world.session.receive(ClientText("hi"))
        await asyncio.sleep(1)
        assert world.line.closed == (1011, "internal error")
        assert world.is_over
        assert world.detector.is_closed
        assert world.ear.is_closed
        assert world.counted('vox_agent_calls_ended_total{reason="failed"}') == 1


async def test_a_line_that_takes_no_audio_ends_the_call_instead_of_leaving_it_mute():
    async with World() as world:
        await world.say("go")
        world.line.audio_error = RuntimeError("the codec's bug")
        await asyncio.sleep(2)
        assert world.line.closed == (1011, "failed")
        assert world.is_over


async def test_a_recogniser_that_does_not_close_does_not_hold_the_calls_place():
    world = World()
    async with world:
        world.ear.closing_s = 3600
        world.session.hang_up()
        await asyncio.sleep(4)
        assert world.is_over
        assert world.counted('vox_agent_calls_ended_total{reason="hung_up"}') == 1


async def test_what_comes_after_the_end_changes_nothing():
    async def slow(call: ToolCall, arguments: Any) -> str:
        await asyncio.sleep(3)
        return "done"

    async with World(tools={"slow": Tool(ToolSpec("slow", "", {}), slow)}) as world:
        world.mind.script = lambda request: [ToolCall("t", "slow", "{}")]
        await world.say("go")
        await asyncio.sleep(1)
        world.session.receive(ClientDisconnect())
        for message in (ClientSpeak("hello"), ClientText("hi"), ClientContext([], run=True)):
            world.session.receive(message)
        world.session.digit("5")
        world.speech(True)
        world.session.mark_reached("1:0")
        await asyncio.sleep(1)
        assert not world.is_over  # the tool finishes
        await asyncio.sleep(2)
        assert world.is_over
        assert world.voice.spoken == []
        assert len(world.mind.requests) == 1
        assert ("tool", '"done"') in world.conversation()
        assert world.line.closed == (1000, "client_left")


async def test_a_tool_that_never_ends_delays_the_end_of_the_call_by_its_grace_only():
    async def endless(call: ToolCall, arguments: Any) -> None:
        await asyncio.sleep(10_000)

    tools = {"endless": Tool(ToolSpec("endless", "", {}), endless)}
    async with World(tools=tools, tool_timeout_secs=9000) as world:
        world.mind.script = lambda request: [ToolCall("t", "endless", "{}")]
        await world.say("go")
        await asyncio.sleep(1)
        world.session.hang_up()
        await asyncio.sleep(9.9)
        assert not world.is_over
        await asyncio.sleep(0.2)
        assert world.is_over


async def test_a_call_that_is_cancelled_from_outside_ends_at_once_and_gives_everything_back():
    world = World()
    async with world:
        world.mind.script = lambda request: [TextDelta("one. "), 60.0]
        await world.say("go")
        await asyncio.sleep(0.8)
        world.cancel()
        await asyncio.sleep(0.1)
        assert world.is_over
        assert world.detector.is_closed
        assert world.ear.is_closed


async def test_a_session_that_never_ran_can_be_given_back_too():
    world = World()
    world.session.release()
    assert world.detector.is_closed


async def test_an_ear_that_cannot_open_leaves_no_detector_behind():
    world = World(input_rate=0)

    def no_stream(*_args: object, **_options: object) -> Any:
        raise RuntimeError("a driver's bug")

    world.ear.open_stream = no_stream
    async with world:
        world.session.receive(ClientAudio(b"\0\0", 8000))
        assert world.detector.is_closed
        assert world.line.closed == (1011, "internal error")


async def test_client_messages_before_the_call_has_begun_are_kept_in_order_and_bounded():
    world = World()
    for number in range(100):
        world.session.receive(ClientText(f"text {number}", run=False))
    async with world:
        said = [text for role, text in world.conversation() if role == "user"]
        assert said == [f"text {number}" for number in range(36, 100)]


async def test_texts_beyond_the_limit_are_refused():
    async with World() as world:
        for message in (ClientText("x" * (MAX_TEXT + 1)), ClientSpeak("x" * (MAX_TEXT + 1))):
            world.session.receive(message)
        await asyncio.sleep(1)
        assert world.conversation() == []
        assert world.voice.spoken == []
        assert len(world.line.of(AgentError)) == 2


async def test_replacing_the_conversation_while_the_agent_speaks_leaves_it_able_to_listen():
    async with World(allow_interruptions=False) as world:
        await world.say("go")
        await asyncio.sleep(1)
        world.session.receive(ClientContext([{"role": "user", "content": "else"}], replace=True))
        await asyncio.sleep(1)
        assert world.line.clears == 1
        await world.say("hello")
        await asyncio.sleep(4)
        assert world.conversation() == [
            ("user", "else"),
            ("user", "hello"),
            ("assistant", "one two three four."),
        ]


async def test_a_refused_rewrite_does_not_cut_the_agent_off():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(1)
        world.session.receive(ClientContext([{"role": "nobody"}], replace=True))
        await asyncio.sleep(3)
        assert world.line.clears == 0
        assert world.conversation()[-1] == ("assistant", "one two three four.")


async def test_a_silent_answer_to_nothing_does_not_silence_the_next_one():
    async with World() as world:
        world.session.receive(ClientText("  ", speak=False))
        await world.say("go")
        await asyncio.sleep(4)
        assert world.sent_seconds() == 2.0


async def test_each_sentence_of_a_silent_answer_has_its_own_name():
    async with World() as world:
        world.mind.script = lambda request: [TextDelta("one. two. three.")]
        world.session.receive(ClientText("hi", speak=False))
        await asyncio.sleep(1)
        shown = world.line.of(SentenceProgress)
        assert [one.text for one in shown] == ["one.", "two.", "three."]
        assert len({one.segment_id for one in shown}) == 3


async def test_a_model_that_only_calls_tools_is_stopped_and_apologised_for():
    async def again(call: ToolCall, arguments: Any) -> str:
        return "again"

    tools = {"again": Tool(ToolSpec("again", "", {}), again)}
    async with World(tools=tools, max_tool_rounds=3, error_message="sorry.") as world:
        world.mind.script = lambda request: [ToolCall("t", "again", "{}")]
        await world.say("go")
        await asyncio.sleep(3)
        assert len(world.mind.requests) == 3
        assert world.voice.spoken == ["sorry."]
        assert world.conversation()[-1] == ("assistant", "sorry.")


async def test_an_agent_that_ends_the_call_without_a_word_ends_it():
    async with World() as world:
        world.mind.script = lambda request: [ToolCall("e", "end_call", "{}")]
        await world.say("bye")
        await asyncio.sleep(1)
        assert world.line.closed == (1000, "agent_ended")


async def test_a_caller_who_cuts_in_on_the_farewell_keeps_the_call():
    async with World() as world:
        world.mind.script = lambda request: [TextDelta("good bye to you."), ToolCall("e", "end_call", "{}")]
        await world.say("bye")
        await asyncio.sleep(1.0)
        world.mind.script = lambda request: [TextDelta("yes.")]
        await world.say("one more thing", seconds=0.8)
        await asyncio.sleep(5)
        assert world.line.closed is None
        assert world.conversation()[-1] == ("assistant", "yes.")


async def test_what_is_said_unasked_is_not_counted_as_a_response():
    async with World(user_idle_timeout_secs=5, user_idle_prompt="still there.") as world:
        await world.say("", seconds=0.1)
        await asyncio.sleep(12)
        assert world.voice.spoken[0] == "still there."
        assert all(numbers.response_s is None for numbers in world.line.of(TurnMetrics))


async def test_keys_are_answered_in_the_time_since_the_last_key():
    async with World() as world:
        await world.say("", seconds=0.1)
        await asyncio.sleep(30)
        world.session.digit("1")
        world.session.digit("#")
        await asyncio.sleep(3)
        assert world.line.of(TurnMetrics)[0].response_s == pytest.approx(0.0, abs=0.02)


async def test_the_longest_call_counts_from_the_first_audio():
    async with World(settings={"rtc_max_duration_secs": 10}) as world:
        await asyncio.sleep(20)
        assert world.line.closed is None
        world.session.audio(b"\0" * 320)
        await asyncio.sleep(9.9)
        assert world.line.closed is None
        await asyncio.sleep(0.2)
        assert world.line.closed == (1000, "too_long")
        assert world.is_over


async def test_an_agent_may_have_a_longest_call_of_its_own():
    async with World(settings={"rtc_max_duration_secs": 10}, max_call_secs=30) as world:
        world.session.audio(b"\0" * 320)
        await asyncio.sleep(29)
        assert world.line.closed is None
        await asyncio.sleep(1.1)
        assert world.line.closed == (1000, "too_long")


async def test_the_longest_call_counts_from_a_clients_first_audio_too():
    async with World(settings={"rtc_max_duration_secs": 10}, input_rate=0) as world:
        await asyncio.sleep(5)
        world.session.receive(ClientAudio(b"\0\0" * 160, 16_000))
        await asyncio.sleep(8)
        world.session.receive(ClientAudio(b"\0\0" * 160, 16_000))
        await asyncio.sleep(2.1)
        assert world.line.closed == (1000, "too_long")


async def test_a_peer_without_a_message_is_given_up_but_not_while_the_agent_speaks():
    async with World(settings={"session_inactivity_secs": 5}) as world:
        world.session.receive(ClientSpeak(LONG))  # 20 s
        await asyncio.sleep(19)
        assert world.line.closed is None
        await asyncio.sleep(5)
        assert world.line.closed is None
        world.session.heard_from(asyncio.get_running_loop().time())
        await asyncio.sleep(4.9)
        assert world.line.closed is None
        await asyncio.sleep(6)
        assert world.line.closed == (1000, "silent_peer")


async def test_limits_that_are_off_set_no_timer():
    ended: list[str] = []
    world = World()
    limits = CallLimits(
        world.resources.clock, max_duration_s=0, max_silence_s=0, is_busy=lambda: False, on_end=ended.append
    )
    limits.open()
    limits.first_audio()
    await asyncio.sleep(100_000)
    limits.close()
    assert ended == []


async def test_a_client_without_playing_audio_is_told_of_an_interruption_only_once():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(1)
        await world.say("no not that", seconds=0.8)
        await asyncio.sleep(4)
        assert world.line.clears == 1
        assert world.line.of(BotInterrupted) == []  # this line's clear is its own word for it


async def test_resources_used_before_they_are_open_say_so():
    world = World()
    with pytest.raises(UsageError):
        Resources(world.resources.settings, world.resources.clock, world.metrics, {}).call_control("twilio")
