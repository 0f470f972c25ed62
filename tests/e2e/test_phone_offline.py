"""Calls to the offline agent at four carriers: a synthetic caller books a table, cuts in once, and judges by ear.

Nothing is asked of the agent but its own account of the conversation, to compare it with what was heard on the line: that
the caller was understood is proved by an answer that sounds like the right one.
"""

import asyncio
import shutil
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, cast

import httpx2
import numpy as np
import yaml

from tests.e2e.agents import OFFLINE, RunningAgent, agent_server
from tests.e2e.audio_probe import which_sentence
from tests.require import require
from vox.clients.audio_files import Recording, write_wav
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import Say, Step, Wait, WaitForAgent
from vox.clients.simulated_call import CallReport, TurnKind
from vox.providers import registry
from vox.providers.contract import Deps
from vox.providers.tts.contract import TextToSpeech
from vox.runtime.clock import SystemClock

CARRIERS = ("twilio", "telnyx", "plivo", "exotel")
VAD_START_S = 0.2
CUT_IN_S = 1.5  # into the agent's answer
LINE_NOISE = 20.0  # of 32,767; on digital silence the ear loses its way

DEMO = yaml.safe_load((files("vox.agent.config") / "demo.yaml").read_text())
BOOKING = DEMO["intents"]["booking"]
PLAIN = {name: intent["answer"] for name, intent in DEMO["intents"].items() if "answer" in intent}
ASKS = {name: slot["prompt"] for name, slot in BOOKING["slots"].items()}


def confirmation(people: str, day: str, time: str) -> str:
    return BOOKING["confirm"].replace("on {day}", day).format(people=people, time=time)


BOOKED = f"{BOOKING['done']} {DEMO['follow_up']}"
GOODBYE = DEMO["commands"]["goodbye"]["answer"]
# What the caller says, and the answer to it. The third cuts into the second answer.
DIALOGUE = (
    ("what are your opening hours", PLAIN["hours"]),
    ("where are you", PLAIN["address"]),
    ("i would like to book a table", ASKS["people"]),
    ("four people", ASKS["day"]),
    ("tomorrow", ASKS["time"]),
    ("at eight o'clock", confirmation("four", "tomorrow", "eight in the evening")),
    ("yes please", BOOKED),
    ("goodbye", GOODBYE),
)
CUT_OFF, CUTS_IN = 1, 2  # in DIALOGUE

# Everything the agent could have said instead.
REPROMPTS = [text for slot in BOOKING["slots"].values() for text in slot["reprompts"]]
FALLBACKS = [
    *DEMO["fallback"]["prompts"],
    DEMO["fallback"]["offer"],
    DEMO["fallback"]["handoff"]["answer"],
    "What should I change?",
]
MISHEARD = [
    confirmation(people, day, f"{hour} in the evening")
    for people, day, hour in product(
        ("two", "three", "four", "five"), ("today", "tomorrow", "on Friday"), ("seven", "eight", "nine")
    )
]
ANSWERS = [*PLAIN.values(), *ASKS.values(), BOOKED, GOODBYE, *REPROMPTS, *FALLBACKS, *MISHEARD]


async def test_a_table_is_booked_by_voice_alone_at_every_carrier(tmp_path: Path):
    steps = await script()
    async with agent_server(tmp_path, {**OFFLINE, "llm_provider": "flow"}, VOXRAY_LOG_LEVEL="debug") as agent:
        async with asyncio.TaskGroup() as group:  # side by side: each takes 40 s of real time
            calls = {carrier: group.create_task(call(agent, carrier, steps)) for carrier in CARRIERS}
        carrier_of = {line["call_id"]: line["transport"] for line in agent.lines("call started")}
        ended = {carrier_of[line["call_id"]]: line for line in await agent.logged("conversation", times=len(CARRIERS))}
    for carrier, one in calls.items():
        outcome, messages = one.result(), ended[carrier]["pii.messages"]
        write_wav(tmp_path / f"{carrier}.wav", [outcome.report.caller_track, outcome.report.agent_track], 8000)
        await check(carrier, outcome, messages)


