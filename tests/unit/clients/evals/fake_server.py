"""An agent server in memory behind `connect`: RTVI for typed and spoken clients, a telephone agent for carriers."""

import asyncio
import json
from typing import Any

from tests.unit.clients.fake_agent import FRAME_S, FakeAgent, tone
from vox.clients.audio_files import Recording
from vox.clients.evals.station import Station
from vox.protocols import agent_protobuf
from vox.protocols.pipecat_frames import AudioRawFrame, MessageFrame, decode_frame, encode_audio

SPEECH = Recording(tone(0.5, frequency=300.0), 8000)


class FakeServer:
    """Makes a connection for each call; `answers` are the texts of its answers in turn, the last again and again.

    Args:
        answers: what it says; "BYE" ends the call, "TOOL" calls one and answers its result, "" is silence.
        close_code: with which it ends a call.
    """

    def __init__(self, *answers: str, close_code: int = 1000, is_mute: bool = False) -> None:
        self.answers = answers
        self.close_code = close_code
        self.is_mute = is_mute
        self.urls: list[str] = []
        self.received: list[dict[str, Any]] = []
        self.open_calls = self.most_calls = 0

    async def connect(self, url, listener, *, headers, connect_timeout_s):
        self.urls.append(url)
        self.open_calls += 1
        self.most_calls = max(self.most_calls, self.open_calls)
        socket = FakeSocket(self, listener, is_phone="/telephony" in url, is_binary="format=protobuf" in url)
        listener.opened(socket)
        return socket


class FakeSocket:
    """The caller's end of one call."""

    backlog_bytes = 0
    write_frames = None

    def __init__(self, server: FakeServer, listener: Any, *, is_phone: bool, is_binary: bool) -> None:
        self.is_open = True
        self._server, self._listener, self._is_binary = server, listener, is_binary
        self._loop = asyncio.get_running_loop()
        self._phone = FakeAgent(self._deliver, answer_s=0.5, greeting_s=0.5) if is_phone else None
        self._answered = 0
        self._silence: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, message: Any) -> None:
        if self._phone is not None:
            self._phone.receive(message)
        elif self._is_binary:
            self._receive_frame(message)
        else:
            self._receive(json.loads(message))

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.is_open:
            self.is_open = False
            self._server.open_calls -= 1
            if self._phone is not None:
                self._phone.stop()
            for task in self._tasks:
                task.cancel()
            self._loop.call_soon(self._listener.closed, code, reason)

    def pause_reading(self) -> None:
        raise AssertionError("a caller reads on")

    resume_reading = pause_reading

    def _receive_frame(self, message: bytes) -> None:
        frame = decode_frame(message)
        if isinstance(frame, MessageFrame):
            self._receive(json.loads(frame.data))
        elif isinstance(frame, AudioRawFrame) and any(frame.audio):
            if self._silence is not None:
                self._silence.cancel()
            self._silence = self._loop.call_later(0.3, self._answer)

    def _receive(self, envelope: dict[str, Any]) -> None:
        self._server.received.append(envelope)
        match envelope["type"]:
            case "client-ready":
                if not self._server.is_mute:
                    self._tell("bot-ready")
                    self._say("0.0", "Hello.", is_voiced=True)
            case "send-text" | "dtmf":
                self._loop.call_later(0.005, self._answer)
            case _:
                pass

    def _answer(self) -> None:
        self._answered += 1
        texts = self._server.answers
        text = texts[min(self._answered, len(texts)) - 1] if texts else ""
        if text == "BYE":
            self.close(self._server.close_code, "the agent left")
        elif text == "TOOL":
            call = {"function_name": "look_up", "tool_call_id": f"c{self._answered}"}
            self._tell("llm-function-call-started", function_name="look_up")
            self._tell("llm-function-call-in-progress", **call, arguments={"day": "Sunday"})
            self._loop.call_later(5.0, self._finish_tool, call)
        elif text:
            self._say(f"{self._answered}.0", text, is_voiced=self._is_binary)

    def _finish_tool(self, call: dict[str, str]) -> None:
        self._tell("llm-function-call-stopped", **call, result="closed")
        self._say(f"{self._answered}.0", "closed", is_voiced=self._is_binary)

    def _say(self, segment: str, text: str, *, is_voiced: bool) -> None:
        self._tell("bot-llm-started")
        self._tell("bot-llm-text", text=text)
        self._tell("bot-llm-stopped")
        self._tell("metrics", tokens=[{"prompt_tokens": 10, "completion_tokens": 2}])
        self._tell("bot-output", segment_id=segment, text=text, will_be_spoken=is_voiced,
                   spoken_progress={"accumulated_text": text, "remaining_text": ""})  # fmt: skip
        if self._is_binary:
            task = self._loop.create_task(self._play(0.4))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _play(self, seconds: float) -> None:
        pcm = tone(seconds, 24_000)
        for at in range(0, len(pcm), 960):
            self._deliver(encode_audio(pcm[at : at + 960], 24_000))
            await asyncio.sleep(FRAME_S)

    def _tell(self, kind: str, **data: Any) -> None:
        text = json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", "data": data})
        self._deliver(agent_protobuf.encode_client_message(text) if self._is_binary else text)

    def _deliver(self, message: Any) -> None:
        self._loop.call_soon(self._listener.received, message)


def station(server: FakeServer, clock: Any, *, heard: Any = (), caller: Any = None) -> Station:
    """A station at this server; `heard` is what the recogniser hears in every track, `caller` the model of callers."""

    async def speak(text: str, voice: str) -> Recording:
        return SPEECH

    async def recognise(pcm: bytes, sample_rate: int):
        return heard

    async def open_caller(model: Any):
        return caller

    return Station("http://server.test:1/base/", clock, speak, recognise, open_caller, [], server.connect)
