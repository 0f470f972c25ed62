"""Vendors of recognition to which whole files are uploaded, on a real port: told what to hear and how to misbehave."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
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


@dataclass
class Upload:
    """A request as it arrived."""

    headers: Mapping[str, str]
    form: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])


class UploadVendor:
    """One address that takes files.

    Args:
        path: of the address.
        answer: makes the vendor's JSON of a text.
    """

    def __init__(self, path: str, answer: Callable[[str], dict[str, Any]]) -> None:
        self.port = 0
        self.text = "book a table"
        self.seen: list[Upload] = []
        self.answers: list[Response] = []  # in place of a transcript
        self.hangs = False
        self.breaks = 0  # connections to end in the middle of an answer
        self.hung_up = asyncio.Event()
        self._path = path
        self._answer = answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None, None]:
        """Listens on a free port."""
        app = Starlette(routes=[Route(self._path, self._transcribe, methods=["POST"])])
        async with Server(app, "127.0.0.1", 0, close_timeout_s=0.1) as server:
            self.port = server.port
            yield

    async def _transcribe(self, request: Request) -> Response:
        upload = Upload(dict(request.headers))
        kind = request.headers["content-type"]
        form = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + await request.body())
        for part in cast("list[Message]", form.get_payload()):
            name = str(part.get_param("name", header="content-disposition"))
            content = cast("bytes", part.get_payload(decode=True))
            if part.get_filename():
                upload.files[name] = content
            else:
                upload.form[name] = content.decode()
        self.seen.append(upload)
        if self.breaks:
            self.breaks -= 1
            return StreamingResponse(_broken_off())
        if self.hangs:
            async with time_limit():
                await request.receive()
            self.hung_up.set()
        return self.answers.pop(0) if self.answers else JSONResponse(self._answer(self.text))


async def _broken_off() -> AsyncGenerator[bytes, None]:
    yield b"{"
    await asyncio.sleep(0)
    raise ConnectionAbortedError("the test wants the connection cut here")
