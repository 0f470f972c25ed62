"""Tools in whole calls on virtual time: the filler while one takes long, cancelling, transfers, and keys as tones."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from tests.unit.agent.call_harness import RATE, Line, Mind, World
from vox.agent.tools.contract import Tool, current_call
from vox.errors import DependencyError
from vox.media import g711
from vox.protocols.agent_events import SentenceProgress, ToolProgress
from vox.providers.llm.contract import LlmEvent, LlmRequest, TextDelta, ToolCall, ToolSpec

pytestmark = pytest.mark.usefixtures("virtual_loop")

SALES = {"sales": {"to": "+49 30 1234-56", "description": "for orders", "announcement": "I put you through to sales."}}
LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")


class PhoneLine(Line):
    """A line whose carrier can put calls through."""

    can_transfer = True

    def __init__(self) -> None:
        super().__init__()
        self.transfers: list[tuple[float, str, str]] = []
        self.refusal: Exception | None = None

    async def transfer(self, to: str, *, caller_id: str = "") -> None:
        if self.refusal is not None:
            raise self.refusal
        self.transfers.append((asyncio.get_running_loop().time(), to, caller_id))


def calls(*wanted: ToolCall, then: str = "it is ready.", before: str = "") -> Mind:
    """A model that asks for these, and speaks about the result."""
    mind = Mind()

    def script(request: LlmRequest) -> list[LlmEvent | float]:
        if any(message["role"] == "tool" for message in request.messages):
            return [TextDelta(then)]
        return [*([TextDelta(before)] if before else []), *wanted]

    mind.script = script
    return mind


def slow(seconds: float, **more: Any) -> dict[str, Tool]:
    async def run(_call: ToolCall, _arguments: Any) -> str:
        await asyncio.sleep(seconds)
        return "done"

    return {"look_up": Tool(ToolSpec("look_up", "", {"type": "object"}), run, **more)}


LOOK_UP = ToolCall("c1", "look_up", "{}")


async def test_a_tool_that_takes_long_is_covered_by_the_filler_once():
    async with World(mind=calls(LOOK_UP), tools=slow(20), tool_filler="one moment.", tool_filler_secs=2.0) as world:
        await world.say("my order")
        await asyncio.sleep(0.5 + 1.9)
        assert world.voice.spoken == []
        await asyncio.sleep(0.3)
        assert world.voice.spoken == ["one moment."]
        await asyncio.sleep(30)
        assert world.voice.spoken == ["one moment.", "it is ready."]
        assert [message for message in world.conversation() if message[0] == "assistant"] == [
            ("assistant", "one moment."),
            ("assistant", "it is ready."),
        ]


async def test_a_tool_that_is_quick_needs_no_filler():
    async with World(mind=calls(LOOK_UP), tools=slow(1.5), tool_filler="one moment.") as world:
        await world.say("my order")
        await asyncio.sleep(10)
        assert world.voice.spoken == ["it is ready."]


async def test_the_filler_waits_for_silence_behind_what_the_model_said_itself():
    mind = calls(LOOK_UP, before="let me look that up for you.")
    async with World(mind=mind, tools=slow(9), tool_filler="one moment.", tool_filler_secs=2.0) as world:
        await world.say("my order")
        await asyncio.sleep(20)
        assert world.voice.spoken == ["let me look that up for you.", "one moment.", "it is ready."]
    async with World(mind=mind, tools=slow(9), tool_filler="one moment.", tool_filler_secs=2.0) as world:
        await world.say("my order")
        await asyncio.sleep(0.5 + 3.5 + 1.5)  # the model's sentence lasts 3.5 s, and then 1.5 s of silence
        assert world.voice.spoken == ["let me look that up for you."]


async def test_a_tools_own_filler_goes_before_the_agents_and_may_be_empty():
    for own, spoken in (("looking.", ["looking.", "it is ready."]), ("", ["it is ready."])):
        async with World(mind=calls(LOOK_UP), tools=slow(9, filler=own), tool_filler="one moment.") as world:
            await world.say("my order")
            await asyncio.sleep(20)
            assert world.voice.spoken == spoken


async def test_a_cancellable_tool_ends_with_the_answer_and_its_result_says_so():
    async with World(mind=calls(LOOK_UP), tools=slow(60, is_cancellable=True)) as world:
        await world.say("my order")
        await asyncio.sleep(2)
        await world.say("no leave it")
        await asyncio.sleep(1)
        (stopped,) = [event for event in world.line.of(ToolProgress) if event.status == "stopped"]
        assert stopped.is_cancelled
        (result,) = [content for role, content in world.conversation() if role == "tool"]
        assert json.loads(result or "") == {"error": "cancelled, because the caller interrupted"}


async def test_any_other_tool_goes_on_when_the_caller_cuts_in():
    async with World(mind=calls(LOOK_UP), tools=slow(6)) as world:
        await world.say("my order")
        await asyncio.sleep(2)
        await world.say("hurry up")
        await asyncio.sleep(10)
        stopped = [event for event in world.line.of(ToolProgress) if event.status == "stopped"]
        assert [event.is_cancelled for event in stopped] == [False]
        assert '"done"' in [content for role, content in world.conversation() if role == "tool"]


async def test_a_tool_knows_its_call():
    seen: list[Any] = []

    async def run(_call: ToolCall, _arguments: Any) -> str:
        seen.append(current_call())
        return ""

    tools = {"look_up": Tool(ToolSpec("look_up", "", {"type": "object"}), run)}
    async with World(mind=calls(LOOK_UP), tools=tools, variables={"plan": "gold"}) as world:
        await world.say("my order")
        await asyncio.sleep(3)
    assert (seen[0].call_id, seen[0].variables["plan"]) == ("call_1", "gold")
    assert current_call() is None


async def test_tools_are_measured_by_outcome():
    async with World(mind=calls(LOOK_UP), tools=slow(1)) as world:
        await world.say("my order")
        await asyncio.sleep(5)
        assert world.counted('vox_agent_tool_duration_seconds_count{outcome="ok",tool="look_up"}') == 1


PUT_THROUGH = ToolCall("t1", "transfer_call", '{"destination": "sales"}')


async def test_a_transfer_is_announced_to_the_end_and_then_made():
    line = PhoneLine()
    async with World(mind=calls(PUT_THROUGH), line=line, transfers=SALES) as world:
        await world.say("sales please")
        began = asyncio.get_running_loop().time() + 0.5
        await asyncio.sleep(6)
        ((at, to, _),) = line.transfers
        assert to == "+4930123456"
        assert at - began == pytest.approx(3.0 + 0.3, abs=0.15)  # six words of half a second, and the line's delay
        assert world.conversation()[-1] == ("tool", '{"ok": true}')
        assert world.line.closed == (1000, "transferred")
        spec = next(spec for spec in world.mind.requests[0].tools if spec.name == "transfer_call")
        assert spec.parameters["properties"]["destination"]["enum"] == ["sales"]
        assert "for orders" in spec.description
        assert "+49" not in json.dumps(spec.parameters) + spec.description


async def test_a_caller_who_cuts_into_the_announcement_keeps_the_agent():
    line = PhoneLine()
    async with World(mind=calls(PUT_THROUGH, then="all right."), line=line, transfers=SALES) as world:
        await world.say("sales please")
        await asyncio.sleep(0.5 + 1.2)
        await world.say("no wait")
        await asyncio.sleep(5)
        assert line.transfers == []
        assert world.line.closed is None
        assert ("tool", '{"error":"the caller interrupted"}') in world.conversation()


async def test_a_transfer_that_the_carrier_refuses_goes_back_to_the_model():
    line = PhoneLine()
    line.refusal = DependencyError("Twilio answered 400.", code="transfer_failed")
    async with World(mind=calls(PUT_THROUGH, then="they do not answer."), line=line, transfers=SALES) as world:
        await world.say("sales please")
        await asyncio.sleep(8)
        assert world.voice.spoken[-1] == "they do not answer."
        assert world.line.closed is None


@pytest.mark.parametrize("destination", ["+19005550100", "boss", ""])
async def test_the_model_can_choose_no_number_of_its_own(destination: str):
    line = PhoneLine()
    asked = ToolCall("t1", "transfer_call", json.dumps({"destination": destination}))
    async with World(mind=calls(asked), line=line, transfers=SALES) as world:
        await world.say("put me through")
        await asyncio.sleep(4)
        assert line.transfers == []


async def test_where_the_line_cannot_the_tool_is_not_offered_and_a_flow_is_told():
    async with World(mind=calls(PUT_THROUGH), transfers=SALES) as world:
        await world.say("sales please")
        await asyncio.sleep(4)
        assert "transfer_call" not in [spec.name for spec in world.mind.requests[0].tools]
        assert any(
            role == "tool" and "cannot be put through" in (content or "") for role, content in world.conversation()
        )


async def test_keys_are_heard_as_the_standard_pairs_of_tones_where_the_wire_has_none():
    pressed = "159D*0#"
    async with World(mind=calls(ToolCall("k1", "press_keys", json.dumps({"keys": pressed}))), keypad=True) as world:
        await world.say("menu")
        await asyncio.sleep(4)
        audio = b"".join(frame for _, frame in world.line.frames)
        samples = np.frombuffer(g711.decode(audio, "mulaw"), np.int16).astype(float)
        assert goertzel_keys(samples) == pressed


def goertzel_keys(samples: Any) -> str:
    """What a plain Goertzel detector of 25 ms blocks hears."""
    keys, last = "", ""
    size = RATE // 40
    for start in range(0, len(samples) - size, size):
        block = samples[start : start + size]
        total = float(np.sum(block**2)) or 1.0
        low, high = ([power(block, hz) * 2 / size / total for hz in tones] for tones in (LOW, HIGH))
        key = KEYS[int(np.argmax(low))][int(np.argmax(high))] if max(low) > 0.3 and max(high) > 0.3 else ""
        if key and key != last:
            keys += key
        last = key
    return keys


def power(block: Any, hertz: float) -> float:
    coefficient = 2 * np.cos(2 * np.pi * hertz / RATE)
    before, last = 0.0, 0.0
    for sample in block:
        before, last = last, float(sample) + coefficient * last - before
    return before**2 + last**2 - coefficient * before * last


async def test_the_filler_is_shown_like_any_sentence():
    async with World(mind=calls(LOOK_UP), tools=slow(9), tool_filler="one moment.") as world:
        await world.say("my order")
        await asyncio.sleep(6)
        assert "one moment." in [event.text for event in world.line.of(SentenceProgress)]
