"""Secrets that must be read again, encrypted with a key that is not in the database: AES-256-GCM, bound to what they are for.

A copy of the database alone opens nothing, and a encrypted text that is moved to another row does not open there.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vox.errors import UsageError

KEY_BYTES: Final = 32
PREFIX: Final = "aes256gcm1:"
"""What encrypted texts begin with; others are in clear."""
_NONCE_BYTES: Final = 12


class SecretBox:
    """Encrypts and decrypts with one key.

    Args:
        key: KEY_BYTES random bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self.fingerprint = hashlib.sha256(b"vox secret key 1\0" + key).hexdigest()[:32]
        """Tells keys apart without telling anything about them."""

    def encrypt(self, secret: bytes, purpose: str) -> str:
        """The secret as a text to store.

        Args:
            secret: what is encrypted.
            purpose: what it is and whose, such as `totp:17`; the same is needed to open it.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        encrypted = nonce + self._cipher.encrypt(nonce, secret, purpose.encode())
        return PREFIX + base64.urlsafe_b64encode(encrypted).decode()

    def decrypt(self, text: str, purpose: str) -> bytes:
        """The secret in a encrypted text.

        Raises:
            UsageError: it was encrypted with another key or for another purpose (secret_unreadable).
        """
        try:
            encrypted = base64.urlsafe_b64decode(text.removeprefix(PREFIX))
            return self._cipher.decrypt(encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:], purpose.encode())
        except (binascii.Error, ValueError, InvalidTag):
            raise UsageError(
                "a secret in the database cannot be opened",
                code="secret_unreadable",
                hint="give the key file that it was encrypted with",
            ) from None


def is_encrypted(text: str) -> bool:
    """Whether a stored text is encrypted."""
    return text.startswith(PREFIX)


def read_key(text: str) -> bytes:
    """A key as operators write it.

    Raises:
        UsageError: it is not KEY_BYTES bytes in base64 (invalid_setting).
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise UsageError(
            "the key for encrypted secrets is wrong",
            code="invalid_setting",
            hint=f"give {KEY_BYTES} random bytes in base64, as `openssl rand -base64 {KEY_BYTES}` prints them",
        )
    return key


def read_key_file(path: Path) -> bytes | None:
    """The key in a file; None where there is no such file. Blocks.

    Raises:
        UsageError: the file holds no key (invalid_setting).
    """
    try:
        return read_key(path.read_text("ascii", errors="replace"))
    except FileNotFoundError:
        return None


def create_key_file(path: Path) -> bytes:
    """A fresh key in a new file that only its owner may read; where there is one already, that key. Blocks.

    The file appears complete or not at all, so another process that looks at the same moment never reads half a key.

    Raises:
        UsageError: the file that is there holds no key (invalid_setting).
    """
    text = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n"
    part = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)
    key = read_key_file(path)
    return key if key is not None else read_key(text)
