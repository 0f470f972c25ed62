"""One voice room of `vox up`: people in browsers, the demo agent and a telephone caller, and ears that tell which words were heard."""

import asyncio
import base64
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from tests.contract.chat.harness import API
from tests.e2e.audio_probe import speak, which_sentence
from tests.e2e.chats import QUICK, bearer, register
from tests.require import require
from tests.sdks.clients import Client, open_client
from tests.sdks.namespaces import Host, Network
from tests.time_limits import WAIT_S, time_limit
from vox.clients.audio_files import Recording
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Press, Say, Step, Wait
from vox.clients.simulated_call import SimulatedCall
from vox.runtime.clock import SystemClock

NUMBER = "+4930123456"
KEY = "the-key-of-the-agent-server"
AGENT_PORT, CHAT_PORT, RELAY_PORT = 8080, 8000, 7880
PHONE_RATE, BROWSER_RATE = 8_000, 48_000
CALLER, AGENT = "caller-1", "agent-2"
"""Identities as the chat server counts guests: the caller is the first."""


@dataclass(slots=True)
class Vox:
    """A running `vox up`, and addresses in this process that lead to its agent and its chat server."""

    host: Host
    log: Path
    agent: str
    chat: str


@contextlib.asynccontextmanager
async def vox_up(folder: Path, host: Host) -> AsyncGenerator[Vox]:
    """All parts on that machine, with offline speech that needs no download."""
    log = folder / "up.log"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("VOX_")}, **QUICK,
        "HOME": str(folder), "VOX_MODELS": "none", "VOX_ROOM_NUMBERS": NUMBER, "VOXRAY_SERVER_API_KEY": KEY,
        "VOX_MEDIA_NETWORKS": "10.77.0.0/16", "VOX_RELAY_WEBHOOK_ALLOWED_PRIVATE": "10.77.0.0/16",
        "VOXRAY_LOG_LEVEL": "debug", "VOXRAY_JSON_LOGS": "true",
    }  # fmt: skip
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *host.namespace.command(
                str(Path(sys.executable).parent / "vox"), "up", "--host", host.address, "--data", str(folder / "data")
            ),
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        for port in (AGENT_PORT, CHAT_PORT, RELAY_PORT):
            answering = asyncio.create_task(host.namespace.answers(host.address, port))
            ending = asyncio.create_task(process.wait())
            await asyncio.wait((answering, ending), return_when=asyncio.FIRST_COMPLETED)
            answering.cancel()
            assert process.returncode is None, await asyncio.to_thread(log.read_text)
            ending.cancel()
        async with _leading_to(host, AGENT_PORT) as agent, _leading_to(host, CHAT_PORT) as chat:
            yield Vox(host, log, f"http://127.0.0.1:{agent}", f"http://127.0.0.1:{chat}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        async with time_limit():
            await process.wait()


@contextlib.asynccontextmanager
async def _leading_to(host: Host, port: int) -> AsyncGenerator[int]:
    """A port of this machine whose connections end at that one of a test's machine."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = await host.namespace.connect(host.address, port)
        far_reader, far_writer = await asyncio.open_connection(sock=far)
        with contextlib.suppress(OSError):
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@dataclass(slots=True)
class Person:
    """A member of the community in a browser."""

    name: str
    client: Client
    token: dict[str, str]

    @property
    def identity(self) -> str:
        return self.client.identity

    async def say(self, text: str) -> None:
        """Speaks; returns once the words are said."""
        speech = await noisy(text)
        await self.client.do("say", pcm=base64.b64encode(speech.pcm).decode(), rate=speech.sample_rate)

    async def heard(self, sender: str, sentences: Sequence[str]) -> str:
        """Which of these sentences came from that member since this was asked last; empty for none."""
        return await which_sentence(*await self.recording(sender), sentences)

    async def recording(self, sender: str) -> tuple[bytes, int]:
        """What came from that member since this was asked last."""
        answer = await self.client.do("heard", sender=sender)
        return base64.b64decode(answer["pcm"]), BROWSER_RATE


@dataclass(slots=True)
class Community:
    """The chat server's room, and how people and guests get into it."""

    vox: Vox
    http: httpx2.AsyncClient
    owner: dict[str, str]
    room_id: int = 0
    code: str = ""
    people: dict[str, Person] = field(default_factory=dict[str, Person])

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        answer = await self.http.post(f"{API}{path}", json=body, headers=headers or self.owner)
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else None


@contextlib.asynccontextmanager
async def voice_room(folder: Path, network: Network, people: Sequence[str]) -> AsyncGenerator[Community]:
    """A room with these people in it, each in a browser on a machine of their own."""
    host = await network.host("server")
    async with contextlib.AsyncExitStack() as stack:
        vox = await stack.enter_async_context(vox_up(folder, host))
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=vox.chat, timeout=WAIT_S))
        accounts = {name: await register(http, name) for name in people}
        community = Community(vox, http, bearer(accounts[people[0]]))
        room = await community.post("/rooms", {"name": "Lounge", "type": "voice"})
        community.room_id = room["room_id"]
        number = await community.post(f"/rooms/{community.room_id}/voice/numbers", {"number": NUMBER})
        community.code = number["code"]
        for name in people:
            machine = await network.host(name)
            client = await stack.enter_async_context(open_client("javascript", folder / name, machine))
            token = bearer(accounts[name])
            joined = await community.post(f"/rooms/{community.room_id}/voice/join", {}, token)
            await client.join(joined["media_url"], joined["media_token"], version=1)
            await client.do("microphone")
            community.people[name] = Person(name, client, token)
        yield community


