"""Vendors that hang, stream garbage and break off, in real calls: each of these recovers, no other notices, and the metrics tell."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.agents import FAKES, RunningAgent, agent_server, until
from tests.e2e.ws_client import WsClient, connected
from tests.fakes.vendors.deepgram import Deepgram
from tests.fakes.vendors.llm_server import LlmServer, llm_server
from tests.fakes.vendors.llm_wires import Anthropic
from tests.fakes.vendors.socket_vendor import Fault
from tests.fakes.vendors.socket_vendor import running as running_recogniser
from tests.fakes.vendors.speech_vendor import KEY, SpeechVendor, running
from tests.fakes.vendors.speech_vendors import SPEECH_VENDORS
from tests.time_limits import WAIT_S
from vox.clients.audio_files import sample_question
from vox.protocols.agent_json import encode_client_audio, encode_client_frame

SHORT_S = 1.0
"""A vendor that says nothing for so long has failed; nothing here takes as long where it works."""
RATE = 16_000
APOLOGY = "Sorry, something went wrong. Could you say that again?"


@dataclass(frozen=True, slots=True)
class Calls:
    """A call whose agent stands on the vendor, and the server that both calls are at."""

    agent: RunningAgent
    disturbed: WsClient

    def say(self) -> None:
        """A question by voice, and the silence behind it."""
        pcm = sample_question().at(RATE).pcm + bytes(RATE * 2)
        for at in range(0, len(pcm), RATE // 25):
            self.disturbed.send(encode_client_audio(pcm[at : at + RATE // 25], RATE))

    def ask(self, text: str) -> None:
        self.disturbed.send(encode_client_frame("TranscriptionFrame", {"text": text}))

    async def others_are_answered(self) -> None:
        """A call that needs nothing of the vendor is taken and answered."""
        async with connected(f"{self.agent.ws}?agent=plain") as other:
            other.send(encode_client_frame("TranscriptionFrame", {"text": "hello"}))
            await told(other, "AggregatedTextFrame", "as ever.")

    async def metric(self, name: str) -> float:
        async with httpx2.AsyncClient(timeout=WAIT_S) as http:
            lines = (await http.get(f"{self.agent.http}/metrics")).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))


async def told(client: WsClient, kind: str, text: str, times: int = 1) -> None:
    """Waits until the client was told a text so many times."""

    def count() -> int:
        return sum(frame.get("text") == text for frame in client.frames(kind))

    await until(lambda: count() >= times or client.closing is not None)
    assert client.closing is None, client.closing


async def failed(client: WsClient, times: int) -> None:
    """Waits until the client was told of so many failures."""
    await until(lambda: len(client.frames("ErrorFrame")) >= times or client.closing is not None)
    assert client.closing is None, client.closing


@asynccontextmanager
async def server(folder: Path, vendor: dict[str, Any], **environment: str) -> AsyncGenerator[RunningAgent]:
    """Both agents at one server; `vendor` are the settings of the one that stands on the vendor."""
    agents = {"vendor": vendor, "plain": {"llm_options": {"responses": ["as ever."]}}}
    async with agent_server(folder, {**FAKES, "agents": agents}, **environment) as agent:
        yield agent


@asynccontextmanager
async def call(agent: RunningAgent) -> AsyncGenerator[Calls]:
    """A call that stands on the vendor."""
    async with connected(f"{agent.ws}?agent=vendor&audio=base64") as disturbed:
        yield Calls(agent, disturbed)
        assert disturbed.closing is None, "the call went on to its end"


def hang(vendor: LlmServer) -> None:
    vendor.ending = "hang"


def stream_garbage(vendor: LlmServer) -> None:
    vendor.pieces = [b"event: message_start\ndata: {nonsense\n\n"]


def break_off(vendor: LlmServer) -> None:
    vendor.pieces, vendor.ending = [*Anthropic().text("Well, that ")], "cut"


async def test_a_model_that_hangs_streams_garbage_and_breaks_off(tmp_path: Path):
    wire = Anthropic()
    async with llm_server() as vendor:
        options = {"base_url": vendor.base_url, "timeout_s": SHORT_S, "max_retries": 0}
        settings = {"llm_provider": "anthropic", "llm_options": options}
        async with server(tmp_path, settings, ANTHROPIC_API_KEY="k1") as agent, call(agent) as both:
            for number, fault in enumerate((hang, stream_garbage, break_off), 1):
                vendor.pieces, vendor.ending = [], "end"
                fault(vendor)
                both.ask("are you there")
                await until(lambda number=number: len(vendor.seen) >= 2 * number - 1)
                await both.others_are_answered()
                await failed(both.disturbed, number)
                await told(both.disturbed, "AggregatedTextFrame", APOLOGY, number)
                vendor.pieces, vendor.ending = [*wire.text("I am."), *wire.end()], "end"
                both.ask("and now")
                await told(both.disturbed, "AggregatedTextFrame", "I am.", number)
            assert await both.metric("llm_errors_total") == 3


def fall_silent(vendor: SpeechVendor) -> None:
    vendor.hang_after = 2


def send_garbage(vendor: SpeechVendor) -> None:
    vendor.garbage = b"<html>no</html>"


def lose_the_connection(vendor: SpeechVendor) -> None:
    vendor.break_after = 2


async def test_a_voice_that_hangs_streams_garbage_and_breaks_off(tmp_path: Path):
    vendor = SPEECH_VENDORS["cartesia"]()
    async with running(vendor):
        settings = {
            "tts_provider": vendor.provider,
            "tts_options": {"base_url": vendor.base_url, "timeout_s": SHORT_S, "max_retries": 0},
            "llm_options": {"responses": ["One two three four five six seven."]},
            "error_message": "",
        }
        async with server(tmp_path, settings, **{vendor.key_variable: KEY}) as agent, call(agent) as both:
            for fault in (fall_silent, send_garbage, lose_the_connection):
                vendor.reset()
                fault(vendor)
                both.ask("say something")
                await until(lambda: bool(vendor.seen))
                await both.others_are_answered()
                await failed(both.disturbed, 1)
                vendor.reset()
                both.disturbed.messages.clear()
                both.ask("and now")
                await until(lambda: len(both.disturbed.frames("TTSAudioRawFrame")) >= 40)
            assert await both.metric("tts_errors_total") == 3


async def test_a_recogniser_that_hangs_streams_garbage_and_breaks_off(tmp_path: Path):
    vendor = Deepgram()
    faults: list[Fault] = ["silent", "garbage", "disconnect"]
    async with running_recogniser(vendor):
        settings = {
            "stt_provider": "deepgram",
            "stt_options": {"timeout_s": SHORT_S, "connect_timeout_s": WAIT_S},
            "llm_options": {"responses": ["certainly."]},
            "turn_detection": "none",
        }
        environment = {"DEEPGRAM_API_KEY": "k1", "DEEPGRAM_BASE_URL": vendor.url}
        async with server(tmp_path, settings, **environment) as agent:
            for number, fault in enumerate(faults, 1):
                vendor.faults = [fault, fault]  # the sentence is sent again over a new connection, once
                async with call(agent) as both:
                    both.say()
                    await until(lambda number=number: len(vendor.connections) >= number)
                    await both.others_are_answered()
                    await failed(both.disturbed, 1)
                    vendor.faults = []
                    both.say()
                    await told(both.disturbed, "TranscriptionFrame", "book a table")
                    await told(both.disturbed, "AggregatedTextFrame", "certainly.")
                    assert await both.metric("stt_errors_total") == number
