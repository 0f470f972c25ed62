"""An OpenID provider that answers over HTTP on this machine, rightly or, where a test says so, with lies."""

import asyncio
import base64
import contextlib
import functools
import hashlib
import json
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.fakes.tcp_server import listening
from tests.time_limits import time_limit

NOW_S = 2_000_000_000
"""The Unix second at which its tokens are made."""
CLIENT_ID, CLIENT_SECRET = "vox chat", "s:e/cret"


@functools.cache
def _key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "first"})


@dataclass
class FakeProvider:
    """One provider.

    Args:
        issuer: its address.
        person: what it says about who logs in.
        lies: claims of the ID token that replace the true ones; None takes one away.
        metadata: fields of its metadata that replace the true ones.
        userinfo: what it answers there besides the person.
        algorithm: of the ID token's signature.
    """

    issuer: str
    person: dict[str, Any] = field(
        default_factory=lambda: {"sub": "0001", "preferred_username": "Grace", "name": "Grace Hopper"}
    )
    lies: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    userinfo: dict[str, Any] = field(default_factory=dict[str, Any])
    algorithm: str = "RS256"
    key: RSAKey = field(default_factory=_key)
    signing_key: RSAKey | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    asked: list[str] = field(default_factory=list[str])

    def authorize(self, url: str) -> dict[str, str]:
        """What a browser is sent back with that logs in at this address."""
        query = dict(parse_qsl(urlsplit(url).query))
        assert (query["client_id"], query["response_type"]) == (CLIENT_ID, "code")
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return {"state": query["state"], "code": code, "iss": self.issuer}

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Status and JSON of a request."""
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/me",
                "authorization_response_iss_parameter_supported": True,
                **self.metadata,
            }
        if path == "/keys":
            return 200, {"keys": [self.key.as_dict(private=False)]}
        if path == "/me":
            return 200, {**self.person, **self.userinfo}
        assert (method, path) == ("POST", "/token")
        name, _, secret = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode().partition(":")
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        asked = self.codes.pop(form["code"], None)
        verified = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if (
            asked is None
            or (unquote(name), unquote(secret)) != (CLIENT_ID, CLIENT_SECRET)
            or asked["code_challenge"] != verified.decode()
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "an access token", "token_type": "Bearer", "id_token": self._token(asked)}

    def _token(self, asked: dict[str, str]) -> str:
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": self.person["sub"],
            "nonce": asked["nonce"],
            "iat": NOW_S - 5,
            "exp": NOW_S + 300,
            **self.lies,
        }
        told = {name: value for name, value in claims.items() if value is not None}
        key = self.signing_key or self.key
        if self.algorithm == "none":
            head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
            return f"{head}.{base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b'=').decode()}."
        if self.algorithm == "HS256":
            return jwt.encode({"alg": "HS256"}, told, OctKey.import_key(self.key.as_pem(private=False)))
        return jwt.encode({"alg": self.algorithm, "kid": key.kid}, told, key, algorithms=[self.algorithm])


@contextlib.asynccontextmanager
async def oidc_provider() -> AsyncGenerator[FakeProvider, None]:
    """A provider that listens while the block runs."""
    provider = FakeProvider("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with time_limit():
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            method, path, _ = head[0].split(" ")
            status, answer = provider.answer(method, path, headers, body)
            text = json.dumps(answer).encode()
            writer.write(
                b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(text)) + text
            )
            await writer.drain()

    async with listening(serve) as port:
        provider.issuer = f"http://127.0.0.1:{port}"
        yield provider


def callback(answer: dict[str, str]) -> str:
    """The path that a browser is sent back to."""
    return f"/api/v1/auth/oidc/callback?{urlencode(answer)}"
