"""Tools: whatever they are, do, or are asked for, the model gets a result and the call goes on."""

import asyncio
import json
import threading
from collections.abc import Mapping
from datetime import date
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from tests.time_limits import WAIT_S
from tests.unit.agent.call_harness import World
from vox.agent.tools import python_tools as tools_module
from vox.agent.tools.contract import MAX_RESULT_CHARACTERS, Tool, Toolbox
from vox.agent.tools.python_tools import python_tool
from vox.errors import DependencyError, UsageError
from vox.protocols.agent_events import (
    AgentError,
    ClientToolResult,
    DigitsSent,
    SpeechStarted,
    SpeechStopped,
    ToolProgress,
)
from vox.providers.llm.contract import LlmEvent, LlmRequest, TextDelta, ToolCall, ToolSpec

HERE = __name__


def book(day: date, people: int = 2, *, seating: Literal["inside", "outside"] = "inside") -> dict[str, Any]:
    """Books a table."""
    return {"day": day.isoformat(), "people": people, "seating": seating}


async def weather(city: str) -> str:
    """Tells the weather."""
    return f"fine in {city}"


def fails(reason: str) -> None:
    raise ValueError(f"the secret is {reason}")


def refuses() -> None:
    raise DependencyError("no tables left", code="full", hint="ask for another day")


def untyped(anything, more="x"):  # type: ignore[no-untyped-def]
    return [anything, more]


def awaitable() -> Any:
    return weather("Rome")


def unencodable() -> object:
    return object()


def long() -> str:
    return "x" * 100_000


def stops() -> None:
    raise StopIteration


def variadic(*words: str) -> str:
    return " ".join(words)


def unresolved(value: "NoSuchType") -> None:  # type: ignore[name-defined]  # noqa: F821
    return None


NOT_A_FUNCTION = SimpleNamespace()


def call(name: str, arguments: Any = None, call_id: str = "t1") -> ToolCall:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return ToolCall(call_id, name, text)


def toolbox_of(*names: str, timeout_s: float = 5.0) -> Toolbox:
    return Toolbox({name: python_tool(f"{HERE}:{name}") for name in names}, timeout_s=timeout_s)


def test_a_functions_signature_and_docstring_are_what_the_model_is_told():
    spec = python_tool(f"{HERE}:book").spec
    assert (spec.name, spec.description) == ("book", "Books a table.")
    properties = spec.parameters["properties"]
    assert properties["day"] == {"format": "date", "title": "Day", "type": "string"}
    assert properties["people"]["default"] == 2
    assert properties["seating"]["enum"] == ["inside", "outside"]
    assert spec.parameters["required"] == ["day"]
    assert spec.parameters["additionalProperties"] is False


async def test_a_module_beside_the_configuration_is_found(tmp_path):
    (tmp_path / "bakery.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Cake:\n    kind: str\n\n"
        "def order(kind: str, count: int = 1) -> str:\n    return f'{count} {Cake(kind).kind}'\n"
    )
    tool = python_tool("bakery:order", tmp_path)
    assert await Toolbox({"order": tool}).run(call("order", {"kind": "lemon", "count": 3})) == '"3 lemon"'


def test_modules_of_one_name_beside_two_configurations_are_two(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shop.py").write_text(f"def order() -> str:\n    'Orders {name}.'\n")
    said = [python_tool("shop:order", tmp_path / name).spec.description for name in ("one", "other")]
    assert said == ["Orders one.", "Orders other."]


def test_an_installed_module_is_found_where_none_lies_beside_the_configuration(tmp_path):
    assert python_tool(f"{HERE}:book", tmp_path).spec.name == "book"


def test_a_function_without_annotations_takes_anything():
    spec = python_tool(f"{HERE}:untyped").spec
    assert (spec.description, spec.parameters["required"]) == ("untyped", ["anything"])


@pytest.mark.parametrize(
    "path",
    [
        "",
        "no_such_module:f",
        f"{HERE}:no_such_function",
        f"{HERE}:variadic",
        f"{HERE}:unresolved",
        f"{HERE}:NOT_A_FUNCTION",
        "json",
        "..:x",
    ],
)
def test_what_cannot_be_a_tool_is_said_at_the_start(path: str):
    with pytest.raises(UsageError) as refused:
        python_tool(path)
    assert refused.value.code == "unknown_tool"
    assert repr(path) in str(refused.value)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("book", {"day": "2026-05-15", "people": "4"}, {"day": "2026-05-15", "people": 4, "seating": "inside"}),
        ("weather", {"city": "Paris"}, "fine in Paris"),
        ("untyped", {"anything": {"a": [1]}}, [{"a": [1]}, "x"]),
        ("awaitable", {}, "fine in Rome"),
    ],
)
async def test_a_function_gets_checked_arguments_and_its_result_is_json(name: str, arguments: Any, expected: Any):
    assert json.loads(await toolbox_of(name).run(call(name, arguments))) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("book", {}, "day: Field required"),
        ("book", {"day": "someday"}, "day: "),
        ("book", {"day": "2026-05-15", "when": 1}, "when: "),
        ("book", "no json", "not a JSON object"),
        ("book", "[1]", "not a JSON object"),
        ("book", '{"a":' * 5000, "not a JSON object"),
        ("book", '{"day": "\ud800"}', "not a JSON object"),
        ("fails", {"reason": "x"}, "fails failed: ValueError"),
        ("refuses", {}, "no tables left (ask for another day)"),
        ("unencodable", {}, "unencodable failed"),
        ("stops", {}, "stops failed"),
        ("nothing", {}, "there is no tool named nothing"),
    ],
)
async def test_whatever_goes_wrong_is_a_result_that_says_what(name: str, arguments: Any, words: str):
    names = [name] if name != "nothing" else []
    result = json.loads(await toolbox_of(*names).run(call(name, arguments)))
    assert words in result["error"]
    assert "secret" not in result["error"]


