"""Vonage: NCCO answer that connects to a WebSocket, signed webhooks (JWT, HS256), no hang-up (the stream ends it)."""

from collections.abc import Mapping

import msgspec

from vox.providers.carriers.contract import CLOCK_TOLERANCE_S, NoConfig, NoControl, WebhookAnswer, WebhookRequest
from vox.providers.contract import Deps
from vox.security.credentials import bearer_token
from vox.security.digests import bad_signature, is_equal, jwt_claims, sha256_hex

Config = NoConfig
Control = NoControl


def answer(stream_url: str, *, parameters: Mapping[str, str]) -> WebhookAnswer:
    """An NCCO that connects the call to our stream at 16 kHz.

    The parameters come back in `websocket:connected`: pass the webhook's `uuid`, `from` and `to`, or the stream will
    not know its call.
    """
    endpoint = {
        "type": "websocket",
        "uri": stream_url,
        "content-type": "audio/l16;rate=16000",
        "headers": dict(parameters),
    }
    return WebhookAnswer("application/json", msgspec.json.encode([{"action": "connect", "endpoint": [endpoint]}]))


def verify(request: WebhookRequest, secret: str, *, now: float) -> None:
    """Checks the bearer token with the account's signature secret; its `payload_hash` must be that of the body."""
    token = bearer_token(request.header("authorization"))
    if not token:
        raise bad_signature("it has no bearer token")
    claims = jwt_claims(token, secret, now=now, tolerance_s=CLOCK_TOLERANCE_S)
    payload_hash = claims.get("payload_hash", "")
    if not isinstance(payload_hash, str) or (request.body and not payload_hash):
        raise bad_signature("its token does not cover the body")
    if payload_hash and not is_equal(sha256_hex(request.body), payload_hash.lower()):
        raise bad_signature("its body is not the one that was signed")


def create(config: Config, deps: Deps) -> Control:
    """Nothing: a call whose NCCO has only the stream ends with it."""
    return Control()
