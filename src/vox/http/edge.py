"""A request's id, its body and its answer over bare ASGI, for whatever is answered outside of a framework."""

import asyncio
import secrets
from collections.abc import Generator, Mapping, MutableMapping, Sequence
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from vox.errors import PeerError, UsageError
from vox.http.whole_answers import send_whole

_MAX_REQUEST_ID = 128
_ID = "vox.request_id"


def request_id(scope: MutableMapping[str, Any]) -> str:
    """The id of a request: made when it is first asked for, and the same from then on."""
    found: str = scope.get(_ID, "")
    if not found:
        found = scope[_ID] = request_id_of(scope["headers"])
    return found


def request_id_of(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The request id: the client's `X-Request-Id` where that is one to write into a log, else a new one each time."""
    return _incoming_id(headers) or next(_uuids)


def error_envelope(code: str, message: str, request: str, details: Sequence[Mapping[str, str]] = ()) -> bytes:
    """The JSON body of an error: `{"error": {"code", "message", "requestId", "details"?}}` and a newline.

    Args:
        code: stable code such as BAD_REQUEST.
        message: for people.
        request: the request id.
        details: objects with `field` and `message`; left out where empty.
    """
    error: dict[str, object] = {"code": code, "message": message, "requestId": request}
    if details:
        error["details"] = details
    return msgspec.json.encode({"error": error}) + b"\n"


async def respond(send: Send, status: int, body: bytes, headers: Mapping[str, str], *, is_head: bool = False) -> None:
    """Sends a whole response; that of a HEAD request has the length of its body only."""
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    raw.append((b"content-length", str(len(body)).encode()))
    await send_whole(send, status, raw, b"" if is_head else body)


async def read_body(scope: Scope, receive: Receive, *, max_bytes: int, timeout_s: float = 30.0) -> bytes:
    """The whole request body.

    Raises:
        UsageError: it is longer than max_bytes (body_too_large).
        PeerError: it did not arrive within timeout_s (body_timeout), or the client left (body_incomplete).
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > max_bytes:
            raise _too_large(max_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise PeerError("the client left before its request was complete", code="body_incomplete")
                part: bytes = message.get("body", b"")
                size += len(part)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                parts.append(part)
                if not message.get("more_body"):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        raise PeerError(f"the request body did not arrive within {timeout_s:g} s", code="body_timeout") from None


def _version_4() -> Generator[str]:
    """UUIDs of version 4, 256 from one call for random bytes: `uuid.uuid4` costs more than the rest of dispatch."""
    while True:
        block = secrets.token_hex(16 * 256)
        for at in range(0, len(block), 32):
            bits = block[at : at + 32]
            yield f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-{'89ab'[int(bits[16], 16) & 3]}{bits[17:20]}-{bits[20:]}"


_uuids = _version_4()


def _too_large(max_bytes: int) -> UsageError:
    return UsageError(
        f"the request body is longer than {max_bytes} bytes",
        code="body_too_large",
        hint="send less, or raise the limit",
    )


def _incoming_id(headers: Sequence[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id":
            text = value.strip().decode("latin-1")
            return text if len(text) <= _MAX_REQUEST_ID and text.isprintable() and text.isascii() else ""
    return ""
