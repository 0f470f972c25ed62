"""The messages of Google's Speech-to-Text v2 that streaming needs, as protocol buffers. Pure.

Google's own client brings a message library and three more packages for these six messages; the numbers of their fields are its published
interface definition's (`google/cloud/speech/v2/cloud_speech.proto`).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vox.providers.stt.contract import Word

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LINEAR16 = 1


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a response: its best text."""

    text: str
    is_final: bool
    confidence: float | None
    language: str | None
    words: tuple[Word, ...]


def streaming_config(
    recognizer: str, model: str, language: str, sample_rate: int, phrases: tuple[str, ...], boost: float
) -> bytes:
    """The first request of a stream."""
    decoding = _number(1, _LINEAR16) + _number(2, sample_rate) + _number(3, 1)
    features = _number(2, 1) + _number(3, 1) + _number(4, 1)  # word times, word confidence, punctuation
    config = _part(8, decoding) + _part(2, features) + _text(9, model) + _text(10, language)
    if phrases:
        listed = b"".join(_part(2, _text(1, phrase) + _float(2, boost)) for phrase in phrases)
        config += _part(6, _part(1, _part(2, listed)))
    streaming = _part(1, config) + _part(2, _number(2, 1))  # interim results
    return _text(3, recognizer) + _part(6, streaming)


def audio(pcm: bytes) -> bytes:
    """A further request of a stream."""
    return _part(5, pcm)


def results(response: bytes) -> list[Result]:
    """The results of a response.

    Raises:
        ValueError: it is no such message.
    """
    return [_result(value) for number, value in _fields(response) if number == 6 and isinstance(value, bytes)]  # noqa: PLR2004  results


def _result(data: bytes) -> Result:
    fields = list(_fields(data))
    best = next((value for number, value in fields if number == 1 and isinstance(value, bytes)), b"")
    text, confidence, words = "", 0.0, list[Word]()
    for number, value in _fields(best):
        match number, value:
            case 1, bytes():
                text = value.decode()
            case 2, float():
                confidence = value
            case 3, bytes():
                words.append(_word(value))
            case _:
                pass
    language = next((value.decode() for number, value in fields if number == 6 and isinstance(value, bytes)), None)  # noqa: PLR2004  language_code
    is_final = any(number == 2 and value for number, value in fields)  # noqa: PLR2004  is_final
    return Result(text, is_final, confidence or None, language, tuple(words))


def _word(data: bytes) -> Word:
    start_s = end_s = confidence = 0.0
    text = ""
    for number, value in _fields(data):
        match number, value:
            case 1, bytes():
                start_s = _seconds(value)
            case 2, bytes():
                end_s = _seconds(value)
            case 3, bytes():
                text = value.decode()
            case 4, float():
                confidence = value
            case _:
                pass
    return Word(text, start_s, end_s, confidence or None)


def _seconds(data: bytes) -> float:
    whole = nanos = 0
    for number, value in _fields(data):
        if isinstance(value, int):
            whole, nanos = (value, nanos) if number == 1 else (whole, value)
    return whole + nanos / 1e9


def _fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a message; raises ValueError where it ends in the middle of one."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _read_varint(data, at)
        elif kind in {_FIXED32, _FIXED64}:
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")
        piece = data[at : at + size]
        at += size
        if len(piece) < size:
            raise ValueError("half a message")
        if kind == _BYTES:
            yield number, piece
        else:
            (fixed,) = struct.unpack("<f" if kind == _FIXED32 else "<d", piece)
            yield number, float(fixed)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:  # noqa: PLR2004  ten bytes hold 64 bits
            raise ValueError("half a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  the last byte of a number
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:  # noqa: PLR2004  seven bits a byte
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | _FIXED32) + struct.pack("<f", value)


def _part(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _part(field, value.encode())
