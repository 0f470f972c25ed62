"""Whole calls through a server process whose language model is a vendor with a wire of its own."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.agents import FAKES, VOX, agent_server
from tests.e2e.ws_client import connected
from tests.fakes.vendors.llm_server import llm_server
from tests.fakes.vendors.llm_wires import Anthropic, Call
from tests.fakes.vendors.realtime_gemini import GeminiLiveWire
from tests.fakes.vendors.realtime_openai import OpenAiRealtimeWire
from tests.fakes.vendors.realtime_server import RealtimeServer, realtime_server
from tests.time_limits import time_limit
from vox.clients.audio_files import sample_question
from vox.clients.phone import place_call
from vox.clients.script import HangUp, Say, Step, WaitForAgent
from vox.protocols.agent_json import encode_client_frame
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
        async with agent_server(tmp_path, config, ANTHROPIC_API_KEY="sk-ant-1", VOXRAY_LOG_LEVEL="debug") as agent:
            outcome = await place_call(agent.phone, script, SystemClock(), line="twilio", caller="+1", callee="+2")
            (ended,) = await agent.logged("conversation")
    said = [message["content"] for message in ended["pii.messages"] if message["role"] == "assistant"]
    assert said == ["Welcome.", "One moment.", "We are open from nine to five."]
    assert wire.results(vendor.seen[1].json) == [("toolu_1", '"Monday: nine to five"')]
    assert vendor.seen[0].json["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert all(turn.response_s is not None for turn in outcome.report.turns)


RECITED = "one two three four five six seven eight nine ten eleven twelve."


async def test_a_caller_cuts_a_realtime_model_off_and_it_forgets_what_was_not_heard(tmp_path: Path):
    (tmp_path / "hours.py").write_text(TOOL)
    answers = [
        ("call", "opening_hours", '{"day": "Monday"}'),
        ("say", RECITED, 8.0),
        ("say", "You are welcome.", 1.0),
    ]
    listen = WaitForAgent(silence_s=0.5)
    script: list[Step] = [
        listen,
        Say(sample_question()),
        Say(sample_question(), into_agent_s=2.0),
        listen,
        HangUp(),
    ]
    heard: list[str | None] = ["when do you open", "thank you very much indeed"]
    async with realtime_server(lambda server: OpenAiRealtimeWire(server, answers, heard)) as vendor:
        config = {
            **{key: value for key, value in FAKES.items() if not key.endswith("_provider")},
            "realtime_provider": "openai",
            "realtime_voice": "marin",
            "realtime_options": {"base_url": vendor.base_url},
            "tools": ["hours:opening_hours"],
            "greeting": "Welcome to the library.",
            "system_prompt": "Be brief.",
        }
        async with agent_server(tmp_path, config, OPENAI_API_KEY="sk-1", VOXRAY_LOG_LEVEL="debug") as agent:
            outcome = await place_call(agent.phone, script, SystemClock(), line="twilio", caller="+1", callee="+2")
            (ended,) = await agent.logged("conversation")
        await vendor.until(lambda: vendor.open == 0)
    messages = ended["pii.messages"]
    said = [message["content"] for message in messages if message["role"] == "assistant" and message["content"]]
    assert [message["content"] for message in messages if message["role"] == "user"] == heard
    assert [said[0], said[-1]] == ["Welcome to the library.", "You are welcome."]
    assert said[1] != RECITED
    assert RECITED.startswith(said[1])
    setup = vendor.messages[0]["session"]
    assert (setup["instructions"], setup["audio"]["output"]["voice"]) == ("Be brief.", "marin")
    results = [sent["item"]["output"] for sent in sent_items(vendor) if sent["item"]["type"] == "function_call_output"]
    assert results == ['"Monday: nine to five"']
    (cut,) = [sent for sent in vendor.messages if sent["type"] == "conversation.item.truncate"]
    barge_in = outcome.report.turns[2]
    assert barge_in.silenced_s is not None
    # Where the agent pauses for the voice before its words are known, less was heard than the time until it was silent.
    assert 1.5 < cut["audio_end_ms"] / 1000 < 2.5 + barge_in.silenced_s
    assert outcome.report.clears


async def test_in_the_browser_gemini_live_greets_and_answers_what_is_typed(tmp_path: Path):
    answers: list[tuple[Any, ...]] = [("say", "You are welcome.", 1.0)]
    async with realtime_server(lambda server: GeminiLiveWire(server, answers, [])) as vendor:
        config = {
            **{key: value for key, value in FAKES.items() if not key.endswith("_provider")},
            "realtime_provider": "gemini",
            "realtime_options": {"base_url": vendor.base_url},
            "greeting": "Welcome to the library.",
        }
        async with agent_server(tmp_path, config, GEMINI_API_KEY="AIza-1", VOXRAY_LOG_LEVEL="debug") as agent:
            async with connected(agent.ws) as client:
                greeting = await client.frame("AggregatedTextFrame")
                assert greeting["text"] == "Welcome to the library."
                client.send(encode_client_frame("TranscriptionFrame", {"text": "Thank you."}))
                async with time_limit():
                    while "You are welcome." not in [each["text"] for each in client.frames("AggregatedTextFrame")]:
                        await client.change()
            (ended,) = await agent.logged("conversation")
    assert ("user", "Thank you.") in [(message["role"], message["content"]) for message in ended["pii.messages"]]
    assert vendor.headers[0]["x-goog-api-key"] == "AIza-1"


async def test_a_realtime_model_without_its_key_is_no_start(tmp_path: Path):
    config = tmp_path / "config.json"
    config.write_text('{"realtime_provider": "openai"}')
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    process = await asyncio.create_subprocess_exec(
        *(VOX, "agent", "--config", str(config), "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    async with time_limit():
        output, _ = await process.communicate()
    assert process.returncode == 2
    assert b"OPENAI_API_KEY" in output
    assert b"Traceback" not in output


def sent_items(vendor: RealtimeServer) -> list[dict[str, Any]]:
    return [sent for sent in vendor.messages if sent["type"] == "conversation.item.create"]