async def check(carrier: str, outcome: CallOutcome, messages: list[dict[str, Any]]) -> None:
    report = outcome.report
    kinds = [TurnKind.GREETING, *[TurnKind.SPEECH] * len(DIALOGUE)]
    kinds[1 + CUTS_IN] = TurnKind.BARGE_IN
    assert [turn.kind for turn in report.turns] == kinds, carrier

    heard = await asyncio.gather(*(answer_heard(report, number, ANSWERS) for number in range(len(DIALOGUE))))
    expected = [answer for _, answer in DIALOGUE]
    assert leave_out(heard, CUT_OFF) == leave_out(expected, CUT_OFF), (carrier, users(messages))

    silenced_s = report.turns[1 + CUTS_IN].silenced_s
    assert silenced_s is not None, carrier
    assert silenced_s <= VAD_START_S + 0.2, carrier
    assert len(report.clears) == 1, carrier

    greeting, *written = [message["content"] for message in messages if message["role"] == "assistant"]
    assert greeting == DEMO["greeting"], carrier
    assert leave_out(written, CUT_OFF) == leave_out(expected, CUT_OFF), carrier
    whole, kept = expected[CUT_OFF].split(), written[CUT_OFF].split()
    assert kept == whole[: len(kept)], carrier
    prefixes = [" ".join(whole[:count]) for count in range(1, len(whole) + 1)]
    played = await answer_heard(report, CUT_OFF, prefixes)
    assert 0 < len(kept) < len(whole), carrier
    assert abs(len(kept) - len(played.split())) <= 1, (carrier, kept, played)

    assert (outcome.close_code, outcome.close_reason) == (1000, "agent_ended"), carrier


async def answer_heard(report: CallReport, number: int, sentences: list[str]) -> str:
    """What of these sentences the caller heard after this part of the dialogue."""
    turn, *later = report.turns[1 + number :]
    until_s = later[0].began_s + (later[0].silenced_s or 0.0) if later else report.duration_s
    begin, end = (int(second * report.sample_rate) * 2 for second in (turn.ended_s, until_s))
    pcm = np.frombuffer(report.agent_track[begin:end], "<i2").astype(np.float32)
    pcm = np.concatenate([pcm, np.zeros(report.sample_rate // 2, np.float32)])
    pcm += np.random.default_rng(1).normal(0.0, LINE_NOISE, len(pcm)).astype(np.float32)
    return await which_sentence(pcm.clip(-32_768, 32_767).astype("<i2").tobytes(), report.sample_rate, sentences)


async def call(agent: RunningAgent, carrier: str, steps: list[Step]) -> CallOutcome:
    return await place_call(agent.phone, steps, SystemClock(), line=carrier)


async def script() -> list[Step]:
    """The caller's part; at its end the caller holds the line, because the agent shall hang up."""
    listen = WaitForAgent(silence_s=0.8, begin_timeout_s=15.0)
    steps: list[Step] = [listen]
    for number, speech in enumerate(await caller_says([text for text, _ in DIALOGUE])):
        if number == CUTS_IN:
            steps[-1] = Say(speech, into_agent_s=CUT_IN_S)
        else:
            steps.append(Say(speech))
        steps.append(listen)
    return [*steps, Wait(20.0)]


async def caller_says(texts: list[str]) -> list[Recording]:
    """The texts in the voice that the recogniser understands best over a telephone, and which never varies."""
    require(shutil.which("flite") is not None, "flite", "apt-get install flite")
    async with httpx2.AsyncClient() as http:
        voice = cast("TextToSpeech", registry.create("tts", "flite", {"voice": "rms"}, Deps(SystemClock(), http)))
        async with voice:
            spoken = [[chunk.pcm async for chunk in voice.synthesize(text)] for text in texts]
            return [Recording(b"".join(pieces), voice.sample_rate) for pieces in spoken]


def leave_out(texts: list[str], number: int) -> list[str]:
    return texts[:number] + texts[number + 1 :]


def users(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages if message["role"] == "user"]
