"""The protobuf messages of Pipecat's WebSocket format, written by hand: five messages, encoded and decoded.

proto3, package `pipecat`: `Frame` is a oneof of 1 text, 2 audio, 3 transcription, 4 message, 5 interruption. Audio passes here
50 times a second per call and direction, so it has its own way in (`decode_microphone`) and out (`encode_audio`), which
prepare and remember everything but the samples. Unknown fields are skipped; only `PeerError` is raised.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vox.errors import PeerError
from vox.protocols.json_edge import malformed

_VARINT: Final = 0
_FIXED64: Final = 1
_LENGTH: Final = 2
_FIXED32: Final = 5
_MAX_VARINT_BYTES: Final = 10
_U32: Final = (1 << 32) - 1
_U64: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class TextFrame:
    """Text to be spoken, or that is spoken."""

    text: str
    id: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class AudioRawFrame:
    """s16le audio; `sample_rate` in Hz, `pts` in nanoseconds where given."""

    audio: bytes
    sample_rate: int
    num_channels: int = 1
    id: int = 0
    name: str = ""
    pts: int | None = None


@dataclass(frozen=True, slots=True)
class TranscriptionFrame:
    """What the user said; `timestamp` is ISO 8601."""

    text: str
    user_id: str = ""
    timestamp: str = ""
    id: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class MessageFrame:
    """A JSON text: an application's message, or RTVI."""

    data: str


@dataclass(frozen=True, slots=True)
class InterruptionFrame:
    """Audio not played yet is void. Not in the schema of Pipecat's JS transport 1.7."""

    id: int = 0
    name: str = ""


PipecatFrame = TextFrame | AudioRawFrame | TranscriptionFrame | MessageFrame | InterruptionFrame


def decode_frame(data: bytes) -> PipecatFrame | None:
    """Decodes one frame; None where it holds no field of the oneof. The first one counts.

    Raises:
        PeerError: `malformed_message`.
    """
    chosen = start = end = 0
    for number, kind, value, stop in _fields(data, 0, len(data)):
        if kind == _LENGTH and not chosen and 1 <= number <= 5:  # noqa: PLR2004  the oneof's fields
            chosen, start, end = number, value, stop
    match chosen:
        case 1:
            numbers, texts = _scalars(data, start, end, strings=(2, 3))
            return TextFrame(texts.get(3, ""), numbers.get(1, 0), texts.get(2, ""))
        case 2:
            return _decode_audio(data, start, end)
        case 3:
            numbers, texts = _scalars(data, start, end, strings=(2, 3, 4, 5))
            return TranscriptionFrame(
                texts.get(3, ""), texts.get(4, ""), texts.get(5, ""), numbers.get(1, 0), texts.get(2, "")
            )
        case 4:
            return MessageFrame(_scalars(data, start, end, strings=(1,))[1].get(1, ""))
        case 5:
            numbers, texts = _scalars(data, start, end, strings=(2,))
            return InterruptionFrame(numbers.get(1, 0), texts.get(2, ""))
        case _:
            return None


def decode_microphone(data: bytes) -> tuple[bytes, int, int] | None:
    """Takes samples, rate and channels out of an audio frame laid out as the usual encoders do, at a tenth of the cost.

    None for anything else, broken frames included: `decode_frame` takes those, and says what is wrong with them.
    """
    try:
        if data[0] != 0x12 or data[2] > 0x7F or (data[1] & 0x7F | data[2] << 7) + 3 != len(data):  # noqa: PLR2004
            return None
        position = 3
        if data[3] == 0x08:  # noqa: PLR2004  id
            position = 5
            while data[position - 1] > 0x7F and position <= _MAX_VARINT_BYTES + 3:  # noqa: PLR2004
                position += 1
        if data[position] == 0x12:  # noqa: PLR2004  name
            if data[position + 1] > 0x7F:  # noqa: PLR2004
                return None
            position += 2 + data[position + 1]
        if data[position] != 0x1A or data[position + 1] <= 0x7F or data[position + 2] > 0x7F:  # noqa: PLR2004
            return None
        position += 3
        end = position + (data[position - 2] & 0x7F | data[position - 1] << 7)
    except IndexError:
        return None
    form = _audio_form(data[end:]) if end <= len(data) else None
    return None if form is None else (data[position:end], *form)


def encode_frame(frame: PipecatFrame) -> bytes:
    """Encodes one frame; fields with their default value are left out, as proto3 does."""
    match frame:
        case AudioRawFrame():
            pts = b"" if frame.pts is None else b"\x30" + _varint(frame.pts)
            body = b"".join(
                (
                    _number_field(1, frame.id),
                    _string_field(2, frame.name),
                    _bytes_field(3, frame.audio),
                    _number_field(4, frame.sample_rate),
                    _number_field(5, frame.num_channels),
                    pts,
                )
            )
            return b"\x12" + _varint(len(body)) + body
        case MessageFrame():
            body = _string_field(1, frame.data)
            return b"\x22" + _varint(len(body)) + body
        case TextFrame():
            body = _number_field(1, frame.id) + _string_field(2, frame.name) + _string_field(3, frame.text)
            return b"\x0a" + _varint(len(body)) + body
        case TranscriptionFrame():
            body = b"".join(
                (
                    _number_field(1, frame.id),
                    _string_field(2, frame.name),
                    _string_field(3, frame.text),
                    _string_field(4, frame.user_id),
                    _string_field(5, frame.timestamp),
                )
            )
            return b"\x1a" + _varint(len(body)) + body
        case InterruptionFrame():
            body = _number_field(1, frame.id) + _string_field(2, frame.name)
            return b"\x2a" + _varint(len(body)) + body


