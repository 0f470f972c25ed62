import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import numpy as np
import pytest

from tests.fakes.clock import FakeClock
from tests.unit.providers.flows.flows import BOOKING
from vox.errors import UsageError
from vox.providers.contract import Deps
from vox.providers.llm import flow as module
from vox.providers.llm.contract import MISSING_RESULT, Declared, LlmRequest, TextDelta, ToolCall, ToolSpec
from vox.providers.llm.flow import Config, Flow, create
from vox.providers.stt.contract import Alternative, Transcript

FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOOLS = (ToolSpec("book_table", "", {}), ToolSpec("transfer", "", {}))
REQUEST = "a table for four tomorrow at seven"


@pytest.fixture
def clock():
    return FakeClock(wall=FRIDAY)


def made(clock, **options) -> Flow:
    return create(Config(**options), Deps(clock, httpx2.AsyncClient()))


@pytest.fixture
async def flow(clock, tmp_path):
    path = tmp_path / "flow.yaml"
    path.write_text(BOOKING)
    async with made(clock, flow=path) as opened:
        yield opened


def user(text):
    return {"role": "user", "content": text}


def bot(text, *calls):
    message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return message


def result(call, content):
    return {"role": "tool", "tool_call_id": call.id, "content": content}


def request(*messages, tools=TOOLS, variables=None):
    return LlmRequest(messages, tools, variables=variables or {})


async def respond(flow, *messages, tools=TOOLS, **variables):
    """The text, and the tool calls, of one response."""
    events = [event async for event in flow.respond(request(*messages, tools=tools, variables=variables))]
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    return text, [event for event in events if isinstance(event, ToolCall)]


async def test_a_conversation_without_a_user_begins_with_the_greeting(flow):
    assert await respond(flow, {"role": "system", "content": "Be nice."}) == ("Hello.", [])


async def test_an_answer_comes_sentence_by_sentence(flow):
    events = [event async for event in flow.respond(request(user("a table for twenty")))]
    assert events == [TextDelta("One to twelve. "), TextDelta("How many?")]


async def test_the_messages_are_the_state(flow):
    """Whatever became of the answers, cut short or never spoken, the flow stands where the caller's words lead."""
    heard = await respond(flow, user("a table"), bot("How many?"), user("four"), bot("Which day?"), user("tomorrow"))
    cut = await respond(flow, user("a table"), bot("How"), user("four"), user("tomorrow"))
    assert heard == cut == ("What time?", [])


async def test_calls_do_not_disturb_each_other(flow):
    assert (await respond(flow, user("a table")))[0] == "How many?"
    assert (await respond(flow, user("wine")))[0] == "Red or white?"
    assert (await respond(flow, user("a table"), user("two")))[0] == "Which day?"


async def test_a_tool_is_called_with_json_and_its_outcome_told(flow):
    said, calls = await respond(flow, user(REQUEST), user("yes"))
    assert said == ""
    assert [call.name for call in calls] == ["book_table"]
    assert json.loads(calls[0].arguments) == {"people": 4, "day": "2026-11-21", "time": "19:00"}
    done = (user(REQUEST), user("yes"), bot(None, *calls), result(calls[0], '{"reference": "A 7"}'))
    assert await respond(flow, *done) == ("Booked as A 7. Anything else?", [])
    assert (await respond(flow, *done, bot("Booked as A 7. Anything else?"), user("are you open")))[
        0
    ] == "From noon to ten."


async def test_a_tool_that_failed_is_told_as_such(flow):
    _, calls = await respond(flow, user(REQUEST), user("yes"))
    told = await respond(flow, user(REQUEST), user("yes"), bot(None, *calls), result(calls[0], "error: no"))
    assert told == ("The book is closed. Anything else?", [])


async def test_nothing_is_claimed_that_no_tool_has_done(flow):
    assert await respond(flow, user(REQUEST), user("yes"), tools=()) == ("The book is closed. Anything else?", [])


async def test_an_outcome_nobody_heard_is_told_before_the_next_answer(flow):
    _, calls = await respond(flow, user(REQUEST), user("yes"))
    before = (user(REQUEST), user("yes"), bot(None, *calls), result(calls[0], '{"reference": 3}'))
    assert (await respond(flow, *before, user("are you open")))[0] == "Booked as 3. Anything else? From noon to ten."
    running = result(calls[0], MISSING_RESULT)
    assert (await respond(flow, *before[:3], running, user("are you open")))[0] == "From noon to ten."


