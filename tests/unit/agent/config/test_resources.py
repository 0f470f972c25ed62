"""What calls share is opened together: providers, tools, and the flow that has to fit them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from vox.agent.config.resources import Resources
from vox.agent.config.settings import load
from vox.errors import UsageError
from vox.providers.llm.contract import ToolCall
from vox.runtime.metrics import NullMetrics

BAKERY = """
name: Bakery
greeting: Hello.
suggestions: [I would like a cake]
intents:
  order:
    phrases: [cake]
    slots:
      count: {type: number, prompt: "How many?"}
    tool: order_cakes
    done: Done.
"""
ORDER = "def order_cakes(count: int) -> str:\n    'Orders.'\n    return f'{count} cakes'\n"


def resources(folder: Path, flow: str = BAKERY, **config: Any) -> Resources:
    (folder / "bakery.yaml").write_text(flow)
    file = folder / "config.json"
    file.write_text(json.dumps({"flow": "bakery.yaml", "stt_provider": "fake", "tts_provider": "fake", **config}))
    return Resources(load(file, {}).settings, FakeClock(), NullMetrics(), {})


async def opened(folder: Path, flow: str = BAKERY, **config: Any):
    shared = resources(folder, flow, llm_options={"grammar": False}, **config)
    async with shared:
        return shared.agents["default"]


async def test_a_flow_whose_tool_does_not_exist_is_refused_with_its_name_and_the_remedy(tmp_path: Path):
    with pytest.raises(UsageError) as refused:
        await opened(tmp_path)
    assert refused.value.code == "unknown_flow_tool"
    for part in ("'order_cakes'", "intents.order.tool", "module:function", "bakery.yaml"):
        assert part in str(refused.value)


async def test_a_tool_with_other_arguments_than_the_flow_gives_is_refused(tmp_path: Path):
    (tmp_path / "orders.py").write_text("def order_cakes(number: int) -> str:\n    return ''\n")
    with pytest.raises(UsageError, match="needs number") as refused:
        await opened(tmp_path, tools=["orders:order_cakes"])
    assert "no parameter for count" in str(refused.value)


async def test_a_function_beside_the_configuration_or_the_client_may_run_it(tmp_path: Path):
    (tmp_path / "orders.py").write_text(ORDER)
    agent = await opened(tmp_path, tools=["orders:order_cakes"])
    assert await agent.tools["order_cakes"].run(ToolCall("1", "order_cakes", ""), {"count": 2}) == "2 cakes"
    await opened(tmp_path, client_tools=[{"name": "order_cakes"}])


async def test_messages_are_taken_without_being_configured_where_the_flow_says_so(tmp_path: Path):
    flow = BAKERY.replace("order_cakes", "take_message")
    agent = await opened(tmp_path, flow, messages_file="notes.jsonl")
    await agent.tools["take_message"].run(ToolCall("1", "take_message", ""), {"count": 3})
    assert json.loads(await asyncio.to_thread((tmp_path / "notes.jsonl").read_text))["count"] == 3


async def test_an_agent_is_called_and_asked_what_its_flow_says_unless_the_configuration_says_otherwise(tmp_path: Path):
    (tmp_path / "orders.py").write_text(ORDER)
    agent = await opened(tmp_path, tools=["orders:order_cakes"])
    assert (agent.title, agent.suggestions) == ("Bakery", ("I would like a cake",))
    agent = await opened(tmp_path, tools=["orders:order_cakes"], title="Cakes", suggestions=["Cake?"])
    assert (agent.title, agent.suggestions) == ("Cakes", ("Cake?",))


@pytest.mark.parametrize("name", ["demo.yaml", "receptionist.yaml"])
async def test_the_shipped_flows_open_with_what_vox_has(tmp_path: Path, name: str):
    flow = Path(__file__).parents[4] / "src/vox/agent/config" / name
    agent = await opened(tmp_path, flow.read_text(encoding="utf-8"))
    assert "take_message" in agent.tools
    assert len(agent.suggestions) >= 3


def fakes(folder: Path, **config: Any) -> Resources:
    file = folder / "config.json"
    file.write_text(json.dumps({"provider": "fake", **config}))
    return Resources(load(file, {}).settings, FakeClock(), NullMetrics(), {})


async def test_a_bot_that_others_configure_is_like_the_agent_but_for_what_it_says_otherwise(tmp_path: Path):
    shared = fakes(tmp_path, greeting="Hello.")
    async with shared:
        base = shared.agents["default"]
        assert await shared.changed_agent("", {}) is base
        bot = await shared.changed_agent("default", {"greeting": "Moin.", "turn_stop_secs": 1.5, "unknown": 1})
        assert (bot.greeting, bot.profile.turn_stop_secs) == ("Moin.", 1.5)
        assert (base.greeting, bot.stt) == ("Hello.", base.stt), "the driver is shared, the base is as it was"
        assert await shared.changed_agent("", {"turn_stop_secs": 1.5, "greeting": "Moin.", "unknown": 1}) is bot
        with pytest.raises(UsageError) as refused:
            await shared.changed_agent("nowhere", {"greeting": "x"})
        assert refused.value.code == "agent_not_found"


async def test_a_bot_with_keys_of_its_own_shares_no_driver_with_others(tmp_path: Path):
    shared = fakes(tmp_path)
    async with shared:
        mine = await shared.changed_agent("", {}, {"deepgram": "key-1"})
        other = await shared.changed_agent("", {}, {"deepgram": "key-2"})
        assert len({id(agent.stt) for agent in (shared.agents["default"], mine, other)}) == 3


async def test_a_bot_that_others_configure_names_no_files_and_no_code_of_this_machine(tmp_path: Path):
    shared = fakes(tmp_path)
    async with shared:
        given = {"tools": ["os:system"], "flow": "/etc/passwd", "messages_file": "/etc/x", "greeting": "Hi"}
        bot = await shared.changed_agent("", given)
        assert bot.tools == {}
        assert bot.profile.messages_file == shared.agents["default"].profile.messages_file


async def test_a_bot_with_a_wrong_value_is_refused_with_its_key(tmp_path: Path):
    shared = fakes(tmp_path)
    async with shared:
        with pytest.raises(UsageError, match="turn_stop_secs") as refused:
            await shared.changed_agent("", {"turn_stop_secs": "soon"}, {"deepgram": "hunter2"})
        assert refused.value.code == "invalid_setting"
        assert "hunter2" not in str(refused.value)


async def test_a_bot_with_a_model_of_its_own_does_not_follow_the_agents_flow(tmp_path: Path):
    (tmp_path / "orders.py").write_text(ORDER)
    shared = resources(tmp_path, llm_options={"grammar": False}, tools=["orders:order_cakes"])
    async with shared:
        assert shared.agents["default"].suggestions == ("I would like a cake",)
        bot = await shared.changed_agent("", {"llm_provider": "fake", "llm_options": {}})
        assert bot.suggestions == ()
