"""Whole calls on virtual time: what the caller hears, what the client is told, what the conversation keeps."""

import asyncio
from typing import Any

import pytest

from tests.unit.agent.call_harness import RATE, Mind, Voice, World
from vox.agent.tools.contract import Tool
from vox.errors import DependencyError
from vox.media.dtmf import tone
from vox.protocols.agent_events import (
    AgentError,
    AgentReady,
    ClientContext,
    ClientReady,
    ClientText,
    ClientToolResult,
    SentenceProgress,
    SpeakingChanged,
    ToolProgress,
    TurnMetrics,
    UserTranscript,
)
from vox.providers.llm.contract import LlmEvent, LlmRequest, Message, TextDelta, ToolCall, ToolSpec
from vox.providers.stt.contract import Alternative, Transcript
from vox.providers.tts.contract import CallVoice

pytestmark = pytest.mark.usefixtures("virtual_loop")


async def test_a_question_is_answered_in_real_time_and_both_sides_enter_the_conversation():
    async with World() as world:
        await world.say("how are you")
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(4)
        first = world.line.frames[0][0]
        assert first == pytest.approx(began + 0.5, abs=0.01)  # the pause that ends a turn, and nothing on top
        gaps = [late[0] - early[0] for early, late in zip(world.line.frames[1:], world.line.frames[2:], strict=False)]
        assert gaps == pytest.approx([0.02] * len(gaps), abs=1e-6)
        assert world.sent_seconds() == 2.0
        assert world.conversation() == [("user", "how are you"), ("assistant", "one two three four.")]


async def test_the_greeting_is_spoken_first_with_the_sessions_variables():
    async with World(greeting="hello {{name}}.", variables={"name": "Ada"}) as world:
        await asyncio.sleep(3)
        assert world.voice.spoken == ["hello Ada."]
        assert world.conversation() == [("assistant", "hello Ada.")]


async def test_after_a_barge_in_the_conversation_holds_exactly_what_was_played():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(0.5 + 1.2)  # two words and a bit of the third
        sent = len(world.line.frames)
        await world.say("no not that", seconds=1.0)
        assert world.line.clears == 1
        assert len(world.line.frames) == sent  # silent from the first moment of the speech
        await asyncio.sleep(3)
        assert world.conversation()[:3] == [("user", "go"), ("assistant", "one two"), ("user", "no not that")]
        completed = [event for event in world.line.of(SentenceProgress) if event.status == "completed"]
        assert (completed[0].spoken, completed[0].remaining) == ("one two", "three four.")


async def test_a_cough_pauses_the_answer_which_then_goes_on_to_its_end():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(0.5 + 0.7)
        await world.say("", seconds=0.3)
        await asyncio.sleep(5)
        assert world.sent_seconds() == pytest.approx(2.0, abs=0.05)  # a frame under way is sent again
        assert world.conversation() == [("user", "go"), ("assistant", "one two three four.")]
        assert "vox_agent_false_interruptions_total 1.0" in world.metrics.render().decode()


async def test_words_before_anything_was_audible_join_the_same_turn():
    async with World() as world:
        world.mind.script = lambda request: [2.0, TextDelta("fine.")]
        await world.say("a table")
        await asyncio.sleep(0.8)
        await world.say("for four")
        await asyncio.sleep(5)
        assert world.conversation() == [("user", "a table for four"), ("assistant", "fine.")]
        assert world.mind.cancelled == 1


async def test_speech_is_synthesised_while_the_model_still_writes():
    async with World() as world:
        world.mind.script = lambda request: [TextDelta("one. "), TextDelta("two"), 3.0, TextDelta(" three.")]
        await world.say("go")
        await asyncio.sleep(1)
        assert world.voice.spoken == ["one."]
        await asyncio.sleep(5)
        assert world.voice.spoken == ["one.", "two three."]
        assert world.conversation()[-1] == ("assistant", "one. two three.")


async def test_a_recogniser_that_never_answers_does_not_hang_the_call():
    async with World(not_understood="pardon.", user_turn_stop_timeout_secs=2) as world:
        await world.say(None)
        await asyncio.sleep(0.5 + 2 + 0.01)
        assert world.voice.spoken == ["pardon."]
        await asyncio.sleep(2)
        await world.say("again")
        await asyncio.sleep(3)
        assert ("user", "again") in world.conversation()


async def test_a_model_that_fails_is_reported_apologised_for_and_the_call_goes_on():
    def fail(request: LlmRequest) -> list[LlmEvent | float]:
        raise DependencyError("the vendor is down", code="llm_failed", retryable=True)

    async with World(error_message="sorry.") as world:
        world.mind.script = fail
        await world.say("go")
        await asyncio.sleep(2)
        assert world.voice.spoken == ["sorry."]
        assert "llm_failed" in world.line.of(AgentError)[0].message
        world.mind.script = lambda request: [TextDelta("back.")]
        await world.say("again")
        await asyncio.sleep(2)
        assert world.conversation()[-1] == ("assistant", "back.")


