"""Which wire format a client of `/ws` speaks: by the query of its request, else by its first message.

Any non-empty `rtvi` means RTVI as JSON, else `format=protobuf` means Pipecat's frames (RTVI inside them is recognised by its
messages), `format=json` or `audio=base64` the original's JSON frames. Without any of them the first message tells: Pipecat's
transport sends protobuf and never asks for it in the address.
"""

from collections import deque
from collections.abc import Callable, Mapping

from vox.errors import PeerError
from vox.protocols.agent_events import AgentCodec, AgentEvent, AgentReady, ClientInput
from vox.protocols.agent_json import JsonCodec
from vox.protocols.agent_protobuf import ProtobufCodec
from vox.protocols.json_edge import read_object
from vox.protocols.media_stream import WireMessage
from vox.protocols.rtvi import LABEL, RtviCodec

MAX_HELD = 256
"""Events and frames of audio kept for a client that has not shown its format; older ones are dropped."""

CLIENT_WAIT_S = 2.0
"""For `client-ready`: a browser sends it as soon as it is connected. What is sent before it is not understood there."""
FIRST_MESSAGE_S = 0.5
"""How long a client whose address names no format has for its first message, which shows it; then it gets JSON."""


def make_codec(query: Mapping[str, str], *, allow_context: bool, max_message_bytes: int = 1 << 20) -> AgentCodec:
    """Makes the codec of one connection.

    Args:
        query: the request's query parameters, decoded.
        allow_context: whether the client may rewrite the conversation.
        max_message_bytes: larger messages are refused with `message_too_large`.
    """
    with_audio = query.get("audio", "").strip().lower() == "base64"
    requested = query.get("format", "").strip().lower()

    def json_codec() -> AgentCodec:
        return JsonCodec(allow_context=allow_context, with_audio=with_audio, max_message_bytes=max_message_bytes)

    def rtvi_codec() -> AgentCodec:
        return RtviCodec(allow_context=allow_context, with_audio=with_audio, max_message_bytes=max_message_bytes)

    def protobuf_codec() -> AgentCodec:
        return ProtobufCodec(allow_context=allow_context, max_message_bytes=max_message_bytes)

    def codec_of(message: WireMessage) -> Callable[[], AgentCodec]:
        if isinstance(message, bytes) and not message.lstrip().startswith(
            b"{"
        ):  # no frame of protobuf begins like that
            return protobuf_codec
        try:
            is_rtvi = read_object(message, max_bytes=max_message_bytes).get("label") == LABEL
        except PeerError:  # the codec that is chosen says what is wrong with it
            return json_codec
        return rtvi_codec if is_rtvi else json_codec

    if query.get("rtvi"):
        return rtvi_codec()
    if requested == "protobuf":
        return FirstMessageCodec(lambda _: protobuf_codec, protobuf_codec, CLIENT_WAIT_S)
    if requested or with_audio:
        return json_codec()
    return FirstMessageCodec(codec_of, json_codec, FIRST_MESSAGE_S)


class FirstMessageCodec:
    """Keeps what is to be sent until the client's first message, or `settle`, tells how to write it.

    Args:
        codec_of: makes the codec for a client with this first message.
        fallback: makes the codec of a client that has sent nothing for long enough.
        patience_s: how long that is, in seconds.

    Attributes:
        call_id: what a client is told that does not ask whether the agent is ready.
    """

    def __init__(
        self,
        codec_of: Callable[[WireMessage], Callable[[], AgentCodec]],
        fallback: Callable[[], AgentCodec],
        patience_s: float,
    ) -> None:
        self.patience_s = patience_s
        self.call_id = ""
        self._codec_of = codec_of
        self._fallback = fallback
        self._made: Callable[[], AgentCodec] | None = None
        self._codec: AgentCodec | None = None
        self._has_received = False
        self._held: deque[AgentEvent | tuple[bytes, int]] = deque(maxlen=MAX_HELD)

    def receive(self, message: WireMessage) -> list[ClientInput]:
        """Turns one message into inputs; the first one chooses the format, also after `settle`."""
        if not self._has_received:
            self._has_received = True
            return self._choose(self._codec_of(message)).receive(message)
        return (self._codec or self._choose(self._fallback)).receive(message)

    def encode(self, event: AgentEvent) -> list[WireMessage]:
        """The messages of an event; none as long as the format is open."""
        if self._codec is None:
            self._held.append(event)
            return []
        return self._codec.encode(event)

    def audio(self, pcm: bytes, sample_rate: int) -> WireMessage | None:
        """The agent's audio; None as long as the format is open."""
        if self._codec is None:
            self._held.append((pcm, sample_rate))
            return None
        return self._codec.audio(pcm, sample_rate)

    def settle(self) -> None:
        """The client has sent nothing: it is taken for one of the fallback's format."""
        if self._codec is None:
            self._choose(self._fallback)

    def take_held(self) -> list[WireMessage]:
        """What was kept, in the format that was chosen; nothing while that is open, and nothing a second time."""
        if self._codec is None:
            return []
        held, messages = list(self._held), list[WireMessage]()
        self._held.clear()
        for one in held:
            if isinstance(one, tuple):
                audio = self._codec.audio(*one)
                messages += [] if audio is None else [audio]
            else:
                messages += self._codec.encode(one)
        return messages

    def _choose(self, make: Callable[[], AgentCodec]) -> AgentCodec:
        if self._codec is None or self._made is not make:
            self._made, self._codec = make, make()
            if isinstance(self._codec, JsonCodec):  # the others ask for it in their handshake
                self._held.appendleft(AgentReady(call_id=self.call_id))
        return self._codec
