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
