"""Web Push: who sends (VAPID, RFC 8292), and what only the browser can read (RFC 8291).

The one thing to know: the push service between both is a stranger. It sees which server sends to which browser and how much, never
what; so a payload is always encrypted, and padded to one size.
"""

import base64
import binascii
import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vox.errors import UsageError

TOKEN_LIFE_S: Final = 12 * 3600
"""Push services accept 24 hours at most."""
PADDED_BYTES: Final = 1024
"""What every shorter payload is padded to."""
MAX_PAYLOAD: Final = 3000
"""A push service may refuse more than 4096 bytes in all."""
_POINT_BYTES: Final = 65
_SECRET_BYTES: Final = 16
_SCALAR_BYTES: Final = 32
_CURVE: Final = ec.SECP256R1()


class PushKey:
    """The key by which push services recognise this server.

    Args:
        private: the secret number of 32 bytes.

    Raises:
        UsageError: `push_key_invalid`.
    """

    def __init__(self, private: bytes) -> None:
        try:
            self._key = ec.derive_private_key(int.from_bytes(private), _CURVE)
        except ValueError:
            raise UsageError("the key for pushes is none", code="push_key_invalid") from None
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_text = to_base64url(point)

    def authorization(self, audience: str, contact: str, now_s: int) -> str:
        """The Authorization header of a push.

        Args:
            audience: the origin of the push service.
            contact: how its operator reaches ours: `mailto:` or `https:`.
            now_s: Unix seconds.
        """
        head = {"typ": "JWT", "alg": "ES256"}
        claims = {"aud": audience, "exp": now_s + TOKEN_LIFE_S, "sub": contact}
        said = b".".join(to_base64url(msgspec.json.encode(part)).encode() for part in (head, claims))
        numbers = decode_dss_signature(self._key.sign(said, ec.ECDSA(hashes.SHA256())))
        signature = b"".join(number.to_bytes(_SCALAR_BYTES) for number in numbers)
        return f"vapid t={said.decode()}.{to_base64url(signature)}, k={self.public_text}"


@dataclass(frozen=True, slots=True)
class Receiver:
    """A browser's half of a subscription.

    Args:
        public_key: its point, 65 bytes.
        auth_secret: 16 bytes that it shares with the server.
    """

    public_key: bytes
    auth_secret: bytes


def receiver(public_key: str, auth_secret: str) -> Receiver:
    """A browser's keys, as it gives them: base64url.

    Raises:
        UsageError: `push_receiver_invalid` where they are none.
    """
    try:
        point, secret = from_base64url(public_key), from_base64url(auth_secret)
        ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
    except (ValueError, binascii.Error):
        point, secret = b"", b""
    if len(point) != _POINT_BYTES or len(secret) != _SECRET_BYTES:
        raise UsageError("the keys of the subscription are none", code="push_receiver_invalid")
    return Receiver(point, secret)


def encrypted(payload: bytes, to: Receiver) -> bytes:
    """A payload that only the browser can read, padded; the body of a push with `Content-Encoding: aes128gcm`.

    Args:
        payload: JSON that may be followed by spaces, which the padding is; at most MAX_PAYLOAD bytes.
        to: the browser.

    Raises:
        UsageError: `push_payload_too_long`, or `push_unavailable` where the extra `push` is missing.
    """
    if len(payload) > MAX_PAYLOAD:
        raise UsageError("the payload of a push is too long", code="push_payload_too_long")
    fresh = ec.generate_private_key(_CURVE)
    return bytes(
        _library().encrypt(
            payload.ljust(PADDED_BYTES),
            salt=os.urandom(_SECRET_BYTES),
            private_key=fresh,
            dh=to.public_key,
            auth_secret=to.auth_secret,
            version="aes128gcm",
        )
    )


def assert_available() -> None:
    """Raises the error of a missing library where it is missing.

    Raises:
        UsageError: `push_unavailable`.
    """
    _library()


def kept_key(file: Path) -> PushKey:
    """The key in a file, which only its owner can read; made where there is none. Blocks.

    Raises:
        UsageError: `push_key_unusable` where the file cannot be read or written, or holds no key.
    """
    try:
        if not file.exists():
            _write(file, to_base64url(os.urandom(_SCALAR_BYTES)))
        return PushKey(from_base64url(file.read_text(encoding="ascii").strip()))
    except (OSError, ValueError, UsageError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds none"
        raise UsageError(
            f"the key for pushes cannot be kept in {file.name}: {why}",
            code="push_key_unusable",
            hint="make its folder writable, or restore the file; with a new one all browsers have to subscribe again",
        ) from None


def to_base64url(data: bytes) -> str:
    """Bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """The inverse of `to_base64url`, with or without padding.

    Raises:
        ValueError: it is none.
    """
    bare = text.rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)


def _library() -> Any:
    try:
        return importlib.import_module("http_ece")
    except ImportError:
        raise UsageError(
            "pushes need a library that is not installed",
            code="push_unavailable",
            hint="install it with the extra: pip install 'vox[push]'",
        ) from None


def _write(file: Path, text: str) -> None:
    """Whole or not at all, never readable by others; where two processes write at once, one key stays."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as output:
            output.write(f"{text}\n")
            output.flush()
            os.fsync(output.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)
