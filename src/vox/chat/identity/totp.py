"""One-time passwords by time (RFC 6238: SHA-1, six digits, 30 seconds, one step of tolerance each way). Pure.

A code counts once: the caller keeps the step it was for, and no code of that step or an earlier one is taken again.
"""

import base64
import hmac
import secrets
from typing import Final
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

DIGITS: Final = 6
STEP_S: Final = 30
TOLERANCE: Final = 1
"""Steps that a clock may be off."""
SECRET_BYTES: Final = 20
ISSUER: Final = "Vox"


def new_secret() -> bytes:
    """A fresh secret."""
    return secrets.token_bytes(SECRET_BYTES)


def as_text(secret: bytes) -> str:
    """A secret as applications take it, in base32 without padding."""
    return base64.b32encode(secret).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """The secret of its base32 form.

    Raises:
        ValueError: it is none.
    """
    letters = text.replace(" ", "").upper()
    return base64.b32decode(letters + "=" * (-len(letters) % 8))


def uri(secret: bytes, account: str) -> str:
    """The address that applications read from a QR code."""
    label = quote(f"{ISSUER}:{account}", safe="")
    parameters = {"secret": as_text(secret), "issuer": ISSUER, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_S}
    return f"otpauth://totp/{label}?{urlencode(parameters)}"


def code_at(secret: bytes, step: int) -> str:
    """The code of a step.

    Args:
        secret: shared with the application; at least 16 bytes are usual, shorter ones of an original are taken.
        step: Unix seconds divided by STEP_S.
    """
    return HOTP(secret, DIGITS, SHA1(), enforce_key_length=False).generate(step).decode()  # noqa: S303  RFC 6238's own


def matching_step(secret: bytes, code: str, now_s: float, *, after: int | None) -> int | None:
    """The step that a code is for, or None where it is wrong, too old or used.

    Args:
        secret: shared with the application.
        code: six digits; blanks between them are ignored.
        now_s: Unix seconds.
        after: the last step that was used; None for none yet.
    """
    given = "".join(code.split())
    if len(given) != DIGITS or not (given.isascii() and given.isdigit()):
        return None
    now = int(now_s // STEP_S)
    for step in range(now - TOLERANCE, now + TOLERANCE + 1):
        if (after is None or step > after) and step >= 0 and hmac.compare_digest(code_at(secret, step), given):
            return step
    return None