async def test_a_long_result_is_cut_and_stays_json():
    result = json.loads(await toolbox_of("long").run(call("long")))
    assert len(result["truncated"]) == MAX_RESULT_CHARACTERS


async def test_a_plain_function_runs_beside_the_event_loop_and_one_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
):
    release = threading.Event()
    monkeypatch.setattr("tests.unit.agent.tools.test_python_tools.hang", lambda: release.wait(WAIT_S), raising=False)
    result = await toolbox_of("hang", timeout_s=0.05).run(call("hang"))
    assert "did not answer within 0.05 s" in result
    asyncio.get_running_loop().call_soon(release.set)


def test_a_plain_function_that_outlives_its_event_loop_ends_quietly(monkeypatch: pytest.MonkeyPatch):
    release, ended = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(WAIT_S)
        ended.set()

    monkeypatch.setattr("tests.unit.agent.tools.test_python_tools.hang", hang, raising=False)
    assert "did not answer" in asyncio.run(toolbox_of("hang", timeout_s=0.05).run(call("hang")))
    release.set()
    assert ended.wait(WAIT_S)
    for thread in threading.enumerate():
        if thread.name == "vox-tool":
            thread.join(WAIT_S)
    assert tools_module._free_threads._value == tools_module.MAX_THREADS


async def test_only_so_many_plain_functions_run_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tools_module, "_free_threads", threading.BoundedSemaphore(1))
    tools_module._free_threads.acquire()
    assert "plain functions are running already" in await toolbox_of("long").run(call("long"))