async def test_a_context_that_lost_its_beginning_asks_for_no_tool_twice(flow):
    _, calls = await respond(flow, user("are you open"), user(REQUEST), user("yes"))
    later = (user(REQUEST), user("yes"), bot(None, *calls), result(calls[0], '{"reference": 3}'))
    assert await respond(flow, *later) == ("Booked as 3. Anything else?", [])


async def test_good_bye_is_said_before_the_call_ends(flow):
    said, calls = await respond(flow, user("goodbye"))
    assert said == "Bye."
    assert [call.name for call in calls] == ["end_call"]


async def test_days_are_counted_from_the_clock_or_from_the_sessions_today(flow, clock):
    async def day(**variables):
        _, calls = await respond(flow, user(REQUEST), user("yes"), **variables)
        return json.loads(calls[0].arguments)["day"]

    assert await day() == "2026-11-21"
    clock.advance(86_400)
    assert await day() == "2026-11-22"
    assert await day(today="2026-11-20") == "2026-11-21"


async def test_the_flows_time_zone_tells_the_day(clock, tmp_path):
    path = tmp_path / "flow.yaml"
    path.write_text(BOOKING + "timezone: Pacific/Kiritimati\n")  # fourteen hours ahead
    async with made(clock, flow=path) as flow:
        _, calls = await respond(flow, user(REQUEST), user("yes"))
    assert json.loads(calls[0].arguments)["day"] == "2026-11-22"


async def test_session_variables_are_filled_in(flow):
    messages = [user(text) for text in ("my account", "4711", "555 1234", "hello there my friend")]
    assert (await respond(flow, *messages, caller="+44"))[0].endswith("+44. Anything else?")


async def test_memory_is_bounded_and_forgetting_changes_nothing(flow, monkeypatch):
    monkeypatch.setattr(module, "_REMEMBERED_PREFIXES", 3)
    for number in range(20):
        assert (await respond(flow, user(f"a table for {number % 10 + 1}"), user("tomorrow")))[0] == "What time?"
        assert len(flow._folds) <= 3


async def test_hints_follow_the_conversation(flow):
    def grammar(*messages):
        return flow.hints(tuple(messages)).grammar

    assert grammar() == grammar(user("are you open"))
    assert "grammar filling_booking_people;" in grammar(user("a table"))
    assert "grammar confirming_booking;" in grammar(user(REQUEST))
    assert "grammar offered;" in grammar(user("wine"), user("red"), user("yes"))
    assert flow.hints((user("my account"), user("4711"), user("555 1234"))).grammar is None


def heard(text, *others):
    return Transcript(text, confidence=0.6, alternatives=tuple(Alternative(other, 0.58) for other in others))


async def test_among_texts_that_sound_alike_the_one_that_can_be_understood_is_taken(flow):
    assert await flow.choose((), heard("a fable", "a cable", "a table")) == "a table"
    assert await flow.choose((), heard("a table", "are you open")) == "a table"
    assert await flow.choose((), heard("a fable", "a cable")) == "a fable"


async def test_what_is_asked_decides_which_text_is_understood(flow):
    transcript = heard("before", "four", "are you sober")
    assert await flow.choose((user("a table"),), transcript) == "four"
    assert await flow.choose((), transcript) == "before"


@pytest.mark.parametrize("other", ["good bye", "speak to someone", "yes", "start over"])
async def test_no_text_is_preferred_that_ends_the_call_or_books_or_drops_a_booking(flow, other):
    before = (user("a table for four tomorrow at seven"),)
    assert await flow.choose(before, heard("could I", other)) == "could I"


async def test_grammars_can_be_left_to_other_recognisers(clock, tmp_path):
    path = tmp_path / "flow.yaml"
    path.write_text(BOOKING.replace("burgundy", "Spätburgunder"))
    async with made(clock, flow=path, grammar=False) as flow:
        hints = flow.hints(())
    assert hints is not None
    assert hints.grammar is None
    assert hints.phrases


async def test_a_word_the_recogniser_does_not_know_is_refused_at_start(clock, tmp_path):
    path, dictionary = tmp_path / "flow.yaml", tmp_path / "words.dict"
    path.write_text(BOOKING)
    words = {word for line in BOOKING.split("\n") for word in re.findall(r"[a-z']+", line.lower())} | {"name"}
    commands = "i'd please repeat that say it again what did you once more pardon help me can do my options over forget from the beginning never mind good bye that's was all everything no thanks thank speak talk to with someone somebody human person agent start cancel"
    known = sorted({*words, *commands.split()} - {"riesling"})
    dictionary.write_text("".join(f"{word} X\n" for word in known))
    with pytest.raises(UsageError) as caught:
        await made(clock, flow=path, dictionary=dictionary).__aenter__()
    assert caught.value.code == "unknown_word"
    assert "'riesling' at intents.wine.slots.colour.options.white" in str(caught.value)
    assert "pronounce: {riesling" in str(caught.value)


