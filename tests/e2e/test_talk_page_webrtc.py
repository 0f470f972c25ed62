"""The talk page over WebRTC, and over the WebSocket by itself where WebRTC does not work; it says which it uses."""

from pathlib import Path
from typing import Any

from tests.e2e.agents import FAKES, agent_server
from tests.e2e.audio_probe import speak
from tests.e2e.chromium import open_page
from vox.clients.audio_files import write_wav

CONFIG: dict[str, Any] = {
    **FAKES,
    "transport": "both",
    "greeting": "Hello.",
    "stt_options": {"transcripts": ["what is new"]},
    "llm_options": {"responses": ["This is the answer."]},
}
ANSWERED = "voxTalk.transcript.some(({who, spoken}) => who === 'bot' && spoken === 'This is the answer.')"
ROUTE = "document.querySelector('#route-fact').innerText"
BLOCKED = (
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)


async def test_a_spoken_question_gets_its_answer_over_webrtc(tmp_path: Path):
    recording = await speak("what are your opening hours", lead_s=8.0, tail_s=1.0)
    microphone = tmp_path / "question.wav"
    write_wav(microphone, [recording.pcm], recording.sample_rate)
    async with (
        agent_server(tmp_path, CONFIG) as agent,
        open_page(tmp_path, f"{agent.http}/?record=1", microphone=microphone) as page,
    ):
        await page.wait_for("document.title !== 'Talk to the agent'")
        await page.click("#talk")
        await page.wait_for(ANSWERED)
        assert await page.evaluate(ROUTE) == "Connected over WebRTC"
        assert await page.evaluate("voxTalk.heard().samples.some((sample) => sample > 3000)")
        assert await page.evaluate("voxTalk.turns.some(({user, latency_s}) => user === 'what is new' && latency_s > 0)")
        await page.click("#hangup")
        (ended,) = await agent.logged("call ended")
        assert ended["reason"] in {"hung_up", "client_left"}
        assert page.errors == []
        (started,) = agent.lines("call started")
        assert started["transport"] == "webrtc"


async def test_where_udp_is_blocked_the_page_takes_the_websocket(tmp_path: Path):
    async with agent_server(tmp_path, CONFIG) as agent, open_page(tmp_path, agent.http, flags=BLOCKED) as page:
        await page.wait_for("document.title !== 'Talk to the agent'")
        await page.click("#talk")
        await page.wait_for("voxTalk.route === 'WebSocket'")
        assert await page.evaluate(ROUTE) == "Connected over WebSocket"
        await page.wait_for("voxTalk.transcript.some(({spoken}) => spoken === 'Hello.')")
        await agent.logged("call started")
        assert {line["transport"] for line in agent.lines("call started")} == {"ws"}
        assert page.errors == []


async def test_without_the_transport_the_page_asks_for_nothing_else(tmp_path: Path):
    async with (
        agent_server(tmp_path, {**CONFIG, "transport": "websocket"}) as agent,
        open_page(tmp_path, agent.http) as page,
    ):
        await page.wait_for("document.title !== 'Talk to the agent'")
        await page.click("#talk")
        await page.wait_for("voxTalk.route === 'WebSocket'")
        assert page.errors == []