@pytest.mark.usefixtures("virtual_loop")
class TestInACall:
    async def test_a_tool_without_an_answer_is_given_up_and_the_model_is_told(self):
        async def endless(_call: ToolCall, _arguments: Mapping[str, Any]) -> None:
            await asyncio.sleep(10_000)

        async with World(tools=tool("endless", endless), tool_timeout_secs=2) as world:
            world.mind.script = ask_once(ToolCall("t", "endless", "{}"))
            await world.say("go")
            await asyncio.sleep(5)
            assert world.conversation()[2:] == [
                ("tool", '{"error":"endless did not answer within 2 s"}'),
                ("assistant", "done."),
            ]

    async def test_two_tools_run_side_by_side(self):
        running, most = 0, 0

        async def slow(_call: ToolCall, _arguments: Mapping[str, Any]) -> str:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(1)
            running -= 1
            return "ok"

        async with World(tools=tool("slow", slow)) as world:
            world.mind.script = ask_once(ToolCall("a", "slow", "{}"), ToolCall("b", "slow", "{}"))
            await world.say("go")
            await asyncio.sleep(5)
            assert most == 2
            assert [role for role, _ in world.conversation()] == ["user", "assistant", "tool", "tool", "assistant"]

    @pytest.mark.parametrize("call_id", ["", "call_0"])
    async def test_calls_under_one_id_are_kept_apart_and_a_repeated_one_runs_once(self, call_id: str):
        asked: list[Any] = []

        async def look(_call: ToolCall, arguments: Mapping[str, Any]) -> Any:
            asked.append(arguments["n"])
            return arguments["n"]

        calls = [ToolCall(call_id, "look", f'{{"n": {n}}}') for n in (1, 2)]
        repeated = [calls[0]] if call_id else []
        async with World(tools=tool("look", look)) as world:
            world.mind.script = ask_once(*calls, *repeated)
            await world.say("go")
            await asyncio.sleep(3)
            assert asked == [1, 2]
            messages = world.session.conversation.messages()
            ids = [entry["id"] for message in messages for entry in message.get("tool_calls", [])]
            assert len(set(ids)) == 2
            assert [message.get("tool_call_id") for message in messages if message["role"] == "tool"] == ids

    async def test_an_id_that_comes_again_in_a_later_turn_is_a_new_call(self):
        answers = iter(["first", "second"])

        async def look(_call: ToolCall, _arguments: Mapping[str, Any]) -> str:
            return next(answers)

        async with World(tools=tool("look", look)) as world:
            for _ in range(2):
                world.mind.script = ask_once(ToolCall("call_0", "look", "{}"))
                await world.say("go")
                await asyncio.sleep(3)
            results = [content for role, content in world.conversation() if role == "tool"]
            assert results == ['"first"', '"second"']

    async def test_too_many_tools_at_once_are_refused_and_the_call_goes_on(self):
        async def endless(_call: ToolCall, _arguments: Mapping[str, Any]) -> None:
            await asyncio.sleep(20)

        async with World(tools=tool("endless", endless)) as world:
            world.mind.script = lambda request: [ToolCall(f"t{n}", "endless", "{}") for n in range(40)]
            await world.say("go")
            await asyncio.sleep(1)
            assert "too_many_tools" in world.line.of(AgentError)[0].message
            world.mind.script = lambda request: [TextDelta("still here.")]
            await world.say("hello")
            await asyncio.sleep(3)
            assert world.conversation()[-1] == ("assistant", "still here.")

    async def test_arguments_that_are_no_json_are_shown_as_none(self):
        async with World() as world:
            world.mind.script = ask_once(ToolCall("t", "nothing", "{not json"))
            await world.say("go")
            await asyncio.sleep(2)
            assert [event.arguments for event in world.line.of(ToolProgress)] == [{}, {}, {}]

    async def test_a_clients_answer_to_nothing_and_a_second_answer_change_nothing(self):
        async with World(client_tools=[{"name": "book"}]) as world:
            world.session.receive(ClientToolResult("t", "book", {}, "too early"))
            world.mind.script = ask_once(ToolCall("t", "book", "{}"))
            await world.say("go")
            await asyncio.sleep(1)
            for result in ("first", "second"):
                world.session.receive(ClientToolResult("t", "book", {}, result))
            await asyncio.sleep(2)
            assert [content for role, content in world.conversation() if role == "tool"] == ['"first"']

    async def test_a_tool_of_the_name_end_call_does_not_hide_the_calls_own(self):
        async def never(_call: ToolCall, _arguments: Mapping[str, Any]) -> None:
            raise AssertionError

        async with World(tools=tool("end_call", never)) as world:
            await world.say("go")
            await asyncio.sleep(1)
            assert [spec.name for spec in world.mind.requests[0].tools] == ["end_call"]

    @pytest.mark.parametrize("takes_digits", [False, True])
    async def test_the_model_may_press_keys_where_the_agent_has_a_keypad(self, takes_digits: bool):
        async with World(keypad=True) as world:
            world.line.takes_digits = takes_digits
            world.mind.script = ask_once(TextDelta("one moment. "), ToolCall("k", "press_keys", '{"keys": "42"}'))
            await world.say("go")
            await asyncio.sleep(6)
            assert world.line.of(DigitsSent) == [DigitsSent("42")]
            assert world.line.digits == ["42"]
            spoken = 3 * 0.5  # "one moment." and "done."
            assert (world.sent_seconds() > spoken + 0.1) is not takes_digits
            assert world.conversation() == [
                ("user", "go"),
                ("assistant", "one moment."),
                ("tool", '{"ok": true}'),
                ("assistant", "done."),
            ]

    async def test_keys_alone_are_an_utterance_with_a_beginning_and_an_end(self):
        async with World(keypad=True) as world:
            world.mind.script = ask_once(ToolCall("k", "press_keys", '{"keys": "4"}'))
            await world.say("go")
            await asyncio.sleep(6)
            assert len(world.line.of(SpeechStarted)) == len(world.line.of(SpeechStopped)) == 1

    @pytest.mark.parametrize("arguments", ["{}", '{"keys": ""}', '{"keys": "12x"}', '{"keys": 5.5}', "nonsense"])
    async def test_what_no_telephone_has_is_not_pressed(self, arguments: str):
        async with World(keypad=True) as world:
            world.mind.script = ask_once(ToolCall("k", "press_keys", arguments))
            await world.say("go")
            await asyncio.sleep(2)
            assert world.line.digits == []
            assert "keys of" in (world.conversation()[2][1] or "")

    async def test_without_a_keypad_there_are_no_keys(self):
        async with World() as world:
            world.mind.script = ask_once(ToolCall("k", "press_keys", '{"keys": "1"}'))
            await world.say("go")
            await asyncio.sleep(2)
            assert "press_keys" not in [spec.name for spec in world.mind.requests[0].tools]
            assert world.line.digits == []


def tool(name: str, run: Any) -> dict[str, Tool]:
    return {name: Tool(ToolSpec(name, "", {}), run)}


def ask_once(*events: LlmEvent) -> Any:
    """A model that asks for tools, and is done once it has their results."""

    def script(request: LlmRequest) -> list[LlmEvent | float]:
        return [TextDelta("done.")] if request.messages[-1]["role"] == "tool" else [*events]

    return script
