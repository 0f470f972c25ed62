"""Signs the requests that Vox posts to other programs, and checks such a signature: HMAC-SHA256 over the time and the body. Pure.

The header is `t=<Unix seconds>,v1=<hex>`; while a secret is being replaced it has one `v1` for each secret, so a receiver that knows
either accepts it. The time is signed too, which bounds how long a recorded request can be replayed.
"""

from collections.abc import Sequence
from typing import Final

from vox.security.digests import hmac_digest, is_equal

HEADER: Final = "x-vox-signature"
TOLERANCE_S: Final = 300.0
"""How far a receiver lets the signed time be from its own clock."""
_MAX_SIGNATURES: Final = 8
_MAX_CHARS: Final = 1024


def signature(secrets: Sequence[str], at_s: int, body: bytes) -> str:
    """The value of the header.

    Args:
        secrets: the current one, and the one before it while that is still valid.
        at_s: the present time in Unix seconds.
        body: as it travels.
    """
    return ",".join((f"t={at_s}", *(f"v1={_digest(secret, at_s, body)}" for secret in secrets)))


def verify(header: str, secrets: Sequence[str], body: bytes, *, now_s: float, tolerance_s: float = TOLERANCE_S) -> bool:
    """Whether a header was made by a holder of one of the secrets for this body, at about this time.

    Args:
        header: what came in X-Vox-Signature.
        secrets: those that are accepted.
        body: the raw bytes that came.
        now_s: the present time in Unix seconds.
        tolerance_s: how far the signed time may be from it.
    """
    if len(header) > _MAX_CHARS:
        return False
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1"][:_MAX_SIGNATURES]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()) or len(times[0]) > 12:  # noqa: PLR2004  digits of a time
        return False
    at_s = int(times[0])
    if abs(now_s - at_s) > tolerance_s:
        return False
    expected = [_digest(secret, at_s, body) for secret in secrets]
    return any([is_equal(right, one) for right in expected for one in given])  # noqa: C419  all compared, whichever fits


def _digest(secret: str, at_s: int, body: bytes) -> str:
    return hmac_digest(secret, b"%d." % at_s + body, "sha256").hex()
