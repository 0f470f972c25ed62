"""Seeded damage to wire messages: random bytes, bit flips, cuts and splices, and JSON that is nearly right.

Only `random.Random(seed)` decides, so that a run can be repeated exactly.
"""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Message = str | bytes

TOKENS = (
    *("event", "type", "start", "media", "payload", "track", "inbound", "outbound", "mark", "name", "dtmf", "digit"),
    *("stop", "connected", "clear", "playAudio", "checkpoint", "playedStream", "clearedAudio", "sendDTMF", "action"),
    *("notify", "websocket:connected", "websocket:cleared", "content-type", "audio/l16;rate=16000", "open", "opened"),
    *("close", "closed", "ping", "pong", "pause", "resume", "update", "disconnect", "parameters", "entities", "seq"),
    *("serverseq", "clientseq", "id", "version", "streamSid", "callSid", "stream_id", "call_control_id", "streamId"),
    *("callId", "stream_sid", "call_sid", "media_format", "mediaFormat", "encoding", "sample_rate", "sampleRate"),
    *("custom_parameters", "customParameters", "extra_headers", "label", "rtvi-ai", "client-ready", "send-text"),
    *("data", "message", "TranscriptionFrame", "text", "AudioRawFrame", "audio", "content", "options", "buttons"),
    *("raw-audio", "raw-audio-batch", "client-message", "llm-function-call-result", "append-to-context", "messages"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 1.5, 1e308, -0.0),
    *("", "0", "8000", "16000", "-1", "\x00", "\ud800", "😀", "a" * 5000, "AAAA", "AAA", "====", "//8A", "9" * 400),
    *([], {}, [[]], {"": ""}, [None] * 70, {str(n): n for n in range(70)}),
)
BYTES = (b"\x00", b"\xff", b"{", b"}", b"[", b'"', b"\\", b"\\u", b"\\ud800", b":", b",", b"e9", b"\x80", b"\xc0\xaf")
VARINTS = (
    b"\xff" * 9 + b"\x01",
    b"\x80" * 12,
    b"\x12\xff\xff\xff\xff\x0f",
    b"\x0b",
    b"\x0c",
    b"\x1a\x00",
    b"\x22\x02{}",
)
MAX_CHARS = 20_000  # mutations of mutations must not grow without end


def random_message(rng: Random) -> Message:
    """Noise: bytes, text of any code point, or deep or long JSON."""
    kind = rng.randrange(6)
    if kind <= 1:
        return rng.randbytes(rng.choice((0, 1, 2, 3, 8, 20, 160, 320)))
    if kind == 2:
        return "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0x110000)))) for _ in range(rng.randrange(40)))
    if kind == 3:
        opener = rng.choice(("[", '{"event":', '{"start":{"a":', '[{"a":'))
        return opener * rng.choice((1, 10, 100, 2000))
    return _dumps(_value(rng, 3), rng)


def mutate(message: Message, others: Sequence[Message], rng: Random) -> Message:
    """Damages a message once to three times."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        message = rng.choice(_MUTATIONS)(message, others, rng)[:MAX_CHARS]
    return message


def _as_bytes(message: Message) -> bytes:
    return message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message


def _like(data: bytes, message: Message) -> Message:
    return data.decode("utf-8", "replace") if isinstance(message, str) else data


def _flip(message: Message, _others: Sequence[Message], rng: Random) -> Message:
    data = bytearray(_as_bytes(message))
    for _ in range(rng.choice((1, 1, 2, 8)) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return _like(bytes(data), message)


def _insert(message: Message, _others: Sequence[Message], rng: Random) -> Message:
    data, at = _as_bytes(message), rng.randrange(len(message) + 1)
    return _like(data[:at] + rng.choice((*BYTES, *VARINTS, rng.randbytes(3))) + data[at:], message)


def _cut(message: Message, _others: Sequence[Message], rng: Random) -> Message:
    data, start = _as_bytes(message), rng.randrange(len(message) + 1)
    rest = data[start + rng.randrange(1, 9) :] if rng.randrange(2) else b""
    return _like(data[:start] + rest, message)


def _repeat(message: Message, _others: Sequence[Message], rng: Random) -> Message:
    data, start = _as_bytes(message), rng.randrange(len(message) + 1)
    piece = data[start : start + rng.randrange(1, 40)]
    return _like(data[:start] + piece * rng.choice((2, 2, 20)) + data[start:], message)


def _splice(message: Message, others: Sequence[Message], rng: Random) -> Message:
    data, other = _as_bytes(message), _as_bytes(rng.choice(others))
    return _like(data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :], message)


def _swap_kind(message: Message, _others: Sequence[Message], _rng: Random) -> Message:
    return message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message.decode("latin-1")


def _json(message: Message, others: Sequence[Message], rng: Random) -> Message:
    """Changes one place of a JSON message and keeps the rest right."""
    try:
        root = json.loads(_as_bytes(message))
    except (ValueError, RecursionError):
        return _flip(message, others, rng)
    places: list[tuple[Any, Any]] = []
    _places(root, places)
    if not places:
        return _dumps(_value(rng, 2), rng)
    holder, key = rng.choice(places)
    match rng.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(TOKENS)] = holder[key]
        case 2:
            holder[key] = rng.choice(TOKENS)
        case 3:
            _, other_key = rng.choice(places)
            holder[key] = other_key
        case _:
            holder[key] = _value(rng, 2)
    return _dumps(root, rng)


def _places(value: Any, found: list[tuple[Any, Any]]) -> None:
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    for key in keys:
        found.append((value, key))
        _places(value[key], found)


def _value(rng: Random, depth: int) -> Any:
    kind = rng.randrange(6)
    if kind == 0 and depth:
        return {rng.choice(TOKENS): _value(rng, depth - 1) for _ in range(rng.randrange(5))}
    if kind == 1 and depth:
        return [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return rng.choice(TOKENS) if kind == 2 else rng.choice(VALUES)


def _dumps(value: Any, rng: Random) -> Message:
    text = json.dumps(value, ensure_ascii=bool(rng.randrange(2)))
    return text if rng.randrange(4) else text.encode("utf-8", "surrogatepass")


_MUTATIONS: tuple[Callable[[Message, Sequence[Message], Random], Message], ...] = (
    _flip,
    _insert,
    _cut,
    _repeat,
    _splice,
    _swap_kind,
    _json,
    _json,
    _json,
    _json,
)