@dataclass(slots=True)
class Caller:
    """A telephone caller who does what a test says, one step after the other."""

    steps: asyncio.Queue[Step] = field(default_factory=asyncio.Queue)
    call: SimulatedCall | None = None
    calling: "asyncio.Task[CallOutcome] | None" = None
    _asked_s: float = 0.0

    def dial(self, vox: Vox, tasks: asyncio.TaskGroup) -> None:
        """Calls the room's number over a carrier's media stream."""
        url = vox.agent.replace("http", "ws", 1) + "/telephony/ws"
        work = place_call(
            url, self._script(), SystemClock(), line="twilio", headers=[("X-API-Key", KEY)], caller="+4917655501",
            callee=NUMBER, started=self._started,
        )  # fmt: skip
        self.calling = tasks.create_task(work)

    def press(self, keys: str) -> None:
        self.steps.put_nowait(Press(keys))

    async def say(self, text: str) -> None:
        """Speaks; returns once the words are said."""
        speech = await noisy(text)
        self.steps.put_nowait(Say(speech))
        await asyncio.sleep(len(speech.pcm) / 2 / speech.sample_rate + 0.2)

    def hang_up(self) -> None:
        self.steps.put_nowait(HangUp())

    async def heard(self, sentences: Sequence[str]) -> str:
        """Which of these sentences came down the line since this was asked last."""
        return await which_sentence(self.recording(), PHONE_RATE, sentences)

    def recording(self) -> bytes:
        """What came down the line since this was asked last."""
        assert self.call is not None
        since, self._asked_s = self._asked_s, self.call.elapsed_s
        return self.call.agent_audio_since(since)

    def _started(self, call: SimulatedCall) -> None:
        self.call = call

    def _script(self) -> Iterator[Step]:
        while True:
            step = self.steps.get_nowait() if not self.steps.empty() else Wait(0.1)
            yield step
            if isinstance(step, HangUp):
                return


async def noisy(text: str) -> Recording:
    """The text in a caller's voice on a line with faint noise: on digital silence a recogniser loses its way."""
    speech = await speak(text, lead_s=0.3, tail_s=0.3)
    noise = np.random.default_rng(len(text)).normal(0, 20, len(speech.pcm) // 2)
    samples = np.frombuffer(speech.pcm, "<i2") + noise
    return Recording(samples.clip(-32_768, 32_767).astype("<i2").tobytes(), speech.sample_rate)


def require_everything() -> None:
    """Skips by name where a program is missing."""
    from importlib.util import find_spec

    require(find_spec("vox_native") is not None, "vox_native", "make native (needs cargo)")
