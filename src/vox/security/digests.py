"""Checks that a request was signed by a holder of a secret: the comparison and the primitives, all pure.

The one thing to know before changing it: `is_equal` is the only comparison of secrets in Vox. Everything here takes
the raw bytes that travelled; a body decoded and encoded again no longer matches its signature.
"""

import base64
import binascii
import hashlib
import hmac
import importlib
from typing import Any, Literal

import msgspec

from vox.errors import UsageError

HashName = Literal["sha1", "sha256"]

_CLAIMS = msgspec.json.Decoder(dict[str, Any])
_ED25519_KEY_BYTES = 32


def is_equal(expected: str | bytes, given: str | bytes) -> bool:
    """Compares two secrets in constant time, so that timing does not reveal where they differ."""
    return hmac.compare_digest(_as_bytes(expected), _as_bytes(given))


def hmac_base64(secret: str | bytes, message: str | bytes, hash_name: HashName) -> str:
    """The HMAC of a message as base64."""
    return base64.b64encode(hmac_digest(secret, message, hash_name)).decode("ascii")


def hmac_digest(secret: str | bytes, message: str | bytes, hash_name: HashName) -> bytes:
    """The HMAC of a message."""
    return hmac.digest(_as_bytes(secret), _as_bytes(message), hash_name)


def sha256_hex(body: bytes) -> str:
    """The SHA-256 of a body in lower-case hex."""
    return hashlib.sha256(body).hexdigest()


def bad_signature(why: str) -> UsageError:
    """The error for a request without a valid signature."""
    return UsageError(f"The request is not signed by the carrier: {why}.", code="bad_signature")


def jwt_claims(token: str, secret: str, *, now: float, tolerance_s: float) -> dict[str, Any]:
    """The claims of an HS256 JSON Web Token; `UsageError(code="bad_signature")` unless signed, fresh and of that algorithm.

    Args:
        token: three base64url parts.
        secret: the shared key.
        now: seconds since 1970.
        tolerance_s: how old or how far in the future `iat` may be; a passed `exp` or a future `nbf` is refused too.
    """
    try:
        head, payload, signature = token.split(".")
        header = _CLAIMS.decode(_base64url(head))
        claims = _CLAIMS.decode(_base64url(payload))
        given = _base64url(signature)
    except (ValueError, RecursionError):  # msgspec's, base64's and Unicode's errors are ValueErrors
        raise bad_signature("its token is malformed") from None
    if header.get("alg") != "HS256":  # the token must not choose how it is checked
        raise bad_signature("its token is not of the algorithm HS256")
    if not is_equal(hmac_digest(secret, f"{head}.{payload}", "sha256"), given):
        raise bad_signature("its token does not match the secret")
    issued = claims.get("iat")
    if not isinstance(issued, int | float) or isinstance(issued, bool) or abs(now - issued) > tolerance_s:
        raise bad_signature("its token is too old, too new or undated")
    expires, starts = claims.get("exp", now), claims.get("nbf", now)
    if not isinstance(expires, int | float) or not isinstance(starts, int | float):
        raise bad_signature("its token has dates that are none")
    if expires < now or starts > now + tolerance_s:
        raise bad_signature("its token is not valid at this time")
    return claims


def verify_ed25519(public_key: str, signature: str, message: bytes) -> None:
    """Checks an Ed25519 signature; key and signature in base64.

    Raises:
        UsageError: `bad_signature` for a signature that does not fit; `invalid_public_key` for a key that is none;
            `missing_dependency` where the package `cryptography` is not installed (a request is then never let through).
    """
    try:
        # By name, because the package is wanted only where such keys are used.
        ed25519: Any = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
        exceptions: Any = importlib.import_module("cryptography.exceptions")
    except ImportError:
        raise UsageError(
            "Ed25519 signatures cannot be checked without the package cryptography.",
            code="missing_dependency",
            hint="pip install cryptography, or remove the public key from the configuration",
        ) from None
    key, given = base64_bytes(public_key), base64_bytes(signature)
    if key is None or len(key) != _ED25519_KEY_BYTES:
        raise UsageError(
            "The public key is not an Ed25519 key of 32 bytes in base64.",
            code="invalid_public_key",
            hint="copy it from the carrier's portal",
        )
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(given or b"", message)
    except exceptions.InvalidSignature:
        raise bad_signature("its Ed25519 signature does not match") from None


def base64_bytes(text: str) -> bytes | None:
    """Decodes standard base64; None where it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def _base64url(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
