"""A phone call whose caller is understood by a vendor's streaming recogniser, and what becomes of it where the vendor fails."""

from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.agents import FAKES, agent_server
from tests.fakes.vendors.deepgram import Deepgram
from tests.fakes.vendors.socket_vendor import Refusal, running
from tests.time_limits import WAIT_S
from vox.clients.audio_files import sample_question
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Say, Step, WaitForAgent
from vox.runtime.clock import SystemClock

CONFIG: dict[str, Any] = {
    **FAKES,
    "stt_provider": "deepgram",
    "stt_options": {"sample_rate": 8000, "connect_timeout_s": WAIT_S},
    "llm_options": {"responses": ["certainly."]},
    "greeting": "hello.",
    "turn_stop_secs": 0.3,
}


async def conversation(url: str, questions: int) -> CallOutcome:
    listen = WaitForAgent(silence_s=0.4)
    script: list[Step] = [listen]
    for _ in range(questions):
        script += [Say(sample_question()), listen]
    return await place_call(url, [*script, HangUp()], SystemClock())


async def test_a_caller_is_understood_by_deepgram(tmp_path: Path):
    vendor = Deepgram()
    vendor.texts = ["book a table", "thank you"]
    async with running(vendor):
        environment = {"DEEPGRAM_API_KEY": "k1", "DEEPGRAM_BASE_URL": vendor.url}
        async with agent_server(tmp_path, CONFIG, VOXRAY_LOG_LEVEL="debug", **environment) as agent:
            outcome = await conversation(agent.phone, questions=2)
            (ended,) = await agent.logged("conversation")
    said = [(message["role"], message["content"]) for message in ended["pii.messages"] if message["role"] != "system"]
    assert said == [
        ("assistant", "hello."),
        ("user", "book a table"),
        ("assistant", "certainly."),
        ("user", "thank you"),
        ("assistant", "certainly."),
    ]
    assert all(turn.response_s is not None for turn in outcome.report.turns)
    (connection,) = vendor.connections
    assert connection.value("sample_rate") == "8000", "telephone audio goes out as it came"
    assert connection.ended, "the vendor was told of the call's end"


async def test_a_caller_is_understood_by_the_next_recogniser_where_deepgram_refuses(tmp_path: Path):
    vendor = Deepgram()
    vendor.refusals = [Refusal(401)] * 100
    options = {"deepgram": CONFIG["stt_options"], "fake": {"transcripts": ["hello", "again"], "sample_rate": 16_000}}
    config = {**CONFIG, "stt_provider": ["deepgram", "fake"], "stt_options": options}
    async with running(vendor):
        environment = {"DEEPGRAM_API_KEY": "secret-key", "DEEPGRAM_BASE_URL": vendor.url}
        async with agent_server(tmp_path, config, VOXRAY_LOG_LEVEL="debug", **environment) as agent:
            await conversation(agent.phone, questions=2)
            (ended,) = await agent.logged("conversation")
            async with httpx2.AsyncClient() as http:
                metrics = (await http.get(f"{agent.http}/metrics")).text
            log = agent.log.read_text()
    assert [message["content"] for message in ended["pii.messages"] if message["role"] == "user"] == ["hello", "again"]
    assert 'stt_fallback_total{model="",session_id="",stage="stt"} 1.0' in metrics, "then it is passed over"
    assert 'vox_provider_circuit_open{provider="deepgram",stage="stt"} 1.0' in metrics
    assert "DEEPGRAM_API_KEY" in log
    assert "secret-key" not in log
