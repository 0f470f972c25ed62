"""As much of protobuf's wire format as Pipecat's frames need."""

from typing import Any

FRAMES = {1: "text", 2: "audio", 3: "transcription", 4: "message", 5: "interruption"}
FIELDS = {
    "text": {1: "id", 2: "name", 3: "text"},
    "audio": {1: "id", 2: "name", 3: "audio", 4: "sample_rate", 5: "num_channels", 6: "pts"},
    "transcription": {1: "id", 2: "name", 3: "text", 4: "user_id", 5: "timestamp"},
    "message": {1: "data"},
    "interruption": {1: "id", 2: "name"},
}


def decoded(message: bytes) -> tuple[str, dict[str, Any]]:
    """The kind of a frame and its fields; a number is an int, everything else is bytes."""
    ((number, content),) = _fields(message)
    kind = FRAMES[number]
    assert isinstance(content, bytes)
    return kind, {FIELDS[kind][field]: value for field, value in _fields(content)}


def encoded(kind: str, fields: dict[str, int | bytes]) -> bytes:
    """A frame of that kind."""
    numbers = {name: number for number, name in FIELDS[kind].items()}
    content = b"".join(_field(numbers[name], value) for name, value in fields.items())
    return _field(next(number for number, name in FRAMES.items() if name == kind), content)


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    found: list[tuple[int, int | bytes]] = []
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        value, position = _varint(message, position)
        if key & 7 == 2:
            found.append((key >> 3, message[position : position + value]))
            position += value
        else:
            assert key & 7 == 0, "only numbers and bytes are sent"
            found.append((key >> 3, value))
    return found


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _number(number << 3) + _number(value)
    return _number(number << 3 | 2) + _number(len(value)) + value


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
