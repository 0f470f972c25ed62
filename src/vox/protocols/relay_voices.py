"""The relay's internal socket: members of a room without a WebRTC connection of their own, at another process. Pure.

An agent server or a telephone line opens a WebSocket to `PATH` with the member's token as `Authorization: Bearer <token>`. The
relay answers the upgrade with 401 or 403 where the token is no good, else its first message is `Joined`. From then on text
messages are JSON with a `type`, and binary messages are audio: s16le mono, in whole samples.

    member → relay   0x01, rate as u32 little endian, samples                 speak at that rate
    relay → member   0x01, length of the identity as u16 little endian, identity in UTF-8, samples at 16 kHz
                     (length 0: the mix, at the rate of the last `Mix`)

Both ends ignore types and fields that they do not know, so that either side may be the newer one; what is known is checked, and a
message that is wrong raises `PeerError` with code `malformed_message` or `message_too_large`. The last message of the relay is
`Removed`; a socket that ends without it was lost, and the same token joins again in place of the old member.
"""

import struct
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from vox.protocols.json_edge import check_size, malformed
from vox.protocols.media_stream import WireMessage

PATH: Final = "/internal/voices"
MAX_MESSAGE_BYTES: Final = 1 << 20
"""Of text: a `Joined` with all members of a big room."""
MAX_AUDIO_BYTES: Final = 200_000
"""Of one binary message: two seconds at 48 kHz."""
MAX_PAYLOAD_BYTES: Final = 1 << 16
"""Of one data packet or text."""
MAX_MEMBERS: Final = 4_000
MAX_ATTRIBUTES: Final = 64
TRANSCRIPTION_TOPIC: Final = "lk.transcription"
CHAT_TOPIC: Final = "lk.chat"
HEARD_RATE: Final = 16_000
"""Sample rate in Hz of a single member's audio."""
RATES: Final = (8_000, 16_000, 24_000, 48_000)
PING_INTERVAL_S: Final = 10.0
"""Each end sends a WebSocket ping at least this often, and counts the other as lost after `LOST_AFTER_S` without any message."""
LOST_AFTER_S: Final = 25.0

MemberKind: TypeAlias = Literal["standard", "ingress", "egress", "sip", "agent"]
Identity = Annotated[str, Meta(max_length=256)]
_Name = Annotated[str, Meta(max_length=512)]
_Sid = Annotated[str, Meta(max_length=64)]
_Topic = Annotated[str, Meta(max_length=256)]
_Text = Annotated[str, Meta(max_length=MAX_PAYLOAD_BYTES)]
_Payload = Annotated[bytes, Meta(max_length=MAX_PAYLOAD_BYTES)]
_To = Annotated[list[Identity], Meta(max_length=MAX_MEMBERS)]
_Attributes = Annotated[
    dict[Annotated[str, Meta(max_length=256)], Annotated[str, Meta(max_length=4_096)]], Meta(max_length=MAX_ATTRIBUTES)
]
_Rate: TypeAlias = Literal[8_000, 16_000, 24_000, 48_000]
_Level = Annotated[float, Meta(ge=0.0, le=1.0)]

_AUDIO: Final = 1
_SPEECH_HEAD: Final = struct.Struct("<BI")
_HEARD_HEAD: Final = struct.Struct("<BH")


class _Message(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """A text message; the tag of each is its class's name in lower case."""


class Member(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member of the room.

    Args:
        identity: unique in the room.
        name: what people call them; may be empty.
        has_audio: whether they publish a microphone that is not muted.
        is_encrypted: whether their audio is encrypted end to end, so that the relay cannot decode it.
        track: SID of their microphone's track; empty without one.
    """

    identity: Identity
    name: _Name = ""
    kind: MemberKind = "standard"
    has_audio: bool = False
    is_encrypted: bool = False
    track: _Sid = ""
    attributes: _Attributes = {}


class Speaker(msgspec.Struct, frozen=True):
    """A member who speaks at this moment; `level` goes from 0 to 1."""

    identity: Identity
    level: _Level


# What a member is told


class Joined(_Message, frozen=True, tag="joined"):
    """The first message: who one is, where, and who is there already.

    Args:
        track: SID of one's own audio track; empty where the token does not let one publish.
    """

    room: Annotated[str, Meta(max_length=512)]
    identity: Identity
    sid: _Sid = ""
    track: _Sid = ""
    metadata: _Text = ""
    members: Annotated[list[Member], Meta(max_length=MAX_MEMBERS)] = []


class MemberJoined(_Message, frozen=True, tag="member_joined"):
    """A member came in."""

    member: Member


class MemberChanged(_Message, frozen=True, tag="member_changed"):
    """A member's name, attributes, microphone or encryption changed; `member` is all of them as they are now."""

    member: Member


class MemberLeft(_Message, frozen=True, tag="member_left"):
    """A member went away."""

    identity: Identity


class SpeakersChanged(_Message, frozen=True, tag="speakers_changed"):
    """All who speak now, the loudest first."""

    speakers: Annotated[list[Speaker], Meta(max_length=MAX_MEMBERS)] = []


class DataReceived(_Message, frozen=True, tag="data_received"):
    """A user's data packet for this member."""

    payload: _Payload
    topic: _Topic = ""
    sender: Identity = ""


class TextReceived(_Message, frozen=True, tag="text_received"):
    """A whole text stream for this member, put together, such as a message of `lk.chat`."""

    text: _Text
    topic: _Topic = ""
    sender: Identity = ""


class DigitsReceived(_Message, frozen=True, tag="digits_received"):
    """A member pressed telephone keys."""

    digits: Annotated[str, Meta(max_length=64, pattern="^[0-9A-D*#]*\\Z")]
    sender: Identity = ""


class Muted(_Message, frozen=True, tag="muted"):
    """One's own microphone was muted or opened by a moderator."""

    is_muted: bool


class Refused(_Message, frozen=True, tag="refused"):
    """A command was not carried out; `code` is an error code of the relay."""

    command: Annotated[str, Meta(max_length=64)]
    code: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=1_000)] = ""


