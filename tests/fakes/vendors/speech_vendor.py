"""A vendor of speech as a server on a real port: each vendor's own file says how it is asked and how it answers.

It does what it is told to: refuse, answer in odd pieces, break off, fall silent, send garbage, wait for a gate. It keeps every
request for the test to look at, and knows when a request was ended by the other side.
"""

import asyncio
import json
import math
import re
import struct
from abc import ABC, abstractmethod
from array import array
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from vox.http.server import Server

KEY = "the-right-key"
PIECE_S = 0.1
SECONDS_PER_WORD = 0.15


@dataclass
class Refusal:
    """One answer that is none."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """A request as it arrived."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Word:
    """A word of the text, spoken from `start_s` to `end_s`; `start` and `end` are its characters."""

    text: str
    start: int
    end: int
    start_s: float
    end_s: float


@dataclass
class Sound:
    """A piece of speech, the words that begin in it, and the second at which it begins."""

    pcm: bytes
    words: list[Word]
    begin_s: float


class SpeechVendor(ABC):
    """One vendor's server.

    Attributes:
        provider: the driver's name.
        speaks_wav: its answers have a header that says the rate.
        gives_words: its answers have the times of the words.
        is_raw: its answers are bare samples.
        streams: it sends the first audio before the last is made.
        is_socket: it is asked over a WebSocket.
        takes_words: it can be given a sentence part by part.
        in_band: how it reports inside an answer that there were too many requests; empty where it does not.
        requests: that a sentence takes.
    """

    provider = ""
    key_variable = ""
    key_name = ""
    address_variable = ""
    sample_rate = 24_000
    path = "/v1"
    scheme = "http"
    media_type = "application/octet-stream"
    gives_words = False
    speaks_wav = False
    is_raw = False
    streams = True
    is_socket = False
    takes_words = False
    in_band = b""
    requests = 1
    more_environment: dict[str, str] = {}  # noqa: RUF012  read only
    options: dict[str, Any] = {}  # noqa: RUF012  what the driver is created with besides the address

    def __init__(self) -> None:
        self.port = 0
        self.reset()

    def reset(self) -> None:
        """Forgets what it was told and has seen."""
        self.seen: list[Seen] = []
        self.handshakes = 0
        self.refusals: list[Refusal] = []
        self.break_after: int | None = None
        self.hang_after: int | None = None
        self.gate_after: int | None = None
        self.gate = asyncio.Event()
        self.garbage: bytes | None = None
        self.damage: Random | None = None
        self.odd_pieces = False
        self.stated_rate: int | None = None
        self.is_silent = False
        self.hung_up = asyncio.Event()
        self.reached = asyncio.Event()

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{self.path}"

    @property
    def rate(self) -> int:
        return self.stated_rate or self.sample_rate

    # What a vendor's file says

    @abstractmethod
    def routes(self) -> list[BaseRoute]: ...

    @abstractmethod
    def is_authorised(self, request: HTTPConnection) -> bool: ...

    def text_of(self, seen: Seen) -> str:
        return seen.json["text"]

    def frames(self, sounds: Iterable[Sound], seen: Seen) -> Iterable[bytes]:
        """The body of an answer in the vendor's wire format."""
        return (sound.pcm for sound in sounds)

    def error(self, status: int) -> dict[str, Any]:
        """The body of a refusal."""
        return {"error": {"message": f"the vendor says {status}"}}

    # What they share

    async def answer(self, request: Request) -> Response:
        seen = self.see(request, await request.body())
        if self.is_silent:
            self.reached.set()
            await self._wait_for_disconnect(request)
            return Response()  # to no one: a refusal is for the next test's request
        status = self._status(request)
        if status is not None:
            return JSONResponse(self.error(status.status), status.status, status.headers)
        return StreamingResponse(self._body(seen), media_type=self.media_type)

    async def _body(self, seen: Seen) -> AsyncGenerator[bytes, None]:
        frames = [self.garbage] if self.garbage is not None else self.frames(self.sounds(self.text_of(seen)), seen)
        for number, frame in enumerate(_odd(frames) if self.odd_pieces else frames):
            await self._before(number)
            yield self.damaged(frame)

    async def _before(self, number: int) -> None:
        if number == self.break_after:
            await asyncio.sleep(0)
            raise ConnectionAbortedError("the test wants the connection cut here")
        if number == self.gate_after:
            self.reached.set()
            await self.gate.wait()
        if number == self.hang_after:
            hung_up = self.hung_up
            self.reached.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                hung_up.set()
                raise

    async def talk(self, websocket: WebSocket) -> None:
        """A WebSocket, whose messages `conversation` answers."""
        self.handshakes += 1
        if self.is_silent:
            self.see(websocket)
            await asyncio.Event().wait()
        status = self._status(websocket)
        if status is not None:
            self.see(websocket)
            body = json.dumps(self.error(status.status)).encode()
            await websocket.send_denial_response(Response(body, status.status, status.headers))
            return
        await websocket.accept()
        hung_up = self.hung_up
        try:
            await self.conversation(websocket)
        except WebSocketDisconnect:
            hung_up.set()

    async def conversation(self, websocket: WebSocket) -> None:
        """One connection of a vendor that takes text over a WebSocket; the others refuse it."""
        await websocket.close(1008)

    async def before_message(self, number: int, websocket: WebSocket) -> bool:
        """As `_before`, on a WebSocket; False where the other side ended the sentence meanwhile."""
        if number != self.hang_after:
            await self._before(number)
            return True
        self.reached.set()
        hung_up = self.hung_up
        await websocket.receive()
        hung_up.set()
        return False

    def damaged(self, data: bytes) -> bytes:
        """The data as it is, or with some of its bytes changed, missing or doubled."""
        if self.damage is None or not data:
            return data
        place = self.damage.randrange(len(data))
        change = self.damage.choice(
            (b"", data[:place], bytes([self.damage.randrange(256)]), b'"', b"{", b"\n", b"null")
        )
        return data[:place] + change + data[place + self.damage.randrange(8) :]

    async def send_garbage(self, websocket: WebSocket) -> None:
        try:
            await websocket.send_text((self.garbage or b"").decode())
        except UnicodeDecodeError:
            await websocket.send_bytes(self.garbage or b"")

    def see(self, request: HTTPConnection, body: bytes = b"") -> Seen:
        seen = Seen(request.url.path, dict(request.query_params), dict(request.headers), body)
        self.seen.append(seen)
        return seen

    def _status(self, request: HTTPConnection) -> Refusal | None:
        if self.refusals:
            return self.refusals.pop(0)
        return None if self.is_authorised(request) else Refusal(401)

    async def _wait_for_disconnect(self, request: Request) -> None:
        await request.receive()
        self.hung_up.set()

    def sounds(self, text: str) -> Iterator[Sound]:
        """The text as speech: a tone whose words follow each other evenly."""
        words = [
            Word(found[0], found.start(), found.end(), n * SECONDS_PER_WORD, (n + 0.9) * SECONDS_PER_WORD)
            for n, found in enumerate(re.finditer(r"\S+", text))
        ]
        samples = max(1, round(max(0.4, len(words) * SECONDS_PER_WORD) * self.sample_rate))
        pcm = tone(samples)
        size = int(PIECE_S * self.sample_rate) * 2 + self.odd_pieces
        for start in range(0, len(pcm), size):
            begin_s, end_s = start / 2 / self.sample_rate, (start + size) / 2 / self.sample_rate
            begun = [word for word in words if begin_s <= word.start_s < end_s]
            yield Sound(pcm[start : start + size], begun, begin_s)

    def certain_sounds(self, text: str) -> list[Sound]:
        """The beginning of a text's speech that stays the same however the text goes on."""
        known_s = len(text.split()) * SECONDS_PER_WORD
        return [sound for sound in self.sounds(text) if sound.begin_s + PIECE_S <= known_s]

    def wav_head(self) -> bytes:
        """A WAV header as streaming servers write it."""
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, self.rate, self.rate * 2, 2, 16)
        return struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE") + form + struct.pack("<4sI", b"data", 0xFFFFFFFF)


def tone(samples: int) -> bytes:
    return array("h", (round(8000 * math.sin((n + 1) / 10)) for n in range(samples))).tobytes()


def _odd(frames: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of 333 and 1."""
    body = b"".join(frames)
    position = 0
    while position < len(body):
        for size in (333, 1):
            if piece := body[position : position + size]:
                yield piece
            position += size


@asynccontextmanager
async def running(vendor: SpeechVendor) -> AsyncGenerator[SpeechVendor, None]:
    """The vendor's server, running."""
    async with Server(Starlette(routes=vendor.routes()), "127.0.0.1", 0, close_timeout_s=0.1) as server:
        vendor.port = server.port
        yield vendor
