"""JSON as it comes from a client that may send anything.

Every codec of `/ws` reads JSON through here, so that size, syntax, nesting and field types fail in one way: a `PeerError`
with code `message_too_large` or `malformed_message`. Messages never quote what the client sent: it may be private.
"""

from typing import Any, TypeVar

import msgspec

from vox.errors import PeerError
from vox.protocols.agent_events import ClientAudio, ClientInput
from vox.protocols.media_stream import WireMessage

_Fields = TypeVar("_Fields", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder(enc_hook=str)
_object_decoder = msgspec.json.Decoder(dict[str, Any])
_SAMPLE_RATES_HZ = range(4_000, 192_001)
_MAX_CHANNELS = 2
MAX_PLAIN_BYTES = 1 << 16
"""Up to here a message is decoded whatever it holds; a longer one is audio or text, so its values are few."""
MAX_LARGE_VALUES = 4096
"""Values in a longer message, counted by what comes before them: a list of numbers takes the loop for as long as a call's frame."""


def read_object(message: WireMessage, *, max_bytes: int) -> dict[str, Any]:
    """Decodes one JSON object; the WebSocket opcode does not matter.

    Raises:
        PeerError: `message_too_large` or `malformed_message`.
    """
    check_size(message, max_bytes=max_bytes)
    if len(message) > MAX_PLAIN_BYTES and _has_many_values(message):
        raise malformed("a long message has too many values; send audio as base64")
    try:
        return _object_decoder.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise malformed("a message is not a JSON object") from error


def read_fields(data: Any, shape: type[_Fields], where: str) -> _Fields:
    """Checks an object's fields against a struct; unknown fields are ignored, a missing object counts as empty.

    Raises:
        PeerError: `malformed_message`, naming the message and the field.
    """
    try:
        return msgspec.convert({} if data is None else data, shape)
    except (msgspec.ValidationError, UnicodeError, RecursionError) as error:
        raise malformed(f"{where}: {error}") from error


def write_object(value: Any) -> bytes:
    """Encodes compact JSON; values JSON has no word for become their `str`."""
    return _encoder.encode(value)


def check_size(message: WireMessage, *, max_bytes: int) -> None:
    """Refuses a message over the limit; text counts in characters, which are never more than its bytes.

    Raises:
        PeerError: `message_too_large`.
    """
    if len(message) > max_bytes:
        raise PeerError(
            f"a message has {len(message)} bytes, {max_bytes} are allowed",
            code="message_too_large",
            hint="send audio in frames of 20 ms and files over HTTP",
        )


def read_audio(pcm: bytes, sample_rate: int, channels: int) -> list[ClientInput]:
    """Checks microphone audio; an empty frame gives nothing, a missing rate means 16 kHz and missing channels mono.

    Raises:
        PeerError: `malformed_message` for impossible rates, channels or half a sample.
    """
    sample_rate = sample_rate or 16_000
    channels = channels or 1
    if sample_rate not in _SAMPLE_RATES_HZ or not 0 < channels <= _MAX_CHANNELS:
        raise malformed(f"audio of {sample_rate} Hz with {channels} channels is not supported")
    if len(pcm) % (2 * channels):
        raise malformed("audio ends in the middle of a 16-bit sample")
    return [ClientAudio(pcm, sample_rate, channels)] if pcm else []


def refuse_context(what: str) -> PeerError:
    """The error for a client that rewrites the conversation without permission."""
    return PeerError(
        f"{what} rewrites the conversation, which this agent does not allow clients to do",
        code="context_not_allowed",
        hint="set allow_client_context for clients you trust",
    )


def malformed(message: str) -> PeerError:
    """The error for a message that is not what its format says."""
    return PeerError(message, code="malformed_message")


def _has_many_values(message: WireMessage) -> bool:
    count = 0
    for before in ",[{":
        count += message.count(before) if isinstance(message, str) else message.count(before.encode())
        if count > MAX_LARGE_VALUES:
            return True
    return False
