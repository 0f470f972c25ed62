"""A client of `/ws?format=protobuf` that speaks RTVI, in the shape of a carrier: audio as frames, and all that the agent reports."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from vox.clients.carrier_lines import ProtobufLine
from vox.clients.evals.rtvi_observer import RtviObserver
from vox.protocols import agent_protobuf
from vox.protocols.media_stream import AudioCleared, StreamEvent, WireMessage
from vox.protocols.pipecat_frames import MessageFrame
from vox.protocols.rtvi import PROTOCOL_VERSION, client_message

CLIENT_READY = client_message("client-ready", {"version": PROTOCOL_VERSION, "about": {"library": "vox-eval"}})


class RtviLine(ProtobufLine):
    """Audio as any client's, and every RTVI message to `observer`.

    Args:
        observer: what the messages go to.
        elapsed_s: seconds since the call began.
    """

    def __init__(self, observer: RtviObserver, elapsed_s: Callable[[], float]) -> None:
        super().__init__()
        self._observer = observer
        self._elapsed_s = elapsed_s

    def open(
        self, *, call_id: str, stream_id: str, caller: str, callee: str, parameters: Mapping[str, str]
    ) -> list[WireMessage]:
        """The handshake of RTVI."""
        return [agent_protobuf.encode_client_message(CLIENT_READY)]

    def receive(self, message: WireMessage) -> list[StreamEvent]:
        """The agent's audio, and its word that what was not played is void."""
        frame = agent_protobuf.decode_server_message(message)
        if not isinstance(frame, MessageFrame):
            return super().receive(message)
        if (envelope := read_envelope(frame.data)) and self._observer.receive(envelope, self._elapsed_s()):
            return [AudioCleared()]
        return []


def read_envelope(text: str | bytes) -> Mapping[str, Any]:
    """The JSON object in a message; empty where it is none."""
    try:
        data: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return {}
    return cast("Mapping[str, Any]", data) if isinstance(data, dict) else {}
