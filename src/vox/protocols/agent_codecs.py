"""Which wire format a client of `/ws` asks for, by the query of its request.

Any non-empty `rtvi` means RTVI as JSON, else `format=protobuf` means Pipecat's frames (RTVI inside them is recognised by its
messages), else the original's JSON frames. `audio=base64` adds audio to the two JSON formats.
"""

from collections.abc import Mapping

from vox.protocols.agent_events import AgentCodec
from vox.protocols.agent_json import JsonCodec
from vox.protocols.agent_protobuf import ProtobufCodec
from vox.protocols.rtvi import RtviCodec


def make_codec(query: Mapping[str, str], *, allow_context: bool, max_message_bytes: int = 1 << 20) -> AgentCodec:
    """Makes the codec of one connection.

    Args:
        query: the request's query parameters, decoded.
        allow_context: whether the client may rewrite the conversation.
        max_message_bytes: larger messages are refused with `message_too_large`.
    """
    with_audio = query.get("audio", "").strip().lower() == "base64"
    if query.get("rtvi"):
        return RtviCodec(allow_context=allow_context, with_audio=with_audio, max_message_bytes=max_message_bytes)
    if query.get("format", "").strip().lower() == "protobuf":
        return ProtobufCodec(allow_context=allow_context, max_message_bytes=max_message_bytes)
    return JsonCodec(allow_context=allow_context, with_audio=with_audio, max_message_bytes=max_message_bytes)