class Removed(_Message, frozen=True, tag="removed"):
    """The end: one is no longer in the room. `reason` as in the values of `RemovedReason`."""

    reason: Annotated[str, Meta(max_length=64)]


RemovedReason: TypeAlias = Literal[
    "left", "removed", "room_deleted", "room_closed", "duplicate_identity", "server_shutdown", "too_slow", "lost"
]
"""Why one is out: `left` by one's own wish, `too_slow` where one did not read, `lost` where the relay did not come back."""

# What a member asks for


class Listen(_Message, frozen=True, tag="listen"):
    """Begins or ends hearing one member apart. It holds over their leaving and coming back, and over further tracks."""

    identity: Identity
    is_on: bool = True


class Mix(_Message, frozen=True, tag="mix"):
    """Begins hearing all members but oneself in one signal at this rate; None ends it."""

    rate: _Rate | None = None


class Flush(_Message, frozen=True, tag="flush"):
    """Throws away one's own audio that is not sent yet."""


class Mute(_Message, frozen=True, tag="mute"):
    """Mutes or opens one's own microphone, for all members to see."""

    is_muted: bool


class SendData(_Message, frozen=True, tag="send_data"):
    """A data packet to members; to all members where `to` is empty."""

    payload: _Payload
    topic: _Topic = ""
    is_reliable: bool = True
    to: _To = []


class SendText(_Message, frozen=True, tag="send_text"):
    """A whole text stream to members; to all members where `to` is empty."""

    text: _Text
    topic: _Topic = CHAT_TOPIC
    to: _To = []


class SendDigits(_Message, frozen=True, tag="send_digits"):
    """Tells the room which telephone keys were pressed."""

    digits: Annotated[str, Meta(max_length=64, pattern="^[0-9A-D*#]*\\Z")]


class Transcribe(_Message, frozen=True, tag="transcribe"):
    """What a member said, to the room: as a text stream of the topic `lk.transcription`, and as the older transcription packet.

    Args:
        segment: names the utterance; further messages with it replace its text.
        text: all of the utterance so far.
        speaker: identity of who spoke; oneself or another member.
        track: SID of the track it was heard on; the relay fills in the speaker's microphone where it is empty.
        language: of the text, as a BCP 47 tag; may be empty.
    """

    segment: Annotated[str, Meta(min_length=1, max_length=128)]
    text: _Text
    speaker: Identity
    is_final: bool = False
    track: _Sid = ""
    language: Annotated[str, Meta(max_length=35)] = ""


class SetAttributes(_Message, frozen=True, tag="set_attributes"):
    """Sets attributes of oneself; an empty value takes one away, the others stay."""

    attributes: _Attributes


class SetMetadata(_Message, frozen=True, tag="set_metadata"):
    """Sets one's own metadata."""

    metadata: _Text


class Leave(_Message, frozen=True, tag="leave"):
    """Goes; the relay answers with `Removed`."""


class Heard(msgspec.Struct, frozen=True):
    """Audio of one member, at `HEARD_RATE`, or of the mix, where `identity` is empty; a binary message."""

    identity: Identity
    pcm: bytes


class Speech(msgspec.Struct, frozen=True):
    """Audio of one's own: s16le mono at `rate` Hz; a binary message."""

    pcm: bytes
    rate: int