async def test_a_flow_that_cannot_be_read_is_named(clock):
    with pytest.raises(UsageError) as caught:
        await made(clock, flow=Path("nowhere.yaml")).__aenter__()
    assert caught.value.code == "flow_unreadable"
    assert "nowhere.yaml" in str(caught.value)


async def test_it_speaks_first_and_counts_speech_without_words_as_a_miss(flow):
    assert flow.speaks_first
    assert flow.answers_inaudible
    request = LlmRequest(({"role": "user", "content": ""},))
    assert [event async for event in flow.respond(request)] == [TextDelta("Sorry?")]


async def test_the_example_of_the_manual_goes_as_the_manual_says(clock, tmp_path):
    manual = (Path(__file__).parents[4] / "docs/how-to/write-a-flow.md").read_text()
    example = re.search(r"```yaml\n(name.*?)```", manual, re.DOTALL)
    assert example is not None
    path = tmp_path / "bakery.yaml"
    path.write_text(example[1])
    lines = re.findall(r"\*\*(Green Bakery|Caller):\*\* (.*)", manual)
    async with made(clock, flow=path) as flow:
        messages = []
        for speaker, line in lines:
            if speaker == "Caller":
                messages.append(user(line))
            else:
                text, calls = await respond(flow, *messages, tools=[ToolSpec("order_cakes", "", {})])
                if calls:
                    messages += [bot(text, *calls), result(calls[0], "ordered")]
                    text, _ = await respond(flow, *messages)
                assert text == line


async def test_the_demo_flow_books_a_table(clock):
    async with made(clock) as flow:
        assert "Vox" in (await respond(flow))[0]
        assert "noon" in (await respond(flow, user("what are your opening hours")))[0]
        assert "Market Street" in (await respond(flow, user("where are you")))[0]
        read_back = await respond(flow, user("book a table"), user("four"), user("tomorrow"), user("half past seven"))
        assert read_back[0] == "A table for four tomorrow at seven thirty in the evening. Is that right?"
        for key, part in (("1", "noon"), ("2", "Market"), ("3", "soup"), ("4", "how many"), ("0", "You can ask")):
            assert part in (await respond(flow, user(f"DTMF: {key}")))[0]


class Meanings:
    """Stands for a sentence model: knows one meaning, that of opening hours, whatever the words."""

    def __init__(self) -> None:
        self.embedded = []

    def embed(self, texts):
        self.embedded += texts
        about_hours = [any(words in text for words in ("opening hours", "drop by")) for text in texts]
        return np.array([[1.0, 0.0] if is_hours else [0.0, 1.0] for is_hours in about_hours], np.float32)


@pytest.fixture
async def meaningful(clock, tmp_path, monkeypatch):
    path = tmp_path / "flow.yaml"
    path.write_text(BOOKING)
    model = Meanings()
    monkeypatch.setattr(module.SentenceVectors, "shared", lambda _folder: model)
    async with made(clock, flow=path, sentence_model=tmp_path) as flow:
        await asyncio.get_running_loop().run_in_executor(flow._thread, int)  # behind the examples
        yield flow, model


async def test_where_a_sentence_model_is_installed_meanings_are_understood(flow, meaningful):
    understanding, _ = meaningful
    assert (await respond(flow, user("when might one drop by")))[0] == "Sorry?"
    assert (await respond(understanding, user("when might one drop by")))[0] == "From noon to ten."


async def test_each_text_is_looked_at_once(meaningful):
    flow, model = meaningful
    messages = [user("when might one drop by"), user(""), user("tomorrow")]
    for count in range(1, 4):
        await respond(flow, *messages[:count])
        flow.hints(tuple(messages[:count]))
    assert model.embedded.count("when might one drop by") == 1
    assert "" not in model.embedded


async def test_texts_are_chosen_by_their_meaning(meaningful):
    flow, _ = meaningful
    assert await flow.choose((), heard("when might one drop pie", "when might one drop by")) == "when might one drop by"


