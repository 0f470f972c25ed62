"""Where a turn's time went, as RTVI tells it, Prometheus counts it and a trace shows it: the same numbers everywhere."""

import json
from pathlib import Path

import httpx2
import pytest

from tests.e2e.agents import FAKES, agent_server, until
from tests.e2e.otlp_collector import otlp_collector
from tests.e2e.ws_client import connected
from tests.time_limits import time_limit
from vox.clients.audio_files import sample_question
from vox.clients.phone import place_call
from vox.clients.script import HangUp, Say, Step, WaitForAgent
from vox.runtime.clock import SystemClock

pytest.importorskip("opentelemetry.sdk")

CONFIG = {
    **FAKES,
    "greeting": "hello.",
    "tts_options": {"characters_per_s": 40.0},
    "llm_options": {"responses": ["the quick brown fox jumps."]},
}
STAGES = {"end_of_utterance_s", "stt_s", "llm_ttfb_s", "tts_ttfb_s", "response_s"}


async def test_each_turn_of_a_call_is_a_span_below_the_call_and_counted(tmp_path: Path):
    listen = WaitForAgent(silence_s=0.4)
    script: list[Step] = [listen, Say(sample_question()), listen, Say(sample_question()), listen, HangUp()]
    with otlp_collector() as collector:
        async with agent_server(tmp_path, CONFIG, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint) as agent:
            await place_call(agent.phone, script, SystemClock(), line="twilio")
            await agent.logged("call ended")
            async with httpx2.AsyncClient(base_url=agent.http) as http:
                metrics = (await http.get("/metrics")).text
            agent.terminate()
            async with time_limit():
                assert await agent.process.wait() == 0
        await until(lambda: len(collector.named("turn")) == 2)
    assert collector.paths == {"/v1/traces"}
    assert collector.services == {"vox-agent"}
    [call] = collector.named("call")
    assert set(call.attributes) == {"call_id", "transport", "agent"}
    turns = sorted(collector.named("turn"), key=lambda span: span.attributes["turn"])
    for number, span in enumerate(turns, start=1):
        assert (span.parent_id, span.trace_id) == (call.span_id, call.trace_id)
        assert span.attributes["turn"] == number
        assert set(span.attributes) >= STAGES
        assert span.seconds == pytest.approx(span.attributes["response_s"], abs=1e-3)
        stages = span.attributes["end_of_utterance_s"] + span.attributes["llm_ttfb_s"]
        assert stages <= span.attributes["response_s"]
    counted = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert counted["vox_agent_response_seconds_count"] == "2.0"
    assert counted["vox_agent_end_of_utterance_seconds_count"] == "2.0"
    total = sum(span.attributes["response_s"] for span in turns)
    assert float(counted["vox_agent_response_seconds_sum"]) == pytest.approx(total, abs=1e-3)


async def test_a_client_of_rtvi_is_told_where_the_time_of_its_turn_went(tmp_path: Path):
    async with agent_server(tmp_path, CONFIG) as agent, connected(f"{agent.ws}?rtvi=1") as socket, time_limit():
        for kind, data in (("client-ready", {"version": "2.0.0"}), ("send-text", {"content": "hi"})):
            socket.send(json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", "data": data}))
        latency = await socket.frame("server-message")
        metrics = socket.frames("metrics")[-1]
    assert latency["type"] == "turn-latency"
    assert latency["turn"] == 1
    assert set(latency["seconds"]) == {"llm_first_token", "tts_first_audio", "response"}
    told = {one["processor"]: one["value"] for one in [*metrics["ttfb"], *metrics["processing"]]}
    assert told["response"] == pytest.approx(latency["seconds"]["response"], abs=1e-4)
    assert told["llm"] == pytest.approx(latency["seconds"]["llm_first_token"], abs=1e-4)
