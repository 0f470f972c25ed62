"""Calls over WebRTC against a real server: audio both ways, RTVI on the data channel, and clients that come and go."""

from pathlib import Path
from typing import Any

from tests.e2e.agents import FAKES, agent_server
from tests.e2e.audio_probe import speak
from tests.e2e.webrtc_client import RATE, webrtc_client
from vox.media.levels import rms
from vox.media.resample import resample

CONFIG: dict[str, Any] = {
    **FAKES,
    "transport": "both",
    "greeting": "Hello there.",
    "stt_options": {"transcripts": ["what is new"]},
    "llm_options": {"responses": ["First answer."]},
}


async def question() -> bytes:
    recording = await speak("what are your opening hours", tail_s=0.2)
    return resample(recording.pcm, recording.sample_rate, RATE)


async def test_a_spoken_question_gets_its_spoken_answer(tmp_path: Path):
    async with agent_server(tmp_path, CONFIG) as agent, webrtc_client(f"{agent.http}/api/offer") as client:
        body = await client.connect()
        assert body["type"] == "answer"
        ready = await client.told("bot-ready")
        assert ready["id"] == "ready-1"
        await client.told("bot-stopped-speaking")
        assert rms(bytes(client.heard)) > 0.05, "the greeting is audible"
        assert client.microphone is not None
        client.microphone.play(await question())
        await client.told("user-transcription", lambda data: data["text"] == "what is new")
        client.heard.clear()
        await client.told("bot-stopped-speaking")
        assert rms(bytes(client.heard)) > 0.05
        client.send("disconnect-bot")
        await agent.logged("call ended")