RoomEvent: TypeAlias = (
    MemberJoined | MemberChanged | MemberLeft | Heard | SpeakersChanged | DataReceived | TextReceived | DigitsReceived
    | Muted | Refused | Removed
)  # fmt: skip
"""What `RoomVoice.events` gives; `Removed` is the last."""
ServerMessage: TypeAlias = Joined | RoomEvent
Command: TypeAlias = (
    Listen | Mix | Flush | Mute | SendData | SendText | SendDigits | Transcribe | SetAttributes | SetMetadata | Leave
)  # fmt: skip
ClientMessage: TypeAlias = Speech | Command

_TextEvents: TypeAlias = (
    Joined | MemberJoined | MemberChanged | MemberLeft | SpeakersChanged | DataReceived | TextReceived | DigitsReceived
    | Muted | Refused | Removed
)  # fmt: skip
_encoder = msgspec.json.Encoder()
_type_decoder = msgspec.json.Decoder(dict[str, Any])
_event_decoder: msgspec.json.Decoder[_TextEvents] = msgspec.json.Decoder(_TextEvents)
_command_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_EVENT_TYPES: Final = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (
        Joined, MemberJoined, MemberChanged, MemberLeft, SpeakersChanged, DataReceived, TextReceived, DigitsReceived,
        Muted, Refused, Removed,
    )
)  # fmt: skip
_COMMAND_TYPES: Final = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (
        Listen, Mix, Flush, Mute, SendData, SendText, SendDigits, Transcribe, SetAttributes, SetMetadata, Leave,
    )
)  # fmt: skip
_T = TypeVar("_T")


def encode(message: ServerMessage | ClientMessage) -> WireMessage:
    """One WebSocket message: `bytes` are a binary one, `str` a text one."""
    if isinstance(message, Heard):
        identity = message.identity.encode()
        return _HEARD_HEAD.pack(_AUDIO, len(identity)) + identity + message.pcm
    if isinstance(message, Speech):
        return _SPEECH_HEAD.pack(_AUDIO, message.rate) + message.pcm
    return _encoder.encode(message).decode()


def decode_server(message: WireMessage) -> ServerMessage | None:
    """Reads what the relay sent; None for a type that is not known.

    Raises:
        PeerError: `message_too_large` or `malformed_message`.
    """
    if isinstance(message, str):
        return _decode_text(message, _event_decoder, _EVENT_TYPES)
    check_size(message, max_bytes=MAX_AUDIO_BYTES + 1_024)
    if not _is_audio(message):
        return None
    if len(message) < _HEARD_HEAD.size:
        raise malformed("an audio message ends in its head")
    _, length = _HEARD_HEAD.unpack_from(message)
    start = _HEARD_HEAD.size + length
    try:
        identity = message[_HEARD_HEAD.size : start].decode()
    except UnicodeDecodeError as error:
        raise malformed("the identity of an audio message is not UTF-8") from error
    if len(message) < start:
        raise malformed("an audio message ends in its identity")
    return Heard(identity, _samples(message, start))


def decode_client(message: WireMessage) -> ClientMessage | None:
    """Reads what a member sent; None for a type that is not known.

    Raises:
        PeerError: `message_too_large` or `malformed_message`.
    """
    if isinstance(message, str):
        return _decode_text(message, _command_decoder, _COMMAND_TYPES)
    check_size(message, max_bytes=MAX_AUDIO_BYTES + _SPEECH_HEAD.size)
    if not _is_audio(message):
        return None
    if len(message) < _SPEECH_HEAD.size:
        raise malformed("an audio message ends in its head")
    _, rate = _SPEECH_HEAD.unpack_from(message)
    if rate not in RATES:
        raise malformed(f"audio of {rate} Hz is not supported")
    return Speech(_samples(message, _SPEECH_HEAD.size), rate)


def _is_audio(message: bytes) -> bool:
    if not message:
        raise malformed("an empty message")
    return message[0] == _AUDIO


def _samples(message: bytes, start: int) -> bytes:
    if (len(message) - start) % 2:
        raise malformed("audio ends in the middle of a 16-bit sample")
    return message[start:]


def _decode_text(message: str, decoder: msgspec.json.Decoder[_T], known: frozenset[str]) -> _T | None:
    check_size(message, max_bytes=MAX_MESSAGE_BYTES)
    try:
        return decoder.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        if _names_another_type(message, known):
            return None
        raise malformed(f"a message is not valid: {_reason(error)}") from error


def _names_another_type(message: str, known: frozenset[str]) -> bool:
    try:
        kind = _type_decoder.decode(message).get("type")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return isinstance(kind, str) and kind not in known


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, msgspec.ValidationError) else "not a JSON object"
