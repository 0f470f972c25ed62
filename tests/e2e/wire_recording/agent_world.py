"""An agent server under test."""

import contextlib
import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.wire_recording.processes import Running, started
from tests.e2e.wire_recording.values import Values
from tests.free_ports import free_port

FAKES: dict[str, Any] = {
    "stt_provider": "fake",
    "stt_options": {"transcripts": ["what can you do", "and then"]},
    "llm_provider": "fake",
    "llm_options": {
        "responses": ["I can count. One, two, three.", "That was it."],
        "calls": [{"keyword": "weather", "tool": "get_weather", "arguments": {"place": "Bergen"}}],
    },
    "tts_provider": "fake",
    "tts_options": {"duration_s": 0.1},
    "greeting": "Hello and welcome.",
    "turn_detection": "silence",
    "turn_stop_secs": 0.1,
    "vad_type": "energy",
    "adaptive_limit": False,
}
"""An agent that hears and says what it was told to, quickly."""

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather at a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}
"""A tool that the client runs."""


@contextlib.contextmanager
def agent(
    vox: Path, folder: Path, config: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Generator[tuple[Running, Values]]:
    """A `vox agent` with this configuration; the caller waits until it is healthy."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps({"host": "127.0.0.1", "log_level": "info", "json_logs": True, **FAKES, **config}))
    command = [str(vox), "agent", "--config", str(file), "--port", str(port)]
    with started(command, port, folder, environment) as running:
        yield running, Values({f"127.0.0.1:{port}": "host"})
