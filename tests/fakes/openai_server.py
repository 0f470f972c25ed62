"""A server that speaks OpenAI's wire format on a real port: streamed chat, transcription uploads, streamed speech.

It does what it is told to: fail first, break off, wait. It keeps every request for the test to look at.
"""

import asyncio
import json
import math
import struct
from array import array
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.time_limits import time_limit
from vox.http.server import Server

SPEECH_RATE = 24_000
SPEECH_S = 0.5


@dataclass
class Failure:
    """One answer that is none."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=lambda: {"error": {"message": "no", "type": "x", "code": None}})


@dataclass
class Seen:
    """A request as it arrived; `files` are uploads by field name, `form` the other fields."""

    path: str
    key: str
    client: tuple[str, int] | None = None
    json: dict[str, Any] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


class OpenAiServer:
    """What the server does next, and what it has seen."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[Seen] = []
        self.failures: list[Failure] = []
        self.chunks: list[Any] = say("Hello", " there")
        self.break_after: int | None = None
        self.hang = False
        self.hung_up = asyncio.Event()
        self.text = " hello \n"
        self.transcript: tuple[bytes, str] | None = None  # a body and its content type, in place of `text`
        self.speech: tuple[bytes, str] | None = None
        self._arrived = asyncio.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/audio/transcriptions", self._transcribe, methods=["POST"]),
                Route("/v1/audio/speech", self._speak, methods=["POST"]),
            ]
        )

    async def _chat(self, request: Request) -> Response:
        await self._see(request)
        return self._refusal() or StreamingResponse(self._events(), media_type="text/event-stream")

    async def _transcribe(self, request: Request) -> Response:
        await self._see(request)
        if self.hang:
            async with time_limit():
                await request.receive()  # the client's end: the body is read already
            self.hung_up.set()
        if self.transcript is not None:
            return Response(self.transcript[0], media_type=self.transcript[1])
        return self._refusal() or JSONResponse({"text": self.text})

    async def _speak(self, request: Request) -> Response:
        seen = await self._see(request)
        if self.speech is not None:
            return Response(self.speech[0], media_type=self.speech[1])
        return self._refusal() or StreamingResponse(self._speech(seen.json["response_format"]))

    async def _see(self, request: Request) -> Seen:
        body = await request.body()
        seen = Seen(request.url.path, request.headers.get("authorization", "").removeprefix("Bearer "))
        seen.client = (request.client.host, request.client.port) if request.client else None
        kind = request.headers.get("content-type", "")
        if kind.startswith("application/json"):
            seen.json = json.loads(body)
        else:
            form = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
            for part in cast("list[Message]", form.get_payload()):
                name = str(part.get_param("name", header="content-disposition"))
                content = cast("bytes", part.get_payload(decode=True))
                if part.get_filename():
                    seen.files[name] = content
                else:
                    seen.form[name] = content.decode()
        self.seen.append(seen)
        self._arrived.set()
        return seen

    async def has_seen(self, requests: int) -> None:
        """Waits for so many requests."""
        async with time_limit():
            while len(self.seen) < requests:
                self._arrived.clear()
                await self._arrived.wait()

    def _refusal(self) -> Response | None:
        if not self.failures:
            return None
        failure = self.failures.pop(0)
        return JSONResponse(failure.body, failure.status, failure.headers)

    async def _events(self) -> AsyncGenerator[bytes, None]:
        for number, chunk in enumerate(self.chunks):
            if number == self.break_after:
                await self._break_off()
            yield b"data: " + (chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()) + b"\n\n"
        if self.hang:
            await self._wait_for_hang_up()
        yield b"data: [DONE]\n\n"

    async def _speech(self, form: str) -> AsyncGenerator[bytes, None]:
        audio = speech()
        if form == "wav":
            audio = wav_head(len(audio)) + audio
        for number, start in enumerate(range(0, len(audio), 777)):
            if number == self.break_after:
                await self._break_off()
            yield audio[start : start + 777]
        if self.hang:
            await self._wait_for_hang_up()

    async def _break_off(self) -> None:
        await asyncio.sleep(0)
        raise ConnectionAbortedError("the test wants the connection cut here")

    async def _wait_for_hang_up(self) -> None:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            self.hung_up.set()
            raise


@asynccontextmanager
async def openai_server() -> AsyncGenerator[OpenAiServer, None]:
    """The server, running."""
    fake = OpenAiServer()
    async with Server(fake.app(), "127.0.0.1", 0, close_timeout_s=0.1) as server:
        fake.port = server.port
        yield fake


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A chunk of a streamed answer."""
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def say(*pieces: str) -> list[Any]:
    """An answer in these pieces, with its usage at the end."""
    usage = {**chunk({}), "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}
    return [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": piece}) for piece in pieces),
        chunk({}, "stop"),
        usage,
    ]


def tool_piece(index: int, **fields: Any) -> dict[str, Any]:
    """A chunk with a piece of a tool call."""
    call: dict[str, Any] = {"index": index, "function": {}}
    if "id" in fields:
        call |= {"id": fields.pop("id"), "type": "function"}
    call["function"] = fields
    return chunk({"tool_calls": [call]})


def speech() -> bytes:
    """What the server says: a tone, s16le, 24 kHz."""
    samples = int(SPEECH_RATE * SPEECH_S)
    return array("h", (round(8000 * math.sin(n / 10)) for n in range(samples))).tobytes()


def wav_head(size: int, rate: int = SPEECH_RATE) -> bytes:
    """A WAV header as streaming servers write it, with a chunk that nobody asked for."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    extra = struct.pack("<4sI", b"LIST", 4) + b"INFO"
    return struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE") + form + extra + struct.pack("<4sI", b"data", size)
