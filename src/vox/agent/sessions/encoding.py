"""A stored session as JSON: `{"Body": {…} | null, "EnableDefaultIceServers": bool}`, which other servers read and write too."""

from typing import Any

import msgspec

from vox.agent.sessions.contract import StoredSession


class _Record(msgspec.Struct, rename="pascal"):
    body: dict[str, Any] | None = None
    enable_default_ice_servers: bool = False


_decoder = msgspec.json.Decoder(_Record)


def encode(session: StoredSession) -> bytes:
    """The session as one JSON object."""
    return msgspec.json.encode(_Record(session.body, session.enable_default_ice_servers))


def decode(data: bytes) -> StoredSession:
    """The session of a JSON object; unknown names are ignored.

    Raises:
        ValueError: it is no such object.
    """
    record = _decoder.decode(data)
    return StoredSession(record.body, record.enable_default_ice_servers)
