"""A browser and its push service in one: takes pushes over HTTP, checks who sent them, and decrypts them by RFC 8291, step by step."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = ec.SECP256R1()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hmac_sha256(key: bytes, said: bytes) -> bytes:
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(said)
    return mac.finalize()


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


class Browser:
    """The keys of one subscription."""

    def __init__(self, private: ec.EllipticCurvePrivateKey | None = None, auth: bytes = b"0123456789abcdef") -> None:
        self.private = private or ec.generate_private_key(CURVE)
        self.auth = auth
        self.public = point_of(self.private.public_key())

    def subscription(self, endpoint: str) -> dict[str, Any]:
        """What `PushSubscription.toJSON()` gives."""
        return {"endpoint": endpoint, "keys": {"p256dh": encoded(self.public), "auth": encoded(self.auth)}}

    def decrypted(self, body: bytes) -> bytes:
        """The payload of an aes128gcm body with one record (RFC 8188, RFC 8291)."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size
        shared = self.private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender))
        info = b"WebPush: info\0" + self.public + sender
        secret = hmac_sha256(hmac_sha256(self.auth, shared), info + b"\x01")
        pseudo_random = hmac_sha256(salt, secret)
        key = hmac_sha256(pseudo_random, b"Content-Encoding: aes128gcm\0\x01")[:16]
        nonce = hmac_sha256(pseudo_random, b"Content-Encoding: nonce\0\x01")[:12]
        plain = AESGCM(key).decrypt(nonce, record, None)
        payload, end, padding = plain.rpartition(b"\x02")
        assert end
        assert not padding.strip(b"\0")
        return payload


def checked_sender(authorization: str, audience: str) -> dict[str, Any]:
    """The claims of a VAPID header, once its signature is found right (RFC 8292)."""
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    said, _, signature = parts["t"].rpartition(".")
    numbers = decoded(signature)
    key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decoded(parts["k"]))
    der = encode_dss_signature(int.from_bytes(numbers[:32]), int.from_bytes(numbers[32:]))
    key.verify(der, said.encode(), ec.ECDSA(hashes.SHA256()))
    claims = json.loads(decoded(said.partition(".")[2]))
    assert claims["aud"] == audience
    return {**claims, "k": parts["k"]}


@dataclass
class PushService:
    """What came, in order; `statuses` are what the next pushes are answered with, 201 when there are none."""

    address: str = ""
    came: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list[tuple[str, dict[str, str], bytes]])
    statuses: list[int] = field(default_factory=list[int])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a push."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.came.append((scope["path"], headers, body))
        status = self.statuses.pop(0) if self.statuses else 201
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def push_service() -> AsyncGenerator[PushService, None]:
    """A push service on this machine."""

    service = PushService()
    server = uvicorn.Server(uvicorn.Config(service, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    service.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        server.should_exit = True
        await serving
