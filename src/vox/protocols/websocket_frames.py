"""WebSocket frames as a server sends them: whole messages, unmasked (RFC 6455 section 5)."""

_SHORT = 126
_LONG = 1 << 16


def header(size: int, *, is_text: bool = True) -> bytes:
    """The header of a whole, unmasked message of `size` bytes (RFC 6455 section 5.2)."""
    first = 0x81 if is_text else 0x82
    if size < _SHORT:
        return bytes((first, size))
    if size < _LONG:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


def server_frame(message: str | bytes) -> bytes:
    """A text (str) or binary (bytes) message as it stands on the wire."""
    if isinstance(message, str):
        payload = message.encode()
        return header(len(payload)) + payload
    return header(len(message), is_text=False) + message
