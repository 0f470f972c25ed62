"""Agent servers that share a store of calls, behind one address that a test points at one of them."""

import asyncio
import contextlib
import sqlite3
import wave
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.agents import FAKES, RunningAgent, agent_server
from tests.e2e.workers import call_worker
from vox.clients.audio_files import sample_question
from vox.clients.carrier_simulator.behaviour import Behaviour, CalleeStep, Listen, PlayFile, Silence
from vox.clients.carrier_simulator.call import SimulatedCarrierCall
from vox.clients.carrier_simulator.scenario import Scenario
from vox.clients.carrier_simulator.server import CarrierSimulator
from vox.media.recording import wav

LONG = " ".join(f"word{number}" for number in range(30)) + "."
"""An answer of a quarter of a minute with the fake voice."""


@dataclass(slots=True)
class Front:
    """One address for all servers: each new connection goes to the server that is chosen then."""

    port: int = 0
    target: int = 0
    connections: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            behind, to_behind = await asyncio.open_connection("127.0.0.1", self.target)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pass_on(reader, to_behind))
                tasks.create_task(_pass_on(behind, writer))
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes bytes on until the end, and the end as the kind that it was."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def front() -> AsyncGenerator[Front]:
    made = Front()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made
        server.close()


@dataclass(slots=True)
class Fleet:
    """Servers by name, in folders of their own below one that holds what they share."""

    folder: Path
    front: Front
    config: dict[str, Any]
    stack: contextlib.AsyncExitStack
    agents: dict[str, RunningAgent] = field(default_factory=dict[str, RunningAgent])

    async def start(self, name: str, **config: Any) -> RunningAgent:
        """Starts a server and points the address at it."""
        own = self.folder / name
        own.mkdir()
        running = await self.stack.enter_async_context(agent_server(own, {**self.config, **config}))
        self.agents[name] = running
        self.front.target = running.port
        return running

    async def start_worker(self, name: str, *, slots: int) -> RunningAgent:
        """The same with a call worker, which takes its drain's deadline from its own variables."""
        worker = call_worker(
            self.folder / name,
            self.config,
            VOX_DRAIN_DEADLINE_SECS=str(self.config["drain_timeout_secs"]),
            MAX_CONCURRENT_CALLS=str(slots),
        )
        running = await self.stack.enter_async_context(worker)
        self.agents[name] = running
        self.front.target = running.port
        return running

    def rows(self) -> dict[str, list[tuple[int, str, str]]]:
        """What is in the table of transcripts, by call."""
        found: dict[str, list[tuple[int, str, str]]] = {}
        with contextlib.closing(sqlite3.connect(self.folder / "transcripts.db")) as connection:
            select = "SELECT session_id, seq, role, text FROM call_transcripts ORDER BY session_id, seq"
            for session_id, *row in connection.execute(select):
                found.setdefault(session_id, []).append((row[0], row[1], row[2]))
        return found

    def recordings(self) -> list[Path]:
        """The files of recordings that are whole."""
        return sorted(self.folder.glob("recordings/2*/**/*.wav"))


@contextlib.asynccontextmanager
async def fleet(folder: Path, **config: Any) -> AsyncGenerator[Fleet]:
    """No server yet; those that are started have a store of calls, a table of transcripts and a folder of recordings in common."""
    shared: dict[str, Any] = {
        **FAKES,
        "handover_store": str(folder / "calls.db"),
        "transcripts.enable": True,
        "transcripts.driver": "sqlite",
        "transcripts.dsn": str(folder / "transcripts.db"),
        "recording": {"enable": True, "layout": "stereo", "folder": str(folder / "recordings")},
        "drain_timeout_secs": 6,
        "handover_lead_secs": 5,
        "playout_lead_ms": 0,
        **config,
    }
    async with front() as made, contextlib.AsyncExitStack() as stack:
        yield Fleet(folder, made, shared, stack)


def question_file(folder: Path) -> Path:
    """A caller's question, as a WAV file."""
    question = sample_question()
    path = folder / "question.wav"
    path.write_bytes(wav.header(question.sample_rate, 1, len(question.pcm)) + question.pcm)
    return path


def asking(folder: Path, *more: CalleeStep) -> Behaviour:
    """A caller who asks once the greeting is over."""
    return Behaviour(ring_s=0.1, callee=(Listen(silence_s=0.4), PlayFile(question_file(folder)), *more, Silence(600.0)))


def simulated(behaviour: Behaviour) -> CarrierSimulator:
    return CarrierSimulator(Scenario(default=behaviour), speed=20)


def silences(path: Path, channel: int, *, least_s: float) -> list[tuple[float, float]]:
    """The stretches of a recording in which a side is silent for at least so long, in seconds."""
    with wave.open(str(path)) as file:
        rate, channels = file.getframerate(), file.getnchannels()
        samples = memoryview(file.readframes(file.getnframes())).cast("h")[channel::channels].tolist()
    step = rate // 50
    quiet = [max(map(abs, samples[at : at + step]), default=0) < 50 for at in range(0, len(samples), step)]
    found: list[tuple[float, float]] = []
    began: int | None = None
    for number, is_quiet in enumerate([*quiet, False]):
        if is_quiet and began is None:
            began = number
        elif not is_quiet and began is not None:
            if (number - began) / 50 >= least_s:
                found.append((began / 50, number / 50))
            began = None
    return found


def spoken_s(call: SimulatedCarrierCall) -> float:
    """Seconds in which the caller heard the agent so far."""
    if call.leg is None:
        return 0.0
    report = call.leg.report()
    samples = memoryview(report.agent_track).cast("h")
    step = report.sample_rate // 50
    return sum(any(abs(one) > 50 for one in samples[at : at + step : 8]) for at in range(0, len(samples), step)) / 50
