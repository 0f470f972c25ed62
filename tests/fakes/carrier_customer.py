"""A customer of a carrier in tests: answers webhooks with documents, keeps the callbacks that come, and talks on media streams."""

import asyncio
import importlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.time_limits import WAIT_S
from vox.http.server import Server
from vox.http.websocket import Socket, refuse, serve_socket
from vox.protocols.media_stream import StreamAudio, StreamStarted, StreamStopped
from vox.providers.carriers.contract import WebhookRequest
from vox.runtime.tasks import cancel_and_wait

TONE = bytes((0x80, 0x00)) * 80  # 20 ms of the loudest µ-law square wave


@dataclass
class Received:
    """One request of the carrier."""

    path: str
    hook: WebhookRequest

    @property
    def form(self) -> dict[str, str]:
        return dict(self.hook.form())


@dataclass
class Talk:
    """One media stream, as the customer's server sees it."""

    path: str
    hook: WebhookRequest
    socket: Socket | None = None
    started: StreamStarted | None = None
    stopped: StreamStopped | None = None
    heard: bytearray = field(default_factory=bytearray)
    closed: tuple[int, str] | None = None


class Customer:
    """Answers `/answer/NAME` with `documents[NAME]`, keeps posts to `/status/...`, streams at `/media/NAME`.

    Args:
        carrier: whose stream it speaks.
        greets: whether it plays a tone for as long as a stream is open.
    """

    def __init__(self, carrier: str = "twilio", *, greets: bool = True) -> None:
        self.url = ""
        self.documents: dict[str, str | Callable[[Request], str]] = {}
        self.refusals: dict[str, int] = {}
        self.received: list[Received] = []
        self.talks: list[Talk] = []
        self.status = 200
        self._carrier = carrier
        self._greets = greets
        self._changed = asyncio.Event()
        self._voices: set[asyncio.Task[None]] = set()
        self.app = Starlette(
            routes=[
                Route("/answer/{name}", self._answer, methods=["GET", "POST"]),
                Route("/status/{name:path}", self._status, methods=["GET", "POST"]),
                WebSocketRoute("/media/{name}", self._media),
            ]
        )

    @property
    def media(self) -> str:
        return self.url.replace("http", "ws", 1) + "/media"

    def statuses(self, name: str = "CallStatus", path: str = "") -> list[str]:
        """One field of every callback so far."""
        return [one.form.get(name, "") for one in self.received if one.path.startswith(f"/status/{path}")]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Waits until something has come for which the condition holds."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def _keep(self, request: Request) -> Received:
        hook = WebhookRequest(request.method, str(request.url), dict(request.headers), await request.body())
        received = Received(request.url.path, hook)
        self.received.append(received)
        self._changed.set()
        return received

    async def _answer(self, request: Request) -> Response:
        await self._keep(request)
        document = self.documents[request.path_params["name"]]
        text = document if isinstance(document, str) else document(request)
        return Response(text, media_type="application/xml" if text.startswith("<") else "application/json")

    async def _status(self, request: Request) -> Response:
        await self._keep(request)
        return Response(status_code=self.status)

    async def _media(self, websocket: WebSocket) -> None:
        name = websocket.path_params["name"]
        if name in self.refusals:
            await refuse(websocket, self.refusals[name], b"", {"Retry-After": "1"})
            return
        hook = WebhookRequest("GET", str(websocket.url), dict(websocket.headers))
        talk = Talk(websocket.url.path, hook)
        self.talks.append(talk)
        await serve_socket(websocket, _Listener(self, talk, self._carrier))

    def changed(self) -> None:
        self._changed.set()

    def speak(self, talk: Talk, codec: Any) -> None:
        if self._greets:
            task = asyncio.create_task(_hum(talk, codec))
            self._voices.add(task)
            task.add_done_callback(self._voices.discard)

    async def close(self) -> None:
        await cancel_and_wait(*self._voices)


class _Listener:
    def __init__(self, customer: Customer, talk: Talk, carrier: str) -> None:
        self._customer = customer
        self._talk = talk
        self._codec = importlib.import_module(f"vox.protocols.carriers.{carrier}").Server()

    def opened(self, socket: Socket) -> None:
        self._talk.socket = socket

    def received(self, message: str | bytes) -> None:
        for event in self._codec.receive(message):
            match event:
                case StreamStarted():
                    self._talk.started = event
                    self._customer.speak(self._talk, self._codec)
                case StreamAudio(payload):
                    self._talk.heard += payload
                case StreamStopped():
                    self._talk.stopped = event
                case _:
                    pass
        self._customer.changed()

    def closed(self, code: int, reason: str) -> None:
        self._talk.closed = (code, reason)
        self._customer.changed()


async def _hum(talk: Talk, codec: Any) -> None:
    """Sends a tone in real time while the stream is open."""
    loop = asyncio.get_running_loop()
    began, frames = loop.time(), 0
    frame = TONE if codec.reply_encoding == "mulaw" else b"\x00\x40\x00\xc0" * 80
    while talk.socket is not None and talk.socket.is_open:
        talk.socket.send(codec.audio(frame))
        frames += 1
        await asyncio.sleep(max(0.0, began + frames * len(frame) / _rate(codec) - loop.time()))


def _rate(codec: Any) -> int:
    return codec.reply_sample_rate * (1 if codec.reply_encoding == "mulaw" else 2)


@asynccontextmanager
async def customer(
    carrier: str = "twilio", *, greets: bool = True, tls: tuple[Path, Path] | None = None
) -> AsyncGenerator[Customer]:
    """A customer's server on a free port while the block runs; with a certificate and its key over TLS, under the name `localhost`."""
    one = Customer(carrier, greets=greets)
    cert, key = tls or (None, None)
    async with Server(one.app, "127.0.0.1", 0, close_timeout_s=1.0, tls_cert=cert, tls_key=key) as server:
        one.url = server.address if tls is None else server.address.replace("127.0.0.1", "localhost")
        try:
            yield one
        finally:
            await one.close()
