"""What the carriers' JSON messages share: bounded decoding, and the checks of what a message says.

The one thing to know before changing it: `decode` runs once per 20 ms and call; a typed msgspec struct keeps it
below half a microsecond because fields that it does not name are skipped without building objects.
"""

from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar, cast

import msgspec

from vox.errors import PeerError
from vox.protocols.media_stream import DigitPressed, Encoding, StreamAudio, StreamEvent, WireMessage

MAX_MESSAGE_BYTES: Final = 1 << 20  # the default limit of a WebSocket message, also the transport's
MAX_PARAMETERS: Final = 64
MAX_TEXT: Final = 4096  # characters of one parameter, identifier or mark name
MAX_PENDING_MARKS: Final = 1024
DIGITS: Final = frozenset("0123456789*#ABCD")

Phase = Literal["waiting", "streaming", "stopped"]
T = TypeVar("T")

_ENCODINGS: Final[dict[str, Encoding]] = {
    "audio/x-mulaw": "mulaw",
    "audio/mulaw": "mulaw",
    "mulaw": "mulaw",
    "ulaw": "mulaw",
    "pcmu": "mulaw",
    "audio/x-alaw": "alaw",
    "alaw": "alaw",
    "pcma": "alaw",
    "audio/x-l16": "s16le",
    "audio/l16": "s16le",
    "l16": "s16le",
}
SAMPLE_RATES: Final = frozenset({8000, 16000, 24000, 48000})


def decode(decoder: msgspec.json.Decoder[T], message: WireMessage, max_bytes: int) -> T:
    """Decodes one message; `PeerError` for anything too large, malformed or of the wrong shape."""
    check_size(message, max_bytes)
    try:
        return decoder.decode(message)
    except msgspec.MsgspecError as error:  # its words name the place and never quote the message
        raise PeerError(
            f"A stream message is not the JSON that the carrier documents: {error}.", code="malformed_message"
        ) from error
    except (UnicodeError, RecursionError) as error:
        raise PeerError("A stream message is not valid JSON.", code="malformed_message") from error


def check_size(message: WireMessage, max_bytes: int) -> None:
    """Refuses a message over the limit; text counts in characters, which are never more than its bytes."""
    if len(message) > max_bytes:
        raise PeerError(
            f"A message of {len(message)} bytes is over the limit of {max_bytes}.", code="message_too_large"
        )


def base64_text(payload: bytes) -> str:
    """Base64 without line breaks, ready to stand inside a JSON string."""
    return b2a_base64(payload, newline=False).decode("ascii")


def quoted(text: str) -> str:
    """The text as a JSON string with its quotes; lone surrogates become question marks."""
    return msgspec.json.encode(text.encode("utf-8", "replace").decode("utf-8")).decode("utf-8")


def audio_events(payload: bytes, phase: Phase, encoding: Encoding) -> list[StreamEvent]:
    """The event of an audio payload: none when empty or after the stop; `PeerError` before the start or in half samples."""
    if phase == "waiting":
        raise out_of_order("audio before the stream was described")
    if encoding == "s16le" and len(payload) & 1:
        raise PeerError("16-bit audio came with an odd number of bytes.", code="malformed_message")
    return [StreamAudio(payload)] if payload and phase == "streaming" else []


def digit_events(text: str) -> list[StreamEvent]:
    """The first character as a pressed key; none when it is no DTMF digit."""
    digit = text[:1].upper()
    return [DigitPressed(digit)] if digit in DIGITS else []


def identifier(text: str, name: str, *, may_be_empty: bool = False) -> str:
    """Checks an id or number that the peer chose; `PeerError` when missing or absurdly long."""
    if not text and not may_be_empty:
        raise PeerError(f"The start message has no {name}.", code="malformed_message")
    if len(text) > MAX_TEXT:
        raise PeerError(f"The {name} is longer than {MAX_TEXT} characters.", code="malformed_message")
    return text


def parameters(raw: object) -> dict[str, str]:
    """Custom parameters as text; numbers and booleans become their JSON text.

    What is no text or number is left out, as are names and values over `MAX_TEXT` characters and what comes after the
    first `MAX_PARAMETERS`; where `raw` is no object, there are none. Compare the lengths to see how many were left out.
    """
    if not isinstance(raw, Mapping):
        return {}
    found: dict[str, str] = {}
    for key, value in cast("Mapping[str, Any]", raw).items():
        if isinstance(value, bool | int | float):
            text = msgspec.json.encode(value).decode()
        elif isinstance(value, str):
            text = value
        else:
            continue
        if 0 < len(key) <= MAX_TEXT and len(text) <= MAX_TEXT and len(found) < MAX_PARAMETERS:
            found[key] = text
    return found


def media_encoding(name: str) -> Encoding:
    """The encoding behind a carrier's name for it (a MIME type or an RTP name); `PeerError` for one we cannot decode."""
    encoding = _ENCODINGS.get(name.partition(";")[0].strip().lower())
    if encoding is None:
        raise PeerError(
            f"The carrier announced the audio encoding {name[:40]!r}.",
            code="unsupported_media",
            hint="configure the stream for G.711 (PCMU, PCMA) or 16-bit linear audio",
        )
    return encoding


def media_rate(value: float | str) -> int:
    """A sample rate in Hz, written as a number or as text; `PeerError` for one that no carrier uses."""
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value)
    rate = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0  # noqa: PLR2004  six digits of Hz
    if rate not in SAMPLE_RATES:
        raise PeerError(f"The carrier announced a sample rate of {text[:40]!r} Hz.", code="unsupported_media")
    return rate


def out_of_order(what: str) -> PeerError:
    """The error for a message that the protocol does not allow at this point."""
    return PeerError(f"The peer sent {what}.", code="out_of_order_message")
