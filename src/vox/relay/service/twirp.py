"""Twirp: remote calls over HTTP POST, with messages as protobuf or JSON, whichever the request is.

A service is a table of methods. Errors are JSON always: `{"code", "msg", "meta"}` with Twirp's codes.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError, Message

from vox.errors import UsageError
from vox.http.routing import Endpoint, Reply, RouteTable
from vox.relay.policy import MAX_BODY_BYTES, Access, RelayCall, token_with
from vox.security.room_tokens import RoomClaims

JSON: Final = "application/json"
PROTOBUF: Final = "application/protobuf"
BODY_TIMEOUT_S: Final = 10.0

Handler = Callable[[Any, RoomClaims], Awaitable[Message]]
"""Takes the request message and the caller's claims; checks the grants itself, because they depend on the message."""
Authenticate = Callable[[RelayCall], RoomClaims]
"""The claims of a request's token; raises room_token_missing, bad_room_token or room_token_expired."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service.

    Args:
        name: as in the path.
        request: the class of its message.
        handler: answers.
        grant: what the token must allow, in words.
        text: one sentence for the documentation.
    """

    name: str
    request: type[Message]
    handler: Handler
    grant: str
    text: str


def twirp_routes(service: str, methods: Sequence[Method], authenticate: Authenticate) -> RouteTable[Access]:
    """The routes of a service, `POST /twirp/SERVICE/METHOD`.

    Args:
        service: its full name, such as livekit.RoomService.
        methods: what it offers.
        authenticate: reads the token.
    """
    table = RouteTable[Access]()
    for method in methods:
        table.post(
            f"/twirp/{service}/{method.name}",
            access=token_with(method.grant),
            returns={"type": "object"},
            label=f"{service.rpartition('.')[2]}/{method.name}",
            operation=f"{service}.{method.name}",
        )(_endpoint(method, authenticate))
    return table.grouped(service.rpartition(".")[2])


def _endpoint(method: Method, authenticate: Authenticate) -> Endpoint:
    async def call_method(call: Any) -> Reply:
        request: RelayCall = call
        claims = authenticate(request)
        kind = request.header(b"content-type").partition(";")[0].strip().lower()
        if kind not in {JSON, PROTOBUF}:
            raise UsageError(
                f"The content type {kind[:80]!r} is not supported; use {PROTOBUF} or {JSON}.",
                code="content_type_unsupported",
            )
        raw = await request.read_body(MAX_BODY_BYTES, BODY_TIMEOUT_S)
        message = decode(method.request, raw, is_json=kind == JSON)
        answer = await method.handler(message, claims)
        return Reply(200, encode(answer, is_json=kind == JSON), {"content-type": kind, "cache-control": "no-store"})

    call_method.__doc__ = method.text
    call_method.__name__ = method.name
    return call_method


def decode(kind: type[Message], raw: bytes, *, is_json: bool) -> Message:
    """A request message; unknown fields are left out, as newer clients may send more.

    Raises:
        UsageError: message_malformed.
    """
    try:
        if not is_json:
            return kind.FromString(raw)
        values = msgspec.json.decode(raw or b"{}", type=dict[str, Any])
        return ParseDict(values, kind(), ignore_unknown_fields=True, max_recursion_depth=16)
    except (DecodeError, ParseError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = "" if isinstance(error, RecursionError) else f": {str(error)[:200]}"
        raise UsageError(f"The body is not a {kind.DESCRIPTOR.name}{why}", code="message_malformed") from None


def encode(message: Message, *, is_json: bool) -> bytes:
    """An answer; JSON names its fields as the definition does and leaves none out."""
    if not is_json:
        return message.SerializeToString()
    values = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return msgspec.json.encode(values)
