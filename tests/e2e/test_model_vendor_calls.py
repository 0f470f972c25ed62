"""Whole calls through a server process whose language model is a vendor with a wire of its own."""

from pathlib import Path

from tests.e2e.agents import FAKES, agent_server
from tests.fakes.vendors.llm_server import llm_server
from tests.fakes.vendors.llm_wires import Anthropic, Call
from vox.clients.audio_files import sample_question
from vox.clients.phone import place_call
from vox.clients.script import HangUp, Say, Step, WaitForAgent
from vox.runtime.clock import SystemClock

TOOL = "def opening_hours(day: str) -> str:\n    '''Tells when we are open.'''\n    return f'{day}: nine to five'\n"


async def test_a_caller_asks_claude_who_asks_a_tool_and_answers_with_its_result(tmp_path: Path):
    (tmp_path / "hours.py").write_text(TOOL)
    wire = Anthropic()
    listen = WaitForAgent(silence_s=0.4)
    script: list[Step] = [listen, Say(sample_question()), listen, HangUp()]
    async with llm_server() as vendor:
        vendor.pieces = [
            *wire.text("One moment."),
            *wire.calls(Call("toolu_1", "opening_hours", '{"day": "Monday"}')),
            *wire.end("tools"),
        ]
        vendor.later = [[*wire.text("We are open ", "from nine to five."), *wire.end()]]
        config = {
            **FAKES,
            "llm_provider": "anthropic",
            "llm_options": {"base_url": vendor.base_url},
            "tools": ["hours:opening_hours"],
            "greeting": "Welcome.",
        }
        async with agent_server(tmp_path, config, ANTHROPIC_API_KEY="sk-ant-1") as agent:
            outcome = await place_call(agent.phone, script, SystemClock(), line="twilio", caller="+1", callee="+2")
            (ended,) = await agent.logged("conversation")
    said = [message["content"] for message in ended["pii.messages"] if message["role"] == "assistant"]
    assert said == ["Welcome.", "One moment.", "We are open from nine to five."]
    assert wire.results(vendor.seen[1].json) == [("toolu_1", '"Monday: nine to five"')]
    assert vendor.seen[0].json["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert all(turn.response_s is not None for turn in outcome.report.turns)
