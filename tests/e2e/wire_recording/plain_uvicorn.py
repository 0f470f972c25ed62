"""Chat and agent at their documented ASGI addresses, under plain uvicorn, where sockets take another way than under `vox`."""

import contextlib
import json
from collections.abc import Generator, Mapping
from pathlib import Path

from tests.e2e.wire_recording.agent_calls import json_frame
from tests.e2e.wire_recording.agent_http import KEY, OPEN, call
from tests.e2e.wire_recording.agent_world import FAKES
from tests.e2e.wire_recording.chat_world import API, CHEAP_PASSWORDS, ORIGIN, register
from tests.e2e.wire_recording.gateway_client import gateway
from tests.e2e.wire_recording.processes import Running, started
from tests.e2e.wire_recording.recording import Recording
from tests.e2e.wire_recording.stream_shapes import LiveStream
from tests.e2e.wire_recording.values import Values
from tests.free_ports import free_port

CHAT, AGENT = "vox.api.app:create_app", "vox.agent.app:create_app"


@contextlib.contextmanager
def uvicorn(vox: Path, folder: Path, address: str, environment: Mapping[str, str]) -> Generator[Running]:
    """An application that uvicorn makes and serves; the caller waits until it is healthy."""
    port = free_port()
    command = [
        str(vox.with_name("python")),
        "-m",
        "uvicorn",
        address,
        "--factory",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with started(command, port, folder, environment) as running:
        yield running


def asgi(vox: Path, folder: Path) -> list[Recording]:
    """A few requests and one socket of each."""
    (folder / "agent").mkdir(parents=True)
    config = folder / "agent" / "wire.json"
    config.write_text(json.dumps({**FAKES, "server_api_key": KEY}))
    of_chat = {**CHEAP_PASSWORDS, "VOX_RATE_LIMIT_SCALE": "0", "VOX_ALLOWED_ORIGINS": ORIGIN}
    with (
        uvicorn(vox, folder / "chat", CHAT, of_chat) as chat,
        uvicorn(vox, folder / "agent", AGENT, {"VOXRAY_CONFIG": str(config)}) as agent,
    ):
        values = Values({f"127.0.0.1:{one.port}": "host" for one in (chat, agent)})
        made = Recording("plain_uvicorn", chat.port, values)
        chat.wait_until_healthy("/health")
        _chat(made)
        agent.wait_until_healthy("/health")
        made.port = agent.port
        _agent(made)
    return [made]


def _chat(recording: Recording) -> None:
    for line in ("GET /health", "GET /ready", f"GET {API}/server", "GET /nothing"):
        recording.ask(line, "chat")
    ada = register(recording, "ada")
    ada.ask("GET /server")
    recording.upgrade("/gateway", "chat, a refused origin", {"Origin": "https://evil.example"})
    recording.upgrade("/gateway", "chat, no origin")
    with gateway(recording, "?compress=zstd") as one:
        one.identify(ada.token)
        ada.do("PATCH /server", {"name": "The house"})
        one.expect("server_update")
        one.send("identify", {"token": ada.token})
        one.until_closed()
        one.record("gateway [a session]")


def _agent(recording: Recording) -> None:
    for line in ("GET /health", "GET /ready", "GET /", "GET /ws", "GET /nothing"):
        recording.ask(line, "agent")
    recording.upgrade("/ws", "agent, no key")
    recording.upgrade("/ws", "agent, the key", OPEN)
    recording.upgrade("/nothing", "agent, unknown", OPEN)
    with call(recording, "/ws") as socket:
        stream = LiveStream(recording, socket, json_frame)
        stream.until("BotStoppedSpeakingFrame")
        stream.phase("greeting")
        socket.send_json({"type": "CancelFrame", "data": {"reason": "done"}})
        stream.show("the end", stream.until("close"))
        stream.record("/ws [JSON]")
