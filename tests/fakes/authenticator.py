"""An authenticator in software, written from the WebAuthn specification: makes passkeys and signs challenges, rightly or not.

It shares no code with the library that the server checks with.
"""

import base64
import hashlib
import json
import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN = "https://chat.example.com"
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value: Any) -> bytes:
    """The canonical CBOR of whole numbers, bytes, texts, lists and maps (RFC 8949)."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, Mapping):
        return _head(5, len(value)) + b"".join(cbor(key) + cbor(each) for key, each in value.items())
    if isinstance(value, Sequence):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    raise TypeError(type(value))


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    size, code = next(each for each in ((1, 24), (2, 25), (4, 26), (8, 27)) if number < 1 << 8 * each[0])
    return bytes([major << 5 | code]) + number.to_bytes(size, "big")


@dataclass
class Authenticator:
    """One passkey in one device.

    Args:
        origin: of the page it is used from.
        verifies: whether it checks its user's finger.
        counts: whether it counts its uses; synchronised passkeys do not.
    """

    origin: str = ORIGIN
    verifies: bool = True
    counts: bool = True
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    uses: int = 0
    user_handle: bytes = b""

    def create(self, options: Mapping[str, Any], **client: Any) -> dict[str, Any]:
        """What a browser's `navigator.credentials.create()` gives, as JSON, with the challenge's id beside."""
        self.user_handle = unb64(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + cbor(cose)
        data = self._data(options["rp"]["id"], ATTESTED) + attested
        statement = cbor({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": b64(self._client_data("webauthn.create", options["challenge"], client)),
            "attestationObject": b64(statement),
            "transports": ["internal", "carrier-pigeon"],
        }
        return {"challenge_id": options.get("challenge_id"), **self._named(), "response": response}

    def get(self, options: Mapping[str, Any], *, challenge_id: str, **client: Any) -> dict[str, Any]:
        """What `navigator.credentials.get()` gives, as JSON, with the challenge's id beside."""
        parts = self.sign(options, challenge_id=challenge_id, **client)
        response = {
            "clientDataJSON": parts["client_data_json"],
            "authenticatorData": parts["authenticator_data"],
            "signature": parts["signature"],
            "userHandle": parts["user_handle"],
        }
        return {"challenge_id": challenge_id, **self._named(), "response": response}

    def sign(self, options: Mapping[str, Any], *, challenge_id: str, **client: Any) -> dict[str, Any]:
        """The same in the flat form that /auth/login/webauthn takes."""
        self.uses += self.counts
        data = self._data(client.pop("rp_id", options["rpId"]), 0)
        client_data = self._client_data("webauthn.get", options["challenge"], client)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return {
            "challenge_id": challenge_id,
            "client_data_json": b64(client_data),
            "authenticator_data": b64(data),
            "signature": b64(signature),
            "credential_id": b64(self.credential_id),
            "user_handle": b64(self.user_handle),
        }

    def _named(self) -> dict[str, Any]:
        return {"id": b64(self.credential_id), "rawId": b64(self.credential_id), "type": "public-key"}

    def _data(self, rp_id: str, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verifies else 0)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self.uses)

    def _client_data(self, kind: str, challenge: str, client: Mapping[str, Any]) -> bytes:
        data = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False, **client}
        return json.dumps(data).encode()
