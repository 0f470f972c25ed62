"""What a `POST /start` asks for; pure.

Three kinds of clients post here. Pipecat's WebSocket transport wants an address and refuses any other key in the answer; Pipecat's
WebRTC transport and the clients of Voxray want a session. The request decides, and where it leaves that open, the server's `transport` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import msgspec

from vox.errors import UsageError

Transport = Literal["", "webrtc", "websocket"]
_TRANSPORTS: Final[Mapping[object, Transport]] = {
    "webrtc": "webrtc",
    "smallwebrtc": "webrtc",
    "websocket": "websocket",
}
SESSION_FIELDS: Final = ("createDailyRoom", "enableDefaultIceServers", "body")


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A request's JSON.

    Args:
        fields: the object; empty where there was no body at all.
        is_empty: whether there was none.
    """

    fields: Mapping[str, Any]
    is_empty: bool = False

    @property
    def transport(self) -> Transport:
        """The transport that the client names; empty where it names none, or none of these."""
        named = self.fields.get("transport")
        return _TRANSPORTS.get(named.lower(), "") if isinstance(named, str) else ""

    @property
    def agent(self) -> str:
        """The agent that is asked for, at the top or in `body`; empty for the default one."""
        for fields in (self.fields, self.application_data):
            if isinstance(named := fields.get("agent"), str):
                return named
        return ""

    @property
    def application_data(self) -> Mapping[str, Any]:
        """`body`: Pipecat's place for an application's own fields; empty where it is no object."""
        body = self.fields.get("body")
        return cast("dict[str, Any]", body) if isinstance(body, dict) else {}

    @property
    def wants_daily_room(self) -> bool:
        """Whether a room at Daily is asked for."""
        return self.fields.get("createDailyRoom") is True

    @property
    def wants_ice_servers(self) -> bool:
        """Whether the answer shall list ICE servers."""
        return self.fields.get("enableDefaultIceServers") is True

    def wants_session(self, *, by_default: bool) -> bool:
        """Whether the answer is a session rather than the address of the WebSocket.

        Args:
            by_default: the answer where the client names no transport: always (True), or only where it sends a session's
                fields, or an object without any (a Voxray client's `{}`; Pipecat's WebSocket transport sends nothing at all then).
        """
        if self.transport:
            return self.transport == "webrtc"
        if by_default or any(name in self.fields for name in SESSION_FIELDS):
            return True
        return not self.is_empty and not self.fields

    def check_session_fields(self) -> None:
        """Lets types pass that a session can be made of; null counts as not given.

        Raises:
            UsageError: `start_field_invalid`; the message begins with the field's name.
        """
        for name, kind, word in (
            ("createDailyRoom", bool, "true or false"),
            ("enableDefaultIceServers", bool, "true or false"),
            ("body", dict, "an object"),
        ):
            value = self.fields.get(name)
            if value is not None and not isinstance(value, kind):
                raise UsageError(f"{name} must be {word}", code="start_field_invalid")


def parse_start(body: bytes) -> StartRequest:
    """The request of a body; an empty one asks for nothing in particular.

    Raises:
        UsageError: `start_body_invalid`.
    """
    if not body.strip():
        return StartRequest({}, is_empty=True)
    try:
        return StartRequest(msgspec.json.decode(body, type=dict[str, Any]))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError("Invalid JSON body: it must be an object, or empty", code="start_body_invalid") from error
