"""One HTTP/1.1 request over a connection of its own, to an address that the caller has vetted.

The one thing to know before changing it: whatever happens, the connection is closed when `exchange` is left, also when
a deadline cuts it off in the middle of a TLS handshake. (httpcore2 2.16 leaves the socket open then, on asyncio's own loop,
and a peer that stalls its handshakes collects sockets; hence no HTTP library here, only a parser.)
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httptools
import httpx2

from vox.errors import DependencyError

MAX_HEAD_BYTES = 65_536
_PIECE_BYTES = 65_536
# Chunks of one byte each are six times as long as what they carry.
_MOST_FRAMING = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it travelled; the headers ignore case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def exchange(
    address: str,
    port: int,
    request: bytes,
    *,
    tls: ssl.SSLContext | None,
    server_name: str,
    has_body: bool,
    max_bytes: int,
) -> Answer:
    """Sends a request and reads its answer. Has no deadline of its own; the caller puts one around it.

    Args:
        address: an IP address, which is not looked up.
        port: there.
        request: head and body, ready to be sent.
        tls: how the certificate is checked; None for plain text.
        server_name: the name that TLS asks for and the certificate must have.
        has_body: whether an answer to this method can have one.
        max_bytes: of the answer's body.

    Raises:
        DependencyError: `fetch_failed`, `answer_malformed`, `answer_too_large`.
    """
    name = server_name if tls is not None else None
    try:
        reader, writer = await asyncio.open_connection(address, port, ssl=tls, server_hostname=name)
        try:
            writer.write(request)
            await writer.drain()
            return await _read(reader, has_body=has_body, max_bytes=max_bytes)
        finally:
            writer.transport.abort()  # closing politely would wait for the other end
    except OSError as error:
        raise failed("No connection, or it broke.", code="fetch_failed") from error


def failed(message: str, *, code: str) -> DependencyError:
    """The error for a peer that failed; a retry may succeed."""
    return DependencyError(message, code=code, retryable=True)


class _Reply:
    """What httptools tells of the answer while it is fed; raises nothing, because the parser would wrap it."""

    def __init__(self, *, has_body: bool) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self.status = 0
        self.body = bytearray()
        self.is_complete = False
        self._has_body = has_body

    @property
    def ends_with_the_connection(self) -> bool:
        """Whether the end of the connection is the end of the body (RFC 9112, 6.3)."""
        names = {name.lower() for name, _ in self.headers}
        return self.status > 0 and not names & {b"content-length", b"transfer-encoding"}

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # what comes after the body is of no use here
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if self.is_complete or self.status:
            return
        if status < HTTPStatus.OK:
            self.headers.clear()  # an interim answer; the real one follows
            return
        self.status = status
        self.is_complete = not self._has_body  # the parser knows that 204 and 304 have none

    def on_body(self, body: bytes) -> None:
        if self.status and not self.is_complete:
            self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = self.is_complete or self.status > 0


async def _read(reader: asyncio.StreamReader, *, has_body: bool, max_bytes: int) -> Answer:
    reply = _Reply(has_body=has_body)
    head_bytes = body_bytes = 0
    while not reply.is_complete:
        piece = await reader.read(_PIECE_BYTES)
        if not piece:
            if not reply.ends_with_the_connection:
                raise failed("The answer broke off.", code="answer_malformed")
            break
        if reply.status:
            body_bytes += len(piece)
        else:
            head_bytes += len(piece)
        try:
            reply.parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not reply.is_complete:
                raise failed("The answer is not HTTP.", code="answer_malformed") from None
        if not reply.status and head_bytes > MAX_HEAD_BYTES:
            raise failed("The answer's head is too long.", code="answer_malformed")
        if len(reply.body) > max_bytes or body_bytes > MAX_HEAD_BYTES + _MOST_FRAMING * max_bytes:
            raise failed(f"The answer is longer than {max_bytes} bytes.", code="answer_too_large")
    return Answer(reply.status, httpx2.Headers(reply.headers), bytes(reply.body))
