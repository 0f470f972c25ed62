"""Vonage: NCCO answer that connects to a WebSocket, signed webhooks (JWT, HS256), transfer over the Voice API, no hang-up (the stream ends it)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx2
import msgspec

from vox.providers.carriers.contract import (
    CLOCK_TOLERANCE_S,
    HANG_UP_TIMEOUT_S,
    BusyAnswer,
    NoConfig,
    TransferTarget,
    WebhookAnswer,
    WebhookRequest,
    send_transfer,
    transfer_unavailable,
)
from vox.providers.contract import Deps
from vox.runtime.clock import Clock, new_id
from vox.security.credentials import bearer_token
from vox.security.digests import bad_signature, is_equal, jwt_claims, sha256_hex
from vox.security.signed_tokens import rs256_token

Config = NoConfig
_TOKEN_S: Final = 60


@dataclass(frozen=True, slots=True)
class Credentials:
    """The application whose calls may be transferred, and its private key (PEM)."""

    application_id: str
    private_key: str = field(repr=False)


class Control:
    """Transfers calls of one application; there is no hang-up, because a call whose NCCO has only the stream ends with it."""

    def __init__(
        self, http: httpx2.AsyncClient, credentials: Credentials, clock: Clock, *, timeout_s: float = HANG_UP_TIMEOUT_S
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._clock = clock
        self._timeout_s = timeout_s
        self.transfer_remedy = "set VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY (PEM)"

    @property
    def can_hang_up(self) -> bool:
        """False."""
        return False

    @property
    def can_transfer(self) -> bool:
        """Whether application and key are there."""
        return bool(self._credentials.application_id and self._credentials.private_key)

    async def hang_up(self, call_id: str) -> bool:
        """Does nothing."""
        return False

    async def transfer(self, call_id: str, target: TransferTarget) -> None:
        """Replaces the call's NCCO by one that connects."""
        if not self.can_transfer or not call_id:
            raise transfer_unavailable(self.transfer_remedy)
        endpoint = {"type": "sip", "uri": target.to} if target.is_sip else _phone(target.to)
        connect: dict[str, Any] = {"action": "connect", "endpoint": [endpoint]}
        if target.caller_id:
            connect["from"] = target.caller_id.removeprefix("+")
        request = self._http.build_request(
            "PUT",
            f"https://api.nexmo.com/v1/calls/{quote(call_id, safe='')}",
            headers={"Authorization": f"Bearer {self._token()}"},
            json={"action": "transfer", "destination": {"type": "ncco", "ncco": [connect]}},
        )
        await send_transfer(self._http, "Vonage", request, timeout_s=self._timeout_s)

    def _token(self) -> str:
        now = self._clock.unix_s()
        claims = {
            "application_id": self._credentials.application_id,
            "iat": now,
            "exp": now + _TOKEN_S,
            "jti": new_id("jwt"),
        }
        return rs256_token(claims, self._credentials.private_key)


def _phone(number: str) -> dict[str, str]:
    return {"type": "phone", "number": number.removeprefix("+")}


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


def busy(busy: BusyAnswer) -> WebhookAnswer | None:
    """NCCO that speaks and ends the call; an empty one ends it at once. There is no busy tone and no waiting."""
    actions = [{"action": "talk", "text": busy.message}] if busy.message else []
    return WebhookAnswer("application/json", msgspec.json.encode(actions))


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
    """The call control, with `vonage_application_id`/VONAGE_APPLICATION_ID and `vonage_private_key`/VONAGE_PRIVATE_KEY."""
    credentials = Credentials(
        application_id=deps.secret("vonage_application_id", "VONAGE_APPLICATION_ID") or "",
        private_key=deps.secret("vonage_private_key", "VONAGE_PRIVATE_KEY") or "",
    )
    return Control(deps.http, credentials, deps.clock)
