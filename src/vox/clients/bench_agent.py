"""An agent server of our own to be measured: fake drivers, real everything else, in its own process on its own core.

The fakes answer at once (transcript at the end of speech, 13 words, 2.5 s of tone in blocks of 200 ms), so that what is
measured is the server and not a vendor. Voice activity detection is real, one stream per call.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vox.clients.carrier_lines import open_line
from vox.clients.load import ServerUnderTest
from vox.clients.server_process import free_port, pin, serving
from vox.runtime.clock import Clock

SERVER_CORE, CALLER_CORE = 0, 1
ANSWER = "This is a spoken answer of thirteen words that takes about three seconds."
_RUN = "import sys; from vox.cli.main import main; sys.exit(main())"

CONFIG: Mapping[str, Any] = {
    "host": "127.0.0.1",
    "stt_provider": "fake",
    "llm_provider": "fake",
    "tts_provider": "fake",
    "llm_options": {"responses": [ANSWER]},
    "vad_type": "silero",
    "vad_start_secs_vad": 0.2,
    "vad_stop_secs": 0.2,
    "turn_detection": "silence",
    "turn_stop_secs": 0.2,
    "playout_lead_ms": 0,  # frames sent ahead of time would hide how late the server is
    "adaptive_limit": False,
    "log_level": "error",
}


@dataclass(frozen=True, slots=True)
class BenchAgent:
    """A running server: its process, and where each kind of line connects."""

    process: ServerUnderTest
    port: int

    def url(self, line: str) -> str:
        """The address for a line of `lines.LINES`."""
        path = "/ws?format=protobuf&sample_rate=16000" if line == "protobuf" else "/telephony/ws"
        return f"ws://127.0.0.1:{self.port}{path}"


@asynccontextmanager
async def bench_agent(
    clock: Clock, *, max_calls: int, line: str, core: int | None, changes: Mapping[str, Any] | None = None
) -> AsyncGenerator[BenchAgent]:
    """Runs `vox agent` with fake drivers until the block is left; `changes` are laid over its configuration."""
    port = free_port()
    rate = open_line(line).sample_rate
    config = {
        **CONFIG,
        "stt_options": {"sample_rate": rate, "transcripts": ["A table for two, please."]},
        "tts_options": {"sample_rate": rate, "duration_s": 2.5, "block_s": 0.2},
        "runner_transport": "" if line == "protobuf" else line,
        "port": port,
        "max_concurrent_calls": max_calls,
        **(changes or {}),
    }
    with tempfile.TemporaryDirectory(prefix="vox-bench-") as folder:
        file, log = Path(folder, "config.json"), Path(folder, "server.log")
        await asyncio.to_thread(file.write_text, json.dumps(config))
        command = (sys.executable, "-c", _RUN, "agent", "--config", str(file))
        ready = f"http://127.0.0.1:{port}/ready"
        async with serving(command, ready_url=ready, clock=clock, log=log, core=core) as pid:
            yield BenchAgent(ServerUnderTest(pid, core), port)


def take_caller_core(*, wants_pin: bool) -> int | None:
    """Binds this process to the callers' core where asked and possible; returns the core left for the server."""
    if not wants_pin or (os.cpu_count() or 1) <= CALLER_CORE:
        return None
    pin(os.getpid(), CALLER_CORE)
    return SERVER_CORE
