"""Calls over WebRTC against a real server: audio both ways, RTVI on the data channel, and clients that come and go."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.agents import FAKES, RunningAgent, agent_server, until
from tests.e2e.audio_probe import speak
from tests.e2e.webrtc_client import RATE, WebRtcClient, webrtc_client
from tests.unit.media.webrtc.offers import PIPECAT
from vox.media.levels import rms
from vox.media.resample import resample

pytestmark = pytest.mark.usefixtures("webrtc_driver")

CONFIG: dict[str, Any] = {
    **FAKES,
    "transport": "both",
    "greeting": "Hello there.",
    "webrtc_reconnect_secs": 1.0,
    "stt_options": {"transcripts": ["what is new"]},
    "llm_options": {"responses": ["You said {text}."]},
}


async def question() -> bytes:
    recording = await speak("what are your opening hours", tail_s=0.2)
    return resample(recording.pcm, recording.sample_rate, RATE)


async def greeted(client: WebRtcClient, **fields: Any) -> dict[str, Any]:
    body = await client.connect(**fields)
    await client.told("bot-ready")
    await client.told("bot-stopped-speaking")
    return body


async def answered(client: WebRtcClient, text: str) -> None:
    client.send("send-text", {"content": text})
    await client.told("bot-output", lambda data: data["text"] == f"You said {text}.")
    await client.told("bot-stopped-speaking")


async def metric(agent: RunningAgent, line: str) -> float:
    """The value of a line of /metrics; 0 where it is not there."""
    async with httpx2.AsyncClient() as http:
        shown = (await http.get(f"{agent.http}/metrics")).text
    return next((float(each.rpartition(" ")[2]) for each in shown.splitlines() if each.startswith(line)), 0.0)


async def test_a_spoken_question_gets_its_spoken_answer_and_silence_nothing(tmp_path: Path):
    async with agent_server(tmp_path, CONFIG) as agent, webrtc_client(f"{agent.http}/api/offer") as client:
        body = await client.connect()
        assert body["type"] == "answer"
        ready = await client.told("bot-ready")
        assert ready["id"] == "ready-1"
        await client.told("bot-stopped-speaking")
        assert rms(bytes(client.heard)) > 0.05, "the greeting is audible"
        assert client.microphone is not None
        await client.hears_no_more()
        client.heard.clear()
        client.microphone.play(await question())
        await client.told("user-started-speaking")
        assert not client.heard, "no packet comes while the agent is silent"
        await client.told("user-transcription", lambda data: data["text"] == "what is new")
        await client.told("bot-stopped-speaking")
        assert rms(bytes(client.heard)) > 0.05

        assert await metric(agent, 'http_active_connections{direction="ingress",model="",route="webrtc"') == 1
        assert await metric(agent, "webrtc_peer_connections_active") == 1
        assert await metric(agent, "webrtc_bytes_received_total") > 1000
        assert await metric(agent, "webrtc_bytes_sent_total") > 1000
        client.send("disconnect-bot")
        left = await client.told("signalling")
        assert left["message"]["type"] == "peerLeft"
        await agent.logged("call ended")
        await until_metric(agent, 'http_active_connections{direction="ingress",model="",route="webrtc"', 0)
        assert await metric(agent, 'webrtc_peer_connections_total{session_id="",stage="webrtc",state="closed"}') == 1


async def until_metric(agent: RunningAgent, line: str, value: float) -> None:
    while await metric(agent, line) != value:
        pass


async def test_a_client_without_a_microphone_hears_and_types(tmp_path: Path):
    async with (
        agent_server(tmp_path, CONFIG) as agent,
        webrtc_client(f"{agent.http}/api/offer", microphone=False) as client,
    ):
        await greeted(client)
        assert "a=sendonly" in client.answer
        assert rms(bytes(client.heard)) > 0.05
        await answered(client, "hello")


async def test_a_client_without_a_data_channel_is_heard(tmp_path: Path):
    async with (
        agent_server(tmp_path, {**CONFIG, "log_transcripts": True}) as agent,
        webrtc_client(f"{agent.http}/api/offer", has_channel=False) as client,
    ):
        await client.connect()
        assert client.microphone is not None
        await client.heard_something()
        client.microphone.play(await question())
        await until(lambda: "what is new" in [line["text"] for line in agent.lines("utterance")])


async def test_the_original_client_gets_its_own_form(tmp_path: Path):
    async with agent_server(tmp_path, CONFIG) as agent, webrtc_client("") as client:
        offer = await client.make_offer()
        wrapped = json.dumps({"type": "offer", "sdp": offer})
        for path in ("/webrtc/offer", "/api/v1/webrtc/offer"):
            reply = await client.http.post(f"{agent.http}{path}", json={"offer": wrapped})
            assert reply.status_code == 200
            answer = json.loads(reply.json()["data"]["answer"])
            assert answer["type"] == "answer"
            assert answer["sdp"].startswith("v=0")
            plain = await client.http.post(f"{agent.http}{path}", json={"offer": offer})
            assert plain.json()["data"]["answer"].startswith("v=0")
            assert plain.headers["cache-control"] == "no-store"


async def test_a_session_gives_its_body_to_the_call(tmp_path: Path):
    config = {**CONFIG, "greeting": "Hello {{name}}."}
    async with agent_server(tmp_path, config) as agent, webrtc_client("", microphone=False) as client:
        started = (await client.http.post(f"{agent.http}/start", json={"body": {"name": "Ann"}})).json()
        client.offer_url = f"{agent.http}/sessions/{started['sessionId']}/api/offer"
        body = await client.connect()
        assert body["data"]["type"] == "answer"
        await client.told("bot-output", lambda data: data["text"] == "Hello Ann.")
        assert [line["session_id"] for line in agent.lines("call started")] == [started["sessionId"]]
        useful = {"candidate": "candidate:1 1 udp 1 192.0.2.1 5000 typ host", "sdp_mid": "0", "sdp_mline_index": 0}
        candidates = [useful, {"candidate": "", "sdp_mid": "0"}, {"candidate": "candidate:odd"}]
        patch = {"pc_id": client.pc_id, "candidates": candidates}
        reply = await client.http.patch(client.offer_url, json=patch)
        assert (reply.status_code, reply.json()) == (200, {"status": "success"})
        assert (await client.http.patch(client.offer_url, json={"pc_id": "x"})).status_code == 404
        assert (await client.http.patch(client.offer_url)).status_code == 204


async def test_an_offer_of_the_same_connection_changes_it(tmp_path: Path):
    async with (
        agent_server(tmp_path, CONFIG) as agent,
        webrtc_client(f"{agent.http}/api/offer", microphone=False) as client,
    ):
        first = await greeted(client)
        client.add_microphone()
        again = await client.offer()
        assert again["pc_id"] == first["pc_id"]
        assert "a=sendrecv" in again["sdp"]
        assert client.microphone is not None
        client.microphone.play(await question())
        await client.told("user-transcription", lambda data: data["text"] == "what is new")
        assert len(agent.lines("call started")) == 1


async def test_a_client_comes_back_into_its_call(tmp_path: Path):
    async with (
        agent_server(tmp_path, {**CONFIG, "webrtc_reconnect_secs": 60}) as agent,
        webrtc_client(f"{agent.http}/api/offer", microphone=False) as client,
    ):
        await greeted(client)
        await client.vanish()
        before = client.pc_id
        body = await client.connect(restart_pc=True)
        assert body["pc_id"] == before
        await client.told("bot-ready")
        client.heard.clear()
        await answered(client, "back")
        assert rms(bytes(client.heard)) > 0.05
        assert len(agent.lines("call started")) == 1
        assert await metric(agent, "webrtc_reconnection_attempts_total") == 1


@pytest.mark.parametrize("way", ["close", "vanish"])
async def test_a_client_that_goes_ends_its_call(tmp_path: Path, way: str):
    async with agent_server(tmp_path, CONFIG) as agent, webrtc_client(f"{agent.http}/api/offer") as client:
        await greeted(client)
        await (client.close() if way == "close" else client.vanish())
        await agent.logged("call ended")
        await until_metric(agent, "webrtc_peer_connections_active", 0)


async def test_a_stopped_server_says_good_bye(tmp_path: Path):
    config = {**CONFIG, "drain_timeout_secs": 0.1}
    async with agent_server(tmp_path, config) as agent, webrtc_client(f"{agent.http}/api/offer") as client:
        await greeted(client)
        agent.terminate()
        left = await client.told("signalling")
        assert left["message"] == {"type": "peerLeft", "code": 1001, "reason": "server_stopping"}
        await until(lambda: agent.process.returncode == 0)


HOSTILE = {
    "no SDP": "hello",
    "half": PIPECAT[: len(PIPECAT) // 2],
    "zeros": "v=0\r\n" + "\0" * 1000,
    "a weak fingerprint": PIPECAT.replace("sha-256", "md5"),
    "letters for numbers": PIPECAT.replace("111", "\u0661\u0661\u0661"),
    "mids": PIPECAT.replace("a=mid:0", "a=mid:3"),
    "long": PIPECAT + "a=candidate:1 1 udp 1 10.0.0.1 1 typ host\r\n" * 5000,
}


async def test_hostile_offers_are_refused_and_the_call_in_progress_notices_nothing(tmp_path: Path):
    async with agent_server(tmp_path, CONFIG) as agent, webrtc_client(f"{agent.http}/api/offer") as client:
        await greeted(client)
        for name, sdp in HOSTILE.items():
            for path in ("/webrtc/offer", "/api/offer"):
                reply = await client.http.post(f"{agent.http}{path}", json={"offer": sdp, "type": "offer"})
                assert reply.status_code in {400, 422}, f"{name}: {reply.text}"
                assert reply.json()["error"]["message"]
        for raw in (b"", b"{", b"[]", b"\xff", b'{"sdp":' + b"[" * 100_000):
            assert (await client.http.post(f"{agent.http}/api/offer", content=raw)).status_code == 400
        oversized = await client.http.post(f"{agent.http}/api/offer", content=b" " * 300_000)
        assert oversized.status_code == 400
        client.send_raw("{")
        client.send_raw('{"type":"signalling","message":{"type":"trackStatus","receiver_index":"x"}}')
        client.send_raw('{"label":"rtvi-ai","type":"raw-audio","data":5}')
        await answered(client, "still here")
        assert not agent.lines("request failed")


async def test_offers_that_nobody_follows_take_no_more_than_their_places(tmp_path: Path):
    config = {**CONFIG, "max_concurrent_calls": 3}
    async with agent_server(tmp_path, config) as agent, webrtc_client(f"{agent.http}/api/offer") as client:
        replies = [await client.http.post(client.offer_url, json={"sdp": PIPECAT}) for _ in range(8)]
        assert [reply.status_code for reply in replies] == [200] * 3 + [503] * 5
        assert replies[-1].headers["retry-after"] == "5"
        assert await metric(agent, "vox_agent_calls_active") == 3
