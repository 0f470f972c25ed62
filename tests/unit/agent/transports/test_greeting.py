"""The greeting reaches a client whole and in order, whenever the client says that it is ready."""

import asyncio
import json

import pytest

from tests.unit.agent.call_harness import World
from vox.agent.call.session import Session
from vox.agent.call.transport import CallInfo
from vox.agent.config.resources import Agent
from vox.agent.transports.websocket import WebSocketTransport
from vox.protocols.agent_codecs import CLIENT_WAIT_S, FIRST_MESSAGE_S, make_codec
from vox.protocols.agent_json import encode_client_frame
from vox.protocols.agent_protobuf import decode_server_message, encode_client_audio, encode_client_message
from vox.protocols.media_stream import WireMessage
from vox.protocols.pipecat_frames import AudioRawFrame, MessageFrame
from vox.protocols.rtvi import client_message

pytestmark = pytest.mark.usefixtures("virtual_loop")
SENTENCES = ["Hello there caller.", "How can I help you?"]
READY = client_message("client-ready", {"version": "2.1.0", "about": {"library": "test"}}, id_="m1")


class Client:
    """A client of `/ws`: what it got, with the time since the call began."""

    def __init__(self, query: dict[str, str]) -> None:
        self.got: list[tuple[float, WireMessage]] = []
        world = World(greeting=" ".join(SENTENCES))
        agent = Agent("test", world.session.agent.profile, world.ear, world.mind, world.voice, " ".join(SENTENCES), "")
        self.tasks = set[asyncio.Task[None]]()

        def start(link: WebSocketTransport) -> Session:
            session = Session(world.resources, agent, link, CallInfo("call_1", "ws"))
            self.tasks.add(asyncio.create_task(session.run()))
            return session

        self.transport = WebSocketTransport(world.resources, make_codec(query, allow_context=False), 8000, start)
        self.began = asyncio.get_running_loop().time()
        self.transport.opened(self)  # type: ignore[arg-type]

    def send(self, message: WireMessage) -> None:
        self.got.append((asyncio.get_running_loop().time() - self.began, message))

    def close(self, code: int, reason: str) -> None:
        return None

    async def leave(self) -> None:
        self.transport.closed(1000, "")
        await asyncio.gather(*self.tasks)

    def rtvi(self) -> list[tuple[str, str]]:
        """Types and texts of the RTVI messages, in order, and of all that came in another form."""
        found: list[tuple[str, str]] = []
        for _, message in self.got:
            if isinstance(message, str):
                envelope = json.loads(message)
            else:
                frame = decode_server_message(message)
                if isinstance(frame, AudioRawFrame):
                    continue
                if not isinstance(frame, MessageFrame):
                    found.append((type(frame).__name__, ""))
                    continue
                envelope = json.loads(frame.data)
            found.append((envelope["type"], (envelope.get("data") or {}).get("text", "")))
        return found

    def first_audio(self) -> float:
        return next(
            when
            for when, message in self.got
            if (isinstance(message, bytes) and isinstance(decode_server_message(message), AudioRawFrame))
            or (isinstance(message, str) and "TTSAudioRawFrame" in message)
        )


@pytest.mark.parametrize("ready_after", [0.0, 0.02, 0.3, 0.75, 1.5, 1.99])
@pytest.mark.parametrize("query", [{"format": "protobuf"}, {"rtvi": "1"}])
async def test_a_client_gets_ready_first_and_then_each_sentence_in_order(query: dict[str, str], ready_after: float):
    client = Client(query)
    await asyncio.sleep(ready_after)
    client.transport.received(encode_client_message(READY) if "format" in query else READY)
    await asyncio.sleep(8)
    await client.leave()
    messages = client.rtvi()
    assert messages[0] == ("bot-ready", "")
    assert [kind for kind, _ in messages if kind.endswith("Frame")] == []
    announced = list(dict.fromkeys(text for kind, text in messages if kind == "bot-transcription"))
    assert announced == SENTENCES
    assert ("bot-started-speaking", "") in messages


async def test_a_client_that_never_says_so_is_greeted_after_a_while():
    client = Client({"format": "protobuf"})
    await asyncio.sleep(6)
    await client.leave()
    assert client.first_audio() == pytest.approx(CLIENT_WAIT_S, abs=0.05)


async def test_a_client_that_only_sends_audio_is_greeted_with_its_first_frame():
    client = Client({"format": "protobuf"})
    await asyncio.sleep(0.1)
    client.transport.received(encode_client_audio(bytes(320), 8000))
    await asyncio.sleep(6)
    await client.leave()
    assert client.first_audio() == pytest.approx(0.1, abs=0.05)


async def test_a_silent_client_of_no_stated_format_is_greeted_when_it_is_taken_for_json():
    client = Client({})
    await asyncio.sleep(6)
    await client.leave()
    assert client.first_audio() == pytest.approx(FIRST_MESSAGE_S, abs=0.05)


async def test_a_client_that_asks_for_json_is_greeted_at_once():
    client = Client({"format": "json"})
    await asyncio.sleep(6)
    client.transport.received(encode_client_frame("CancelFrame"))
    await client.leave()
    assert client.first_audio() == pytest.approx(0.0, abs=0.05)