async def test_a_voice_that_fails_leaves_only_what_was_heard():
    async with World(error_message="sorry.") as world:
        world.voice.error = DependencyError("no voice", code="tts_failed")
        await world.say("go")
        await asyncio.sleep(2)
        assert world.conversation() == [("user", "go")]
        assert world.line.frames == []
        assert world.line.of(AgentError)


def tool_then_text(request: LlmRequest) -> list[LlmEvent | float]:
    if request.messages[-1]["role"] == "tool":
        return [TextDelta("booked.")]
    return [TextDelta("one moment please. "), ToolCall("t1", "book", '{"people": 4}')]


async def test_a_tool_runs_and_the_model_goes_on_with_its_result():
    runs: list[Any] = []

    async def book(call: ToolCall, arguments: Any) -> dict[str, bool]:
        runs.append(dict(arguments))
        await asyncio.sleep(0.3)
        return {"ok": True}

    async with World(tools={"book": Tool(ToolSpec("book", "", {}), book)}) as world:
        world.mind.script = tool_then_text
        await world.say("book it")
        await asyncio.sleep(5)
        assert runs == [{"people": 4}]
        assert world.conversation() == [
            ("user", "book it"),
            ("assistant", "one moment please."),
            ("tool", '{"ok":true}'),
            ("assistant", "booked."),
        ]
        assert [event.status for event in world.line.of(ToolProgress)] == ["started", "in-progress", "stopped"]


async def test_a_tool_cut_off_by_the_caller_still_finishes_once_and_leaves_its_result():
    runs = 0

    async def book(call: ToolCall, arguments: Any) -> str:
        nonlocal runs
        await asyncio.sleep(4)
        runs += 1
        return "done"

    async with World(tools={"book": Tool(ToolSpec("book", "", {}), book)}) as world:
        world.mind.script = tool_then_text
        await world.say("book it")
        await asyncio.sleep(0.5 + 0.7)
        world.mind.script = lambda request: [TextDelta("yes.")]
        await world.say("hello")
        await asyncio.sleep(6)
        assert runs == 1
        assert ("tool", '"done"') in world.conversation()
        assert world.conversation()[1] == ("assistant", "one")


async def test_the_client_may_run_the_tool():
    described = {"name": "book", "description": "", "parameters": {"type": "object"}}
    async with World(client_tools=[described]) as world:
        world.mind.script = tool_then_text
        await world.say("book it")
        await asyncio.sleep(1)
        asked = next(event for event in world.line.of(ToolProgress) if event.status == "in-progress")
        assert asked.arguments == {"people": 4}
        world.session.receive(ClientToolResult(asked.call_id, "book", {}, {"ok": 1}))
        await asyncio.sleep(4)
        assert world.conversation()[-2:] == [("tool", '{"ok":1}'), ("assistant", "booked.")]


async def test_the_agent_may_end_the_call_and_says_good_bye_first():
    async with World() as world:
        world.mind.script = lambda request: [TextDelta("good bye."), ToolCall("e", "end_call", "{}")]
        await world.say("bye")
        await asyncio.sleep(0.6)
        assert world.line.closed is None
        await asyncio.sleep(3)
        assert world.sent_seconds() == 1.0
        assert world.line.closed == (1000, "agent_ended")


async def test_typed_text_is_answered_aloud_or_silently():
    async with World() as world:
        world.session.receive(ClientReady("7"))
        world.session.receive(ClientText("hi"))
        await asyncio.sleep(3)
        assert world.line.of(AgentReady) == [AgentReady("7", world.session.info.call_id)]
        assert world.sent_seconds() == 2.0
        world.session.receive(ClientText("hi again", speak=False))
        await asyncio.sleep(3)
        assert world.sent_seconds() == 2.0
        assert world.conversation()[-1] == ("assistant", "one two three four.")


async def test_what_the_client_is_told_is_in_the_order_in_which_it_happens():
    async with World() as world:
        await world.say("go")
        await asyncio.sleep(4)
        told = [type(event).__name__ for event in world.line.events if not isinstance(event, SentenceProgress)]
        assert told == [
            "SpeakingChanged",
            "SpeakingChanged",
            "UserTranscript",
            "ResponseStarted",
            "ResponseText",
            "ResponseStopped",
            "SpeechStarted",
            "SpeakingChanged",
            "TurnMetrics",
            "SpeechStopped",
            "SpeakingChanged",
        ]
        assert world.line.of(UserTranscript)[0].text == "go"
        assert world.line.of(SpeakingChanged)[-1] == SpeakingChanged("bot", is_speaking=False)
        assert world.line.of(TurnMetrics)[0].response_s == pytest.approx(0.5 + 0.2, abs=0.02)


async def test_keys_are_one_turn():
    async with World() as world:
        for key in "12":
            world.session.digit(key)
        await asyncio.sleep(2.1)
        assert world.conversation()[0] == ("user", "DTMF: 12")


