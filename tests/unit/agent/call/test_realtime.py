"""Whole calls with a realtime model on virtual time: what is heard, told, kept, and what the model is told."""

import asyncio
import json
from array import array
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Self

import pytest

from tests.unit.agent.call_harness import RATE, World
from vox.agent.tools.contract import Tool
from vox.errors import DependencyError
from vox.protocols.agent_events import (
    AgentError,
    ClientContext,
    ClientText,
    ModelUsage,
    ResponseText,
    SentenceProgress,
    ToolProgress,
    TurnMetrics,
    UserTranscript,
)
from vox.providers.llm.contract import Message, ToolSpec
from vox.providers.realtime.contract import (
    AnswerAudio,
    AnswerCall,
    AnswerEnded,
    AnswerText,
    CallerText,
    RealtimeEvent,
    RealtimeSetup,
    SessionReady,
)

pytestmark = pytest.mark.usefixtures("virtual_loop")

OUTPUT_RATE = 24_000
Answer = Callable[[int], list[RealtimeEvent | float | Exception]]


def says(text: str, seconds: float, after_s: float = 0.1) -> Answer:
    """An answer of so many seconds, faster than it is spoken."""
    pcm = b"\x10\x20" * round(OUTPUT_RATE * seconds)
    return lambda number: [
        after_s,
        *(AnswerText(number, f"item_{number}", f"{word} ") for word in text.split()),
        AnswerAudio(number, f"item_{number}", pcm),
        AnswerEnded(number),
    ]


class Model:
    """A realtime model whose answers and transcripts the test gives; `log` is what its sessions were told."""

    input_rate = 16_000
    output_rate = OUTPUT_RATE
    timeout_s = 5.0

    def __init__(self) -> None:
        self.answers: list[Answer] = [says("one two three four.", 2.0)]
        self.heard: list[str] = []
        self.transcript_s = 0.3
        self.log: list[tuple[Any, ...]] = []
        self.sessions: list[Session] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None

    def open_session(self, setup: RealtimeSetup) -> "Session":
        self.sessions.append(Session(self, setup))
        return self.sessions[-1]

    def told(self, what: str) -> list[tuple[Any, ...]]:
        return [entry[1:] for entry in self.log if entry[0] == what]


class Session:
    def __init__(self, model: Model, setup: RealtimeSetup) -> None:
        self.model = model
        self.setup = setup
        self.bytes = self.utterances = self.answers = 0
        self.queue: asyncio.Queue[RealtimeEvent | Exception] = asyncio.Queue()
        self.tasks: set[asyncio.Task[None]] = set()
        self.answering: asyncio.Task[None] | None = None
        self.is_closed = False

    async def events(self) -> AsyncGenerator[RealtimeEvent, None]:
        try:
            yield SessionReady()
            while True:
                event = await self.queue.get()
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.is_closed = True

    def later(self, events: list[RealtimeEvent | float | Exception]) -> asyncio.Task[None]:
        async def happen() -> None:
            for event in events:
                if isinstance(event, (int, float)):
                    await asyncio.sleep(event)
                else:
                    self.queue.put_nowait(event)

        task = asyncio.create_task(happen())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def push(self, pcm: bytes) -> None:
        self.bytes += len(pcm)

    def commit(self) -> int:
        self.utterances += 1
        self.model.log.append(("commit", round(self.bytes / 2 / self.model.input_rate, 1)))
        self.bytes = 0
        said = self.model.heard.pop(0) if self.model.heard else "go"
        self.later([self.model.transcript_s, CallerText(self.utterances, said)])
        return self.utterances

    def clear(self) -> None:
        self.bytes = 0

    def respond(self, *, say: str | None = None, is_silent: bool = False) -> int:
        self.answers += 1
        self.model.log.append(("respond", say, is_silent))
        answers = self.model.answers
        answer = says(say, 1.0) if say else answers.pop(0) if len(answers) > 1 else answers[0]
        self.answering = self.later(answer(self.answers))
        return self.answers

    def cancel(self) -> None:
        self.model.log.append(("cancel",))
        if self.answering is not None:
            self.answering.cancel()

    def truncate(self, item: str, played_ms: int) -> None:
        self.model.log.append(("truncate", item, played_ms))

    def add(self, message: Message) -> None:
        self.model.log.append(("add", message["role"], message["content"]))

    def add_result(self, call_id: str, name: str, result: str) -> None:
        self.model.log.append(("result", call_id, name, result))