def encode_audio(pcm: bytes, sample_rate: int) -> bytes:
    """Encodes mono audio without id and name, with everything but the samples prepared."""
    head, tail = _anonymous_audio(len(pcm), sample_rate)
    return head + pcm + tail


def encode_numbered_audio(pcm: bytes, sample_rate: int, id_: int, name: bytes) -> bytes:
    """Encodes mono audio with the id and name the original gives each frame; `name` has at most 127 bytes."""
    head, tail, length = _numbered_audio(len(pcm), sample_rate)
    number = _varint(id_)
    return b"".join(
        (
            b"\x12",
            _short_varint(length + len(number) + len(name)),
            b"\x08",
            number,
            b"\x12",
            _short_varint(len(name)),
            name,
            head,
            pcm,
            tail,
        )
    )


@lru_cache(maxsize=256)
def _audio_form(tail: bytes) -> tuple[int, int] | None:
    try:
        fields = _fields(tail, 0, len(tail))
    except PeerError:
        return None
    if any(kind != _VARINT for _, kind, _, _ in fields):
        return None
    numbers = {number: value for number, _, value, _ in fields}
    return numbers.get(4, 0) & _U32, numbers.get(5, 0) & _U32


@lru_cache(maxsize=256)
def _anonymous_audio(size: int, sample_rate: int) -> tuple[bytes, bytes]:
    head = b"\x1a" + _varint(size)
    tail = _number_field(4, sample_rate) + b"\x28\x01"
    return b"\x12" + _varint(len(head) + size + len(tail)) + head, tail


@lru_cache(maxsize=256)
def _numbered_audio(size: int, sample_rate: int) -> tuple[bytes, bytes, int]:
    head = b"\x1a" + _varint(size)
    tail = _number_field(4, sample_rate) + b"\x28\x01"
    return head, tail, len(head) + size + len(tail) + 3  # the tags of id and name, and the name's one-byte length


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004  more groups of seven bits follow
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_short_varint = lru_cache(maxsize=1024)(_varint)


def _number_field(number: int, value: int) -> bytes:
    return bytes((number << 3,)) + _varint(value) if value else b""


def _bytes_field(number: int, value: bytes) -> bytes:
    return b"".join((bytes((number << 3 | _LENGTH,)), _varint(len(value)), value)) if value else b""


def _string_field(number: int, value: str) -> bytes:
    return _bytes_field(number, value.encode("utf-8", "replace"))


def _fields(data: bytes, position: int, end: int) -> list[tuple[int, int, int, int]]:
    """Lists (number, wire type, value or start, end) of every field between two positions."""
    found: list[tuple[int, int, int, int]] = []
    while position < end:
        tag = data[position]
        position += 1
        if tag > 0x7F:  # noqa: PLR2004  longer than one byte
            tag, position = _read_varint(data, position - 1, end)
        kind = tag & 7
        number = tag >> 3
        if not number or number > _U32 >> 3:
            raise malformed("a protobuf field has an impossible number")
        if kind in {_VARINT, _LENGTH}:
            if position >= end:
                raise _truncated()
            value = data[position]
            position += 1
            if value > 0x7F:  # noqa: PLR2004  longer than one byte
                value, position = _read_varint(data, position - 1, end)
            if kind == _VARINT:
                found.append((number, kind, value, position))
                continue
            start, position = position, position + value
        elif kind in {_FIXED64, _FIXED32}:
            start, position = position, position + (8 if kind == _FIXED64 else 4)
        else:
            raise malformed("a protobuf message uses groups or an unknown wire type")
        if position > end:
            raise _truncated()
        found.append((number, kind, start, position))
    return found


def _read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if position + index >= end:
            raise _truncated()
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004  the last group
            if value > _U64:
                break
            return value, position + index + 1
    raise malformed("a protobuf number has more than 64 bits")


def _scalars(data: bytes, start: int, end: int, *, strings: tuple[int, ...]) -> tuple[dict[int, int], dict[int, str]]:
    numbers: dict[int, int] = {}
    texts: dict[int, str] = {}
    for number, kind, value, stop in _fields(data, start, end):
        if kind == _VARINT:
            numbers[number] = value
        elif kind == _LENGTH and number in strings:
            texts[number] = _text(data, value, stop)
    return numbers, texts


def _decode_audio(data: bytes, start: int, end: int) -> AudioRawFrame:
    numbers: dict[int, int] = {}
    name = ""
    audio = b""
    for number, kind, value, stop in _fields(data, start, end):
        if kind == _VARINT:
            numbers[number] = value
        elif kind == _LENGTH and number == 3:  # noqa: PLR2004  samples
            audio = data[value:stop]
        elif kind == _LENGTH and number == 2:  # noqa: PLR2004  name
            name = _text(data, value, stop)
    rate, channels = numbers.get(4, 0) & _U32, numbers.get(5, 0) & _U32
    return AudioRawFrame(audio, rate, channels, numbers.get(1, 0), name, numbers.get(6))


def _text(data: bytes, start: int, end: int) -> str:
    try:
        return data[start:end].decode()
    except UnicodeDecodeError as error:
        raise malformed("a protobuf string is not UTF-8") from error


def _truncated() -> PeerError:
    return malformed("a protobuf message is cut off")
