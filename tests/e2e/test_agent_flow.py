"""What the settings of the agent's queues and writes do on the wire."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from tests.e2e.agents import FAKES, RunningAgent, agent_server, until
from tests.e2e.segments import segments_in
from tests.e2e.ws_client import WsClient, connected
from tests.time_limits import WAIT_S, time_limit
from vox.clients.audio_files import sample_question
from vox.http.picows_socket import PicowsSocket
from vox.protocols.agent_json import encode_client_audio

RATE = 48_000
PIECE_BYTES = RATE // 50 * 2


def question() -> bytes:
    """Speech as a good microphone brings it, and the silence behind it."""
    samples = np.frombuffer(sample_question().pcm, np.int16)
    return np.repeat(samples, RATE // 16_000).tobytes() + bytes(RATE * 2)


def connection_of(client: WsClient) -> socket.socket:
    """The client's TCP connection."""
    assert isinstance(client.socket, PicowsSocket)
    transport: Any = client.socket._transport
    return transport.underlying_transport.get_extra_info("socket")


def send(client: WsClient, pcm: bytes) -> None:
    """Sends audio as fast as the connection takes it."""
    for at in range(0, len(pcm), PIECE_BYTES):
        client.send(encode_client_audio(pcm[at : at + PIECE_BYTES], RATE))


def unsent(client: WsClient) -> int:
    assert client.socket is not None
    return client.socket.backlog_bytes


async def metric(agent: RunningAgent, name: str) -> float:
    async with httpx2.AsyncClient(timeout=WAIT_S) as http:
        text = (await http.get(f"{agent.http}/metrics")).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


@asynccontextmanager
async def agent(folder: Path, **config: Any) -> AsyncGenerator[RunningAgent]:
    async with agent_server(folder, {**FAKES, "greeting": "Hello.", **config}) as running:
        yield running


@pytest.mark.parametrize(("cap", "pauses"), [(5, True), (100_000, False)])
async def test_a_recogniser_that_is_behind_makes_its_caller_wait_and_no_other(tmp_path: Path, cap: int, pauses: bool):
    stt = {"delay_s": 3.0, "transcripts": ["one", "two"]}
    async with (
        agent(tmp_path, pipeline_input_queue_cap=cap, stt_options=stt, turn_detection="none") as running,
        connected(f"{running.ws}?audio=base64") as client,
    ):
        connection_of(client).setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)  # so that waiting shows
        send(client, question())
        await until(lambda: bool(client.frames("UserStoppedSpeakingFrame")))
        send(client, question())
        if pauses:
            await waiting(client)
            async with connected(running.ws) as other:
                await other.frame("AggregatedTextFrame")
            assert unsent(client), "the caller was read on"
        await until(lambda: not unsent(client))
        await until(lambda: len(client.frames("UserStoppedSpeakingFrame")) >= 2)
        await client.frame("TranscriptionFrame")
        assert client.closing is None
        assert (await metric(running, "vox_agent_input_pauses_total") > 0) is pauses
        assert await metric(running, "vox_vad_windows_dropped_total") == 0
        assert await metric(running, "vox_agent_listening_dropped_total") == 0


async def waiting(client: WsClient) -> None:
    """Returns once the connection takes no more: what is unsent stays the same for a while."""
    async with time_limit():
        before = -1
        while not unsent(client) or unsent(client) != before:
            before = unsent(client)
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(("window_ms", "most_per_second"), [(0, 1000), (200, 12)])
async def test_messages_within_the_window_share_their_segments(tmp_path: Path, window_ms: int, most_per_second: int):
    greeting = "One two three four five six seven eight nine ten eleven twelve."
    config = {"ws_write_coalesce_ms": window_ms, "ws_write_coalesce_max_frames": 100, "playout_lead_ms": 0}
    async with (
        agent(tmp_path, greeting=greeting, **config) as running,
        connected(f"{running.ws}?audio=base64") as client,
    ):
        before, begun = segments_in(connection_of(client)), len(client.messages)
        await until(lambda: bool(client.frames("BotStoppedSpeakingFrame")))
        messages, segments = len(client.messages) - begun, segments_in(connection_of(client)) - before
        audio = len(client.frames("TTSAudioRawFrame"))
        assert audio >= 50
        if window_ms:
            assert segments <= 2 + most_per_second * audio / 50
        else:
            assert segments >= 0.9 * messages