async def test_a_line_without_marks_estimates_what_was_heard():
    async with World(has_marks=False) as world:
        await world.say("go")
        await asyncio.sleep(0.5 + 1.2)
        await world.say("no not that", seconds=1.0)
        await asyncio.sleep(1)
        assert world.conversation()[1] == ("assistant", "one two")


async def test_an_application_may_rewrite_the_conversation_and_run_it():
    async with World() as world:
        world.session.receive(ClientContext([{"role": "user", "content": "sum up"}], replace=True, run=True))
        await asyncio.sleep(3)
        assert world.conversation() == [("user", "sum up"), ("assistant", "one two three four.")]
        world.session.receive(ClientContext([{"role": "nobody"}]))
        assert world.line.of(AgentError)


async def test_the_recogniser_gets_what_was_said_before_the_detector_noticed():
    async with World(turn_pre_speech_ms=100, vad_start_secs_vad=0.1) as world:
        for number in range(20):
            world.session.audio(bytes([number, 0]) * 160)
        await world.say("go")
        assert world.ear.heard == b"".join(bytes([number, 0]) * 160 for number in range(10, 20))


async def test_an_idle_caller_is_asked_and_then_the_call_ends():
    profile: dict[str, Any] = {
        "greeting": "hi.",
        "user_idle_timeout_secs": 5,
        "user_idle_prompt": "still there.",
        "user_idle_max": 2,
    }
    async with World(**profile) as world:
        await asyncio.sleep(20)
        assert world.voice.spoken == ["hi.", "still there."]
        assert world.line.closed == (1000, "idle")


async def test_hanging_up_in_the_middle_closes_everything_and_cancels_the_model():
    world = World()
    async with world:
        world.mind.script = lambda request: [TextDelta("one. "), 60.0]
        await world.say("go")
        await asyncio.sleep(0.8)
        world.session.hang_up()
    assert world.mind.cancelled == 1
    assert world.ear.is_closed
    assert world.detector.is_closed
    before = len(world.line.frames)
    await asyncio.sleep(5)
    assert len(world.line.frames) == before


async def test_keys_that_come_as_tones_are_heard_where_the_line_reports_none():
    async with World(hear_keys=True) as world:
        pcm = tone("42#", RATE)
        for at in range(0, len(pcm), 320):
            world.session.audio(pcm[at : at + 320])
        world.session.audio(bytes(3200))
        await asyncio.sleep(0.1)
        assert world.conversation()[0] == ("user", "DTMF: 42")


class ChoosingVoice(Voice):
    """A synthesiser that gives each call a voice of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Voice] = []
        self.closed = 0

    def open_call(self, *, language: str | None = None) -> CallVoice:
        self.given.append(Voice())
        return CallVoice(self.given[-1], self._close)

    def _close(self) -> None:
        self.closed += 1


async def test_a_call_speaks_with_the_voice_that_was_chosen_when_it_began_and_gives_it_back():
    choosing = ChoosingVoice()
    async with World(greeting="hello.", voice=choosing) as world:
        await world.say("how are you")
        await asyncio.sleep(4)
        assert [voice.spoken for voice in choosing.given] == [["hello.", "one two three four."]]
        assert choosing.spoken == []
        assert not choosing.closed
    assert choosing.closed


class ChoosingMind(Mind):
    """A model that prefers the last alternative, after `delay_s`; fails where told."""

    def __init__(self, *, delay_s: float = 0.0, fails: bool = False) -> None:
        super().__init__()
        self.delay_s = delay_s
        self.fails = fails

    async def choose(self, messages: tuple[Message, ...], transcript: Transcript) -> str:
        await asyncio.sleep(self.delay_s)
        if self.fails:
            raise ValueError("no such thing")
        return transcript.alternatives[-1].text


OTHERS = (Alternative("a cable", 0.5), Alternative("a table", 0.4))


async def test_a_model_that_knows_what_it_can_be_asked_chooses_among_the_texts():
    async with World(mind=ChoosingMind()) as world:
        world.ear.alternatives = OTHERS
        await world.say("a fable")
        await asyncio.sleep(4)
        assert world.conversation()[0] == ("user", "a table")
        assert [event.text for event in world.line.of(UserTranscript)] == ["a table"]


async def test_for_other_models_the_likeliest_text_counts():
    async with World() as world:
        world.ear.alternatives = OTHERS
        await world.say("a fable")
        await asyncio.sleep(4)
        assert world.conversation()[0] == ("user", "a fable")


@pytest.mark.parametrize("mind", [ChoosingMind(delay_s=60), ChoosingMind(fails=True)], ids=["late", "broken"])
async def test_a_choice_that_does_not_come_costs_no_turn(mind):
    async with World(mind=mind) as world:
        world.ear.alternatives = OTHERS
        await world.say("a fable")
        await asyncio.sleep(4)
        assert world.conversation() == [("user", "a fable"), ("assistant", "one two three four.")]