async def test_a_model_that_takes_too_long_is_not_waited_for(meaningful, monkeypatch):
    flow, _ = meaningful
    monkeypatch.setattr(module, "_MEANING_TIMEOUT_S", 0.0)
    assert (await respond(flow, user("when might one drop by")))[0] == "Sorry?"
    monkeypatch.undo()
    assert (await respond(flow, user("when might one drop by")))[0] == "Sorry?"  # what was said once stays so


async def test_words_serve_while_too_many_wait_for_the_model(meaningful, monkeypatch):
    flow, model = meaningful
    monkeypatch.setattr(module, "_MOST_WAITING", 0)
    assert (await respond(flow, user("are you open")))[0] == "From noon to ten."
    assert "are you open" not in model.embedded[-1:]


async def test_a_folder_without_a_model_is_refused_at_start(clock, tmp_path):
    with pytest.raises(UsageError) as caught:
        await made(clock, sentence_model=tmp_path).__aenter__()
    assert caught.value.code == "sentence_model_unusable"


async def test_it_says_what_it_is_called_and_what_it_can_be_asked(flow, clock):
    assert isinstance(flow, Declared)
    assert flow.title == "Test"
    assert flow.suggestions[0] == "what are your opening hours"
    assert flow.tool_names == {"book_table", "transfer"}
    async with made(clock) as demo:
        assert "Can I bring my dog?" in demo.suggestions


async def test_the_greeting_of_the_demo_says_what_can_be_asked_and_every_suggestion_is_answered(clock):
    async with made(clock) as demo:
        greeting, _ = await respond(demo)
        assert "book a table" in greeting
        for suggestion in demo.suggestions:
            answer, _ = await respond(demo, user(suggestion))
            assert "did not understand" not in answer, suggestion


async def test_tools_that_are_missing_or_take_other_arguments_are_named_with_their_place(flow):
    flow.check_tools({tool.name: tool for tool in TOOLS})
    slots = {name: {} for name in ("people", "day", "time")}
    strict = {"type": "object", "properties": slots, "required": ["people"], "additionalProperties": False}
    transfer = ToolSpec("transfer", "", {})
    flow.check_tools({"book_table": ToolSpec("book_table", "", strict), "transfer": transfer})
    for tools, words in (
        ({}, ("'book_table' (intents.booking.tool)", "'transfer' (commands.operator.tool)")),
        ({"book_tables": TOOLS[0], "transfer": transfer}, ("did you mean 'book_tables'",)),
        (
            {"book_table": ToolSpec("book_table", "", {**strict, "required": ["name"]}), "transfer": transfer},
            ("'book_table' needs name",),
        ),
        (
            {
                "book_table": ToolSpec("book_table", "", {**strict, "properties": {}, "required": []}),
                "transfer": transfer,
            },
            ("no parameter for day, people, time",),
        ),
    ):
        with pytest.raises(UsageError) as caught:
            flow.check_tools(tools)
        assert caught.value.code == "unknown_flow_tool"
        assert all(part in str(caught.value) for part in words), str(caught.value)


async def test_a_turn_without_words_is_a_miss_by_voice_as_typed(flow):
    messages = [user(""), user(""), user("abracadabra")]
    assert [(await respond(flow, *messages[:count]))[0] for count in (1, 2)] == ["Sorry?", "Again?"]
    said, calls = await respond(flow, *messages)
    assert (said, [call.name for call in calls]) == ("I give up.", ["end_call"])


async def test_a_model_installed_meanwhile_serves_the_next_call(clock, tmp_path, monkeypatch):
    path = tmp_path / "flow.yaml"
    path.write_text(BOOKING)
    model, installed = Meanings(), {}
    monkeypatch.setattr(module.SentenceVectors, "shared", lambda _folder: model)
    monkeypatch.setattr(module.ModelStore, "files", lambda _store, _name: installed or None)
    async with made(clock, flow=path) as flow:
        await respond(flow)
        assert model.embedded == []
        installed["model.onnx"] = tmp_path / "model.onnx"
        await respond(flow)
        await asyncio.get_running_loop().run_in_executor(flow._thread, int)
        assert (await respond(flow, user("when might one drop by")))[0] == "From noon to ten."


async def test_an_installed_model_that_is_broken_costs_no_call(clock, tmp_path, monkeypatch):
    monkeypatch.setattr(module.ModelStore, "files", lambda _store, _name: {"model.onnx": tmp_path / "model.onnx"})
    async with made(clock) as flow:
        assert "Vox" in (await respond(flow))[0]
