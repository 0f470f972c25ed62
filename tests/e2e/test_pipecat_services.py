"""A phone call whose recogniser, model and voice are all services of Pipecat."""

import re
from pathlib import Path
from typing import Any

from tests.e2e.agents import FAKES, agent_server
from tests.pipecat_python import hosted
from tests.time_limits import WAIT_S, scaled
from vox.clients.audio_files import sample_question
from vox.clients.phone import place_call
from vox.clients.script import HangUp, Say, WaitForAgent
from vox.runtime.clock import SystemClock


def config() -> dict[str, Any]:
    return {
        **FAKES,
        "stt_provider": "pipecat",
        "stt_options": hosted("StreamingRecogniser", sample_rate=8000, timeout_s=WAIT_S, connect_timeout_s=WAIT_S),
        "llm_provider": "pipecat",
        "llm_options": hosted("ParrotModel", timeout_s=WAIT_S),
        "tts_provider": "pipecat",
        "tts_options": hosted("ToneVoice", timeout_s=WAIT_S, sample_rate=8000),
        "greeting": "hello.",
        "log_level": "debug",
        "turn_stop_secs": 0.3,
    }


async def test_a_caller_talks_with_services_of_pipecat(tmp_path: Path):
    listen = WaitForAgent(silence_s=0.4, begin_timeout_s=scaled(20.0))
    question = Say(sample_question())
    script = [listen, question, listen, question, listen, HangUp()]
    async with agent_server(tmp_path, config(), VOXRAY_LOG_LEVEL="debug") as agent:
        outcome = await place_call(agent.phone, script, SystemClock())
        (ended,) = await agent.logged("conversation")
    said = [(message["role"], message["content"].strip()) for message in ended["pii.messages"][-5:]]
    assert [role for role, _ in said] == ["assistant", "user", "assistant", "user", "assistant"]
    assert said[0][1] == "hello."
    # A pause that a busy machine makes longer ends the played recogniser's text, and it begins another.
    assert all(re.fullmatch(r"book a table( book a table)*", text) for _, text in said[1:])
    assert all(turn.response_s is not None for turn in outcome.report.turns)