async def utter(world: World, seconds: float) -> None:
    """The caller speaks so long, with a voice of 160 Hz that arrives in real time."""
    frame = array("h", (9000 if at % 50 < 25 else -9000 for at in range(RATE // 50))).tobytes()
    world.session.audio(frame * 10)
    world.speech(True)
    for _ in range(round(seconds / 0.02)):
        world.session.audio(frame)
        await asyncio.sleep(0.02)
    world.speech(False)


async def test_a_question_is_answered_at_once_and_written_down_later():
    model = Model()
    model.heard, model.transcript_s = ["how are you"], 1.5
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(1.0)
        assert world.line.frames[0][0] == pytest.approx(began + 0.5 + 0.1, abs=0.03)
        assert world.line.of(UserTranscript) == []
        await asyncio.sleep(4)
        assert world.sent_seconds() == pytest.approx(2.0, abs=0.03)
        assert world.conversation() == [("user", "how are you"), ("assistant", "one two three four.")]
        assert [event.text for event in world.line.of(UserTranscript)] == ["how are you"]
        assert "".join(event.text for event in world.line.of(ResponseText)).strip() == "one two three four."
        assert [event.response_s is not None for event in world.line.of(TurnMetrics)] == [True]
        told = [(event.text, event.status) for event in world.line.of(SentenceProgress)]
        assert told[0] == ("one two three four.", "new")
        assert told[-1] == ("one two three four.", "completed")
        assert model.told("add") == []
    assert model.sessions[0].is_closed


async def test_the_session_begins_with_prompt_tools_voice_and_language():
    model = Model()
    async with World(
        realtime=model, system_prompt="Be brief.", realtime_voice="marin", stt_language="de-DE", greeting="Hallo."
    ) as world:
        await asyncio.sleep(3)
        assert world.conversation() == [("assistant", "Hallo.")]
    setup = model.sessions[0].setup
    assert (setup.instructions, setup.voice, setup.language) == ("Be brief.", "marin", "de-DE")
    assert "end_call" in {tool.name for tool in setup.tools}
    assert model.told("respond") == [("Hallo.", False)]


async def test_a_notice_is_said_before_the_answer_it_precedes():
    model = Model()
    async with World(realtime=model) as world:
        world.session._responder.respond(preface="This call is recorded.")
        await asyncio.sleep(5)
        assert model.told("respond") == [("This call is recorded.", False), (None, False)]
        said = " ".join(content or "" for role, content in world.conversation() if role == "assistant")
        assert said == "This call is recorded. one two three four."
        assert world.sent_seconds() == pytest.approx(3.0, abs=0.03)


async def test_a_barge_in_is_truncated_to_what_was_heard():
    model = Model()
    model.heard = ["go", "no not that please"]
    model.answers = [says("one two three four five six seven eight.", 4.0), says("fine.", 0.5)]
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(0.5 + 0.1 + 1.5)
        await utter(world, 2.0)
        assert world.line.clears == 1
        await asyncio.sleep(4)
        (cut,) = model.told("truncate")
        assert cut[0] == "item_1"
        assert cut[1] == pytest.approx(1500, abs=60)
        said = world.conversation()
        assert [content for role, content in said if role == "user"] == ["go", "no not that please"]
        assert said[1] == ("assistant", "one two three")
        assert said[-1] == ("assistant", "fine.")


async def test_an_answer_that_was_cut_is_written_down_before_the_words_that_cut_it(tmp_path: Path):
    model = Model()
    model.heard = ["go", "what about tuesday"]
    model.answers = [says("one two three four five six seven eight.", 4.0), says("fine.", 0.5)]
    transcripts = {"enable": True, "driver": "sqlite", "dsn": str(tmp_path / "transcripts.db")}
    async with World(realtime=model, settings={"transcripts": transcripts}) as world:
        store = world.resources.transcripts
        assert store is not None
        await utter(world, 1.0)
        await asyncio.sleep(0.5 + 0.1 + 1.5)
        await utter(world, 1.0)
        await asyncio.sleep(8)
        rows = [(row.role, row.text) for row in store._writer.waiting("call_1")]
        store._close()
    assert [row for row in rows if row[0] == "user"] == [("user", "go"), ("user", "what about tuesday")]
    assert [role for role, _ in rows] == ["user", "assistant", "user", "assistant"]


async def test_agreement_lets_the_answer_go_on():
    model = Model()
    model.heard = ["go", "uh huh"]
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(0.5 + 0.1 + 0.7)
        await utter(world, 0.3)
        await asyncio.sleep(5)
        assert model.told("truncate") == []
        assert len(model.told("respond")) == 1
        assert world.conversation() == [("user", "go"), ("assistant", "one two three four.")]


async def test_what_was_typed_is_told_to_the_model_and_what_was_spoken_is_not():
    model = Model()
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(5)
        world.session.receive(ClientText("and now typed", speak=False))
        await asyncio.sleep(3)
        world.session.digit("4")
        world.session.digit("#")
        await asyncio.sleep(4)
        assert model.told("add") == [("user", "and now typed"), ("user", "DTMF: 4")]
        assert [silent for _, silent in model.told("respond")] == [False, True, False]


async def test_an_applications_message_is_told_to_the_model():
    model = Model()
    async with World(realtime=model) as world:
        world.session.receive(ClientContext([{"role": "user", "content": "I am Ada"}], run=True))
        await asyncio.sleep(4)
        assert model.told("add") == [("user", "I am Ada")]


async def test_a_tools_result_goes_back_and_is_answered():
    async def weather(call: Any, arguments: Any) -> Any:
        await asyncio.sleep(0.2)
        return {"sky": arguments["city"]}

    spec = ToolSpec("weather", "Tells.", {"type": "object", "properties": {"city": {"type": "string"}}})
    model = Model()
    model.answers = [
        lambda number: [0.1, AnswerCall(number, "c1", "weather", '{"city": "Rome"}'), AnswerEnded(number)],
        says("it is sunny.", 1.0),
    ]
    async with World(realtime=model, tools={"weather": Tool(spec, weather)}) as world:
        await utter(world, 1.0)
        await asyncio.sleep(5)
        ((call_id, name, result),) = model.told("result")
        assert (call_id, name, json.loads(result)) == ("c1", "weather", {"sky": "Rome"})
        assert world.conversation()[-1] == ("assistant", "it is sunny.")
        assert [event.status for event in world.line.of(ToolProgress)] == ["started", "in-progress", "stopped"]


async def test_a_tool_outlives_the_caller_who_cuts_in_and_its_result_is_told_with_the_next_answer():
    async def slow(call: Any, arguments: Any) -> Any:
        await asyncio.sleep(3)
        return "done"

    model = Model()
    model.heard = ["go", "no stop it please", "and now"]
    model.answers = [
        lambda number: [0.1, AnswerCall(number, "c1", "slow", "{}"), AnswerEnded(number)],
        says("fine.", 0.5),
    ]
    async with World(realtime=model, tools={"slow": Tool(ToolSpec("slow", "Slow.", {}), slow)}) as world:
        await utter(world, 1.0)
        await asyncio.sleep(1.0)
        await utter(world, 1.8)
        await asyncio.sleep(4)
        await utter(world, 1.0)
        await asyncio.sleep(3)
        assert [result[0] for result in model.told("result")] == ["c1"]


async def test_the_model_may_end_the_call():
    model = Model()
    model.answers = [
        lambda number: [
            0.1,
            AnswerText(number, "i", "goodbye."),
            AnswerAudio(number, "i", bytes(OUTPUT_RATE * 2)),
            AnswerCall(number, "c1", "end_call", "{}"),
            AnswerEnded(number),
        ]
    ]
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(5)
        assert world.line.closed == (1000, "agent_ended")
        assert world.conversation()[-2][1] == "goodbye."


async def test_a_failed_answer_is_told_and_the_next_is_heard():
    failed = DependencyError("acme reported an error", code="provider_failed", retryable=True)
    model = Model()
    model.answers = [lambda number: [0.1, AnswerEnded(number, failed)], says("here again.", 1.0)]
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(2)
        assert "provider_failed" in world.line.of(AgentError)[0].message
        await utter(world, 1.0)
        await asyncio.sleep(4)
        assert world.conversation()[-1] == ("assistant", "here again.")


async def test_a_model_that_never_answers_is_given_up():
    model = Model()
    model.answers = [lambda number: [], says("here again.", 1.0)]
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(7)
        assert "provider_timeout" in world.line.of(AgentError)[0].message
        await utter(world, 1.0)
        await asyncio.sleep(4)
        assert world.conversation()[-1] == ("assistant", "here again.")


async def test_a_broken_session_is_opened_again_with_the_conversation_so_far():
    gone = DependencyError("acme closed the connection", code="provider_unreachable", retryable=True)
    model = Model()
    model.heard = ["my name is ada", "who am i"]
    async with World(realtime=model, system_prompt="Be brief.") as world:
        await utter(world, 1.0)
        await asyncio.sleep(5)
        model.sessions[0].queue.put_nowait(gone)
        await asyncio.sleep(1)
        assert world.line.closed is None
        await utter(world, 1.0)
        await asyncio.sleep(5)
        assert len(model.sessions) == 2
        assert model.sessions[1].setup.messages[:2] == (
            {"role": "user", "content": "my name is ada"},
            {"role": "assistant", "content": "one two three four."},
        )
        assert model.told("add") == []
        assert world.conversation()[-2:] == [("user", "who am i"), ("assistant", "one two three four.")]


async def test_a_session_that_breaks_in_the_middle_of_an_answer_ends_that_answer_only():
    gone = DependencyError("acme closed the connection", code="provider_unreachable", retryable=True)
    model = Model()
    model.answers = [
        lambda number: [0.1, AnswerText(number, "i", "one "), AnswerAudio(number, "i", bytes(4800)), gone],
        says("here again.", 1.0),
    ]
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(3)
        assert "provider_unreachable" in world.line.of(AgentError)[0].message
        await utter(world, 1.0)
        await asyncio.sleep(4)
        assert world.conversation()[-1] == ("assistant", "here again.")
        assert len(model.sessions) == 2


async def test_a_driver_that_stumbles_over_what_the_vendor_sent_ends_the_answer_and_not_the_call():
    model = Model()
    model.answers = [lambda number: [0.1, AnswerText(number, "i", "one "), KeyError("delta")], says("here again.", 1.0)]
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(3)
        assert "provider_failed" in world.line.of(AgentError)[0].message
        assert world.line.closed is None
        await utter(world, 1.0)
        await asyncio.sleep(4)
        assert world.conversation()[-1] == ("assistant", "here again.")


async def test_words_decide_where_the_configuration_wants_them_to():
    model = Model()
    model.heard = ["go", "well"]
    model.answers = [says("one two three four.", 4.0)]
    async with World(realtime=model, interruption_strategy="min_words", min_words=3) as world:
        await utter(world, 1.0)
        await asyncio.sleep(0.5 + 0.1 + 0.4)
        await utter(world, 1.0)
        await asyncio.sleep(5)
        assert model.told("truncate") == []
        assert world.conversation() == [("user", "go"), ("assistant", "one two three four.")]


async def test_an_answer_that_is_cut_before_it_begins_is_no_reason_to_fail():
    model = Model()
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(4)
        for text in ("one", "two", "three"):  # each cuts the answer to the one before, whose task has not run yet
            world.session.receive(ClientText(text))
        await asyncio.sleep(4)
        assert world.line.closed is None
        assert model.told("add") == [("user", "one two three")]
        assert world.conversation()[-1] == ("assistant", "one two three four.")


async def test_noise_that_gives_no_text_is_inaudible():
    model = Model()
    model.heard = [""]
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(5)
        assert world.conversation()[0] == ("user", "(inaudible)")
        assert world.line.of(UserTranscript) == []


async def test_an_utterance_that_is_never_written_down_keeps_its_place():
    model = Model()
    model.transcript_s = 3600
    async with World(realtime=model) as world:
        await utter(world, 1.0)
        await asyncio.sleep(5)
        assert world.conversation() == [("user", "(utterance 1)"), ("assistant", "one two three four.")]


@pytest.mark.parametrize("turn_detection", ["none", "silence", "words"])
async def test_every_turn_detection_ends_turns(turn_detection):
    model = Model()
    async with World(realtime=model, turn_detection=turn_detection) as world:
        await utter(world, 1.0)
        await asyncio.sleep(5)
        assert world.conversation() == [("user", "go"), ("assistant", "one two three four.")]


async def test_the_tokens_of_an_answer_are_told_where_the_model_reports_them():
    model = Model()
    model.answers = [
        lambda number: [*says("yes.", 1.0)(number)[:-1], AnswerEnded(number, prompt_tokens=12, completion_tokens=3)],
        says("no.", 1.0),
    ]
    async with World(realtime=model) as world:
        for _ in range(2):
            await utter(world, 1.0)
            await asyncio.sleep(4)
        assert world.line.of(ModelUsage) == [ModelUsage(12, 3)]
