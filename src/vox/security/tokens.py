"""Bearer tokens: minted from the system's randomness, kept as SHA-256 only.

Fast hashing is right here and wrong for passwords: a token of 48 random bytes cannot be guessed from its digest. A stolen
database gives no login.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

TOKEN_BYTES = 48


@dataclass(frozen=True, slots=True)
class Token:
    """A fresh token, which is shown once, and what is stored of it."""

    text: str = field(repr=False)
    digest: str


def mint(prefix: str, size: int = TOKEN_BYTES) -> Token:
    """Makes a random token with a readable prefix.

    Args:
        prefix: says what the token is for, such as `vox_sess_`.
        size: bytes of randomness.
    """
    text = prefix + secrets.token_urlsafe(size)
    return Token(text, digest(text))


def digest(token: str) -> str:
    """What is stored and looked up: SHA-256 in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def matches(token: str, stored_digest: str) -> bool:
    """Whether a token belongs to a stored digest, in constant time."""
    return secrets.compare_digest(digest(token), stored_digest)
