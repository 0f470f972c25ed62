"""An event: what happened, who may know, and where it stands in the order of changes."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from vox.chat.events.audience import Audience


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Args:
        type: one of the names in docs/protocols/chat-events.md.
        payload: the `d` of the frame; exactly the documented fields.
        audience: who may know.
        id: snowflake; 0 until it is recorded, and for what is never recorded.
        version: its place among the changes of the community; 0 for all other events.
        facts: what `Community.apply` needs besides the payload; travels between processes, never to clients.
    """

    type: str
    payload: dict[str, Any]
    audience: Audience
    id: int = 0
    version: int = 0
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Event)


def encode_event(event: Event) -> bytes:
    """The form for the bus between processes."""
    return _encoder.encode(event)


def decode_event(data: bytes) -> Event:
    """The inverse of `encode_event`.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decoder.decode(data)


def encode_tail(event: Event) -> bytes:
    """All of a gateway frame behind its sequence number: `"type":"…","d":{…}}`; encoded once for all sessions."""
    return b'"type":"%b","d":%b}' % (event.type.encode(), msgspec.json.encode(event.payload))


def shown(**fields: object) -> dict[str, Any]:
    """The fields that are set: for those the specification marks `?`, which are left out rather than null."""
    return {name: value for name, value in fields.items() if value is not None}
