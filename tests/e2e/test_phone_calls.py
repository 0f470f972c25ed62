"""Whole phone calls at each carrier's own wire format: four turns, a barge-in, and what the conversation then holds."""

import asyncio
from pathlib import Path
from typing import Any

from tests.e2e.agents import FAKES, agent_server
from vox.clients.audio_files import Recording, sample_question
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Press, Say, Step, WaitForAgent
from vox.clients.simulated_call import CallReport, TurnKind
from vox.runtime.clock import SystemClock

CARRIERS = ("twilio", "telnyx", "plivo", "exotel", "vonage", "genesys")
# A word every third of a second or so, so that what was heard can be told from the length of the audio.
WORDS = "one two three four five six seven eight nine ten eleven twelve."
VAD_START_S = 0.2


def agent_config(**more: Any) -> dict[str, Any]:
    return {
        **FAKES,
        "llm_options": {"responses": [WORDS]},
        "tts_options": {"characters_per_s": 15.0},
        "greeting": "hello and welcome to you.",
        "turn_stop_secs": 0.3,
        **more,
    }


def question() -> Recording:
    return sample_question()


async def call(url: str, carrier: str, script: list[Step]) -> CallOutcome:
    return await place_call(url, script, SystemClock(), line=carrier, caller="+15550100", callee="+15550199")


async def test_at_every_carrier_a_conversation_of_four_turns_with_a_barge_in(tmp_path: Path):
    listen = WaitForAgent(silence_s=0.4)
    script: list[Step] = [
        listen,
        Say(question()),
        listen,
        Say(question()),
        Say(question(), into_agent_s=1.5),
        listen,
        Press("42#"),
        listen,
        HangUp(),
    ]
    async with agent_server(tmp_path, agent_config()) as agent:
        async with asyncio.TaskGroup() as group:  # side by side: each takes half a minute of real time
            calls = {carrier: group.create_task(call(agent.phone, carrier, script)) for carrier in CARRIERS}
        carrier_of = {line["call_id"]: line["transport"] for line in agent.lines("call started")}
        ended = {carrier_of[line["call_id"]]: line for line in await agent.logged("conversation", times=len(CARRIERS))}
    for carrier, one in calls.items():
        check(carrier, one.result().report, ended[carrier]["pii.messages"])


# Unlike on mu-law lines, the question's first 0.4 s are heard as a voice by itself there, and so are the next 0.2 s: too short
# to be more than agreement, so the agent goes on in the first breath and is cleared again.
MOST_CLEARS = {"exotel": 2}


def check(carrier: str, report: CallReport, messages: list[dict[str, Any]]) -> None:
    kinds = [TurnKind.GREETING, TurnKind.SPEECH, TurnKind.SPEECH, TurnKind.BARGE_IN, TurnKind.DIGITS]
    assert [turn.kind for turn in report.turns] == kinds, carrier
    assert all(turn.response_s is not None for turn in report.turns), carrier
    barge_in = report.turns[3]
    assert barge_in.silenced_s is not None, carrier
    assert barge_in.silenced_s <= VAD_START_S + 0.2, carrier
    if carrier != "genesys":  # AudioHook's barge-in event is its clear
        assert 1 <= len(report.clears) <= MOST_CLEARS.get(carrier, 1), carrier
    said = [message["content"] for message in messages if message["role"] == "assistant"]
    assert said[0] == "hello and welcome to you.", carrier
    assert [said[1], *said[3:]] == [WORDS] * 3, carrier
    heard_s = barge_in.began_s + barge_in.silenced_s - report.turns[2].ended_s - (report.turns[2].response_s or 0.0)
    assert said[2] in {words_heard(heard_s + slack) for slack in (-0.12, -0.06, 0.0, 0.06)}, carrier
    assert [message["content"] for message in messages if message["role"] == "user"][-1] == "DTMF: 42", carrier


def words_heard(seconds: float) -> str:
    """What the fake voice has said whole after so long: it spreads the words by their letters."""
    position = seconds * 15.0
    begun = [start for start in starts() if start <= position]
    return WORDS[: begun[-1]].rstrip() if begun else ""


def starts() -> list[int]:
    return [0, *(index + 1 for index, character in enumerate(WORDS) if character == " ")]
