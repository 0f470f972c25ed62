"""Strangers at the door: garbage, floods, silence and peers that do not read harm nobody but themselves."""

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.agents import FAKES, RunningAgent, agent_server, until
from tests.e2e.ws_client import WsClient, connected
from tests.time_limits import time_limit
from vox.agent.admission import CLIENT_SILENT_S, SILENT_S
from vox.agent.transports.telephony import START_TIMEOUT_S
from vox.clients.audio_files import sample_question
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Say, Step, Wait, WaitForAgent
from vox.clients.simulated_call import TurnKind
from vox.http.websocket import UpgradeRefusedError, open_socket
from vox.protocols.agent_json import encode_client_frame
from vox.runtime.clock import SystemClock

QUIET: dict[str, Any] = {**FAKES, "llm_options": {"responses": ["the quick brown fox jumps."]}}


async def conversation(agent: RunningAgent) -> CallOutcome:
    listen = WaitForAgent(silence_s=0.4)
    script: list[Step] = [Say(sample_question()), listen, Say(sample_question()), listen, HangUp()]
    return await place_call(agent.phone, script, SystemClock())


@contextlib.asynccontextmanager
async def a_call_goes_on(agent: RunningAgent) -> AsyncGenerator[None, None]:
    """A conversation of two turns during the block; it must be answered as if nobody else were there."""
    async with asyncio.TaskGroup() as group:
        held = group.create_task(conversation(agent))
        await agent.logged("call started")
        yield
    turns = [turn for turn in held.result().report.turns if turn.kind is TurnKind.SPEECH]
    assert len(turns) == 2
    assert all(turn.response_s is not None and turn.response_s < 2.0 for turn in turns)
    assert held.result().close_code == 1000


def count(agent: RunningAgent, metric: str) -> float:
    text = httpx2.get(f"{agent.http}/metrics").text
    found = re.search(rf"^{re.escape(metric)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def throw(url: str, *messages: str | bytes) -> tuple[int, str]:
    """Sends it all and waits for the verdict."""
    client = WsClient()
    opened = await open_socket(url, client, max_backlog_bytes=1 << 28)
    for message in messages:
        opened.send(message)
    with contextlib.suppress(TimeoutError):
        return await client.ended(60.0 if any(messages) else 3.0)  # empty messages may be no offence
    opened.close()
    return 0, "still open"


async def test_garbage_on_both_sockets_ends_them_with_a_reason_and_no_other_call(tmp_path: Path):
    async with agent_server(tmp_path, QUIET) as agent, a_call_goes_on(agent):
        too_big = await throw(agent.ws, "x" * ((1 << 20) + 1))  # first: the floods below use up the network's budget
        assert too_big[0] == 1009
        noise = os.urandom(1 << 16)
        for url in (agent.phone, agent.ws, f"{agent.ws}?format=protobuf", f"{agent.ws}?rtvi=1"):
            for garbage in (noise, noise.decode("latin-1"), b"", "", "\0" * 1000, '{"a":' * 20_000, "[" * 100_000):
                code, _ = await throw(url, *[garbage] * 60)
                # On a phone stream bytes are audio before a start that never comes; an empty protobuf message is a message.
                reasons = {1002, 1008} if url == agent.phone and isinstance(garbage, bytes) else {1008}
                assert code in reasons or not garbage, (url, garbage[:10])
        assert len(agent.lines("call started")) >= 1
        assert not agent.lines("socket listener failed")


async def test_a_flood_of_valid_messages_is_cut_off_and_no_other_call_feels_it(tmp_path: Path):
    frame = encode_client_frame("TranscriptionFrame", {"text": "hello " * 1000})
    audio = b"\x12\xd0\x0f" + b"\x1a\xca\x0f" + b"\0" * 1994  # a protobuf frame with 2 KB of audio

    async def flood(url: str, message: str | bytes) -> tuple[int, str]:
        return await throw(url, *[message] * 3000)

    async with agent_server(tmp_path, QUIET) as agent, a_call_goes_on(agent):
        for _ in range(2):
            verdicts = await asyncio.gather(
                flood(agent.ws, frame), flood(f"{agent.ws}?format=protobuf", audio), flood(agent.phone, "{}" * 2000)
            )
            # 1006: so much was still coming that the connection was cut before the reason was read.
            assert {code for code, _ in verdicts} <= {1006, 1008}
            await asyncio.sleep(0.5)


async def test_connecting_again_does_not_let_a_flood_go_on(tmp_path: Path):
    text = encode_client_frame("TranscriptionFrame", {"text": "hello"})
    many = b'{"type":"x","data":{"a":[' + b"1," * 480_000 + b"1]}}"
    async with agent_server(tmp_path, {**QUIET, "adaptive_limit": True}) as agent, a_call_goes_on(agent):
        for _ in range(20):
            verdicts = [await throw(agent.ws, *[text] * 100), await throw(agent.ws, *[many] * 3)]
            assert {code for code, _ in verdicts} <= {0, 1006, 1008}
        assert len(agent.lines("too much sent")) >= 15
        assert count(agent, "vox_agent_calls_limit") == 0


async def test_silent_clients_of_one_address_keep_nobody_out(tmp_path: Path):
    far, other = [("x-forwarded-for", "8.8.8.8")], [("x-forwarded-for", "9.9.9.9")]
    async with agent_server(tmp_path, {**QUIET, "max_concurrent_calls": 20}) as agent:
        silent = [WsClient() for _ in range(10)]
        for client in silent:
            await open_socket(agent.ws, client, headers=far)
        with pytest.raises(UpgradeRefusedError) as refused:
            await open_socket(agent.ws, WsClient(), headers=far)
        assert (refused.value.status, b"address" in refused.value.body) == (503, True)
        for _ in range(10):
            await open_socket(agent.ws, WsClient(), headers=other)
        await asyncio.sleep(CLIENT_SILENT_S)
        outcome = await place_call(agent.phone, [Wait(0.3), HangUp()], SystemClock())
        assert outcome.close_code == 1000
        assert await silent[0].ended() == (1013, "busy, and nothing was said")


async def test_a_thousand_silent_connections_hold_no_caller_out_and_are_gone_in_time(tmp_path: Path):
    async with agent_server(tmp_path, {**QUIET, "max_concurrent_calls": 100}) as agent:
        silent: list[WsClient] = []
        for _ in range(100):
            client = WsClient()
            await open_socket(agent.phone, client)
            silent.append(client)
        with pytest.raises(UpgradeRefusedError) as refused:
            await open_socket(agent.phone, WsClient())
        assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "5")
        await asyncio.sleep(SILENT_S)
        outcome = await place_call(agent.phone, [Wait(0.3), HangUp()], SystemClock())
        assert outcome.close_code == 1000
        assert (await silent[0].ended())[0] == 1013
        assert count(agent, "vox_agent_calls_evicted_total") == 1
        verdicts = [await client.ended() for client in silent[1:]]
        assert set(verdicts) == {(1002, "no start message came")}
        await until(lambda: count(agent, "vox_agent_calls_active") == 0)


