"""A server of files with range requests, which can be told to misbehave as networks and mirrors do."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.fakes.tcp_server import listening


@dataclass
class FileServer:
    """Its files, what it was asked for, and how it fails.

    `cuts` is after how many bytes of a body a connection breaks, one entry per request, None for not at all; `redirects` are paths
    by path; `ignores_ranges` sends whole files.
    """

    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    cuts: list[int | None] = field(default_factory=list[int | None])
    redirects: dict[str, str] = field(default_factory=dict[str, str])
    ignores_ranges: bool = False
    address: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ", 2)[1]
        wished = re.search(r"(?im)^range: bytes=(\d+)-(\d+)", head)
        self.asked.append((path, wished.group(0).partition(" ")[2] if wished else ""))
        cut = self.cuts.pop(0) if self.cuts else None
        status, fields, body = self._answer(path, wished)
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *fields]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body[:cut])
        await writer.drain()

    def _answer(self, path: str, wished: re.Match[str] | None) -> tuple[str, list[str], bytes]:
        if path in self.redirects:
            return "302 Found", [f"location: {self.address}{self.redirects[path]}"], b""
        data = self.files.get(path)
        if data is None:
            return "404 Not Found", [], b"no"
        if wished is None or self.ignores_ranges:
            return "200 OK", [], data
        start, end = int(wished.group(1)), int(wished.group(2)) + 1
        piece = data[start:end]
        return "206 Partial Content", [f"content-range: bytes {start}-{start + len(piece) - 1}/{len(data)}"], piece


@asynccontextmanager
async def file_server() -> AsyncGenerator[FileServer]:
    """A server on a free port of this machine."""
    files = FileServer()
    async with listening(files.serve) as port:
        files.address = f"http://127.0.0.1:{port}"
        yield files
