"""JSON Web Tokens that we sign for others with a private key of ours (RFC 7519, RS256)."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from vox.errors import UsageError


def rs256_token(claims: Mapping[str, Any], private_key: str) -> str:
    r"""A token with these claims.

    Args:
        claims: what is said and until when.
        private_key: RSA, PEM; `\n` in place of line ends is understood, as environment files have it.

    Raises:
        UsageError: the key is none (invalid_credentials).
    """
    try:
        key = load_pem_private_key(private_key.replace("\\n", "\n").encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError(
            "the private key is unusable", code="invalid_credentials", hint="give it as PEM, without a password"
        )
    head = {"alg": "RS256", "typ": "JWT"}
    text = f"{_encoded(msgspec.json.encode(head))}.{_encoded(msgspec.json.encode(claims))}"
    return f"{text}.{_encoded(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