async def test_a_thousand_silent_connections_without_a_limit_are_closed_too(tmp_path: Path):
    async with agent_server(tmp_path, QUIET) as agent:
        silent = [WsClient() for _ in range(1000)]
        for client in silent:  # each is let in; on a busy machine the first are gone before the last has come
            await open_socket(agent.phone, client)
        async with a_call_goes_on(agent):
            await asyncio.sleep(START_TIMEOUT_S)
        assert {await client.ended() for client in silent} == {(1002, "no start message came")}
        await until(lambda: count(agent, "vox_agent_calls_active") == 0)
        assert (
            count(
                agent,
                'http_active_connections{direction="ingress",model="",route="telephony_ws",session_id="",stage="http"}',
            )
            == 0
        )


async def test_who_connects_and_never_asks_for_anything_is_dropped(tmp_path: Path):
    async with agent_server(tmp_path, QUIET) as agent:
        idle = [await asyncio.open_connection("127.0.0.1", agent.port) for _ in range(50)]
        idle[0][1].write(b"GET /ws HTTP/1.1\r\nHost: x\r\nX-Slow: ")  # headers that never end
        async with time_limit():
            for reader, writer in idle:
                await reader.read()
                writer.close()


async def test_a_client_that_does_not_read_is_closed_and_frees_its_place(tmp_path: Path):
    async with agent_server(tmp_path, {**QUIET, "llm_options": {"echo": True}}) as agent:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", agent.port))
        deaf.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await agent.logged("call started")
        async with a_call_goes_on(agent):
            message = encode_client_frame("TranscriptionFrame", {"text": "hello " * 1500}).encode()
            frame = b"\x81\xfe" + len(message).to_bytes(2, "big") + b"\0\0\0\0" + message
            for _ in range(200):
                try:
                    deaf.sendall(frame)
                except OSError:
                    break
                await asyncio.sleep(0.02)
                if len(agent.lines("call ended")) == 1:
                    break
            (ended,) = await agent.logged("call ended")
            assert not agent.lines("too much sent")  # it was not what it sent that ended it
            reason = ended["reason"]
            assert count(agent, f'vox_agent_calls_ended_total{{reason="{reason}"}}') == 1
        deaf.close()
        await until(lambda: count(agent, "vox_agent_calls_active") == 0)


async def test_nothing_of_all_this_leaves_a_call_behind(tmp_path: Path):
    async with agent_server(tmp_path, QUIET) as agent:
        for _ in range(20):
            async with connected(agent.ws) as client:
                await client.frame("StartFrame")
                client.send(encode_client_frame("TranscriptionFrame", {"text": "hello"}))
            half = socket.create_connection(("127.0.0.1", agent.port))
            half.sendall(b"GET /telephony/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n")
            half.close()
        await agent.logged("call ended", times=20)
        assert count(agent, "vox_agent_calls_active") == 0
        assert count(agent, "vox_vad_streams") == 0
        assert count(agent, "vox_media_tracks_active") == 0
