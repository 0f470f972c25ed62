"""SIP through a LiveKit-compatible server: a SIP participant is called into a room of its own, which the worker joins.

The API is Twirp: JSON by POST, with a short-lived access token. The room is named by our tag, so what became of an attempt can always be
asked; the server's webhooks, where they are configured, tell it sooner.
"""

import base64
from collections.abc import Collection, Mapping
from typing import Any, Final

import httpx2
import msgspec
from pydantic import Field

from vox.errors import DependencyError
from vox.providers.carriers.contract import (
    CallbackEvent,
    CallStage,
    CarrierCall,
    Dialled,
    DialRequest,
    EndKind,
    WebhookAnswer,
    WebhookRequest,
)
from vox.providers.contract import Deps, DriverConfig
from vox.providers.diallers._rest import Endpoint, check_configured, end_by_sip, json_object
from vox.runtime.clock import Clock
from vox.security.credentials import bearer_token
from vox.security.digests import bad_signature, hmac_digest, is_equal, jwt_claims, sha256_hex

TOKEN_S: Final = 60
_TOLERANCE_S: Final = 600.0
_STAGES: Final[Mapping[str, CallStage]] = {"dialing": "queued", "ringing": "ringing", "active": "answered"}
_REASONS: Final[Mapping[str, EndKind]] = {
    "USER_UNAVAILABLE": "no_answer",
    "USER_REJECTED": "rejected",
    "SIP_TRUNK_FAILURE": "failed",
    "CONNECTION_TIMEOUT": "no_answer",
}
_JSON: Final = msgspec.json.Decoder(dict[str, Any])


class Config(DriverConfig):
    """Options of outbound calls."""

    url: str = ""
    """The server, http or ws; empty: LIVEKIT_URL"""
    trunk_id: str = ""
    """The outbound trunk; empty: LIVEKIT_SIP_TRUNK_ID"""
    token_lifetime_s: int = Field(default=TOKEN_S, ge=5, le=3600)
    """How long an access token is valid, in seconds"""


class LiveKitSipDialler:
    """Places calls through one outbound trunk.

    Args:
        http: the client to send with.
        clock: for the access tokens.
        url: of the server, http or ws.
        credentials: API key and secret.
        trunk_id: the outbound trunk.
        token_lifetime_s: how long an access token is valid.
    """

    has_callbacks = False

    def __init__(
        self,
        http: httpx2.AsyncClient,
        clock: Clock,
        url: str,
        credentials: tuple[str, str],
        trunk_id: str,
        token_lifetime_s: int = TOKEN_S,
    ) -> None:
        self._http = http
        self._clock = clock
        self._url = url.rstrip("/").replace("ws", "http", 1) if url.startswith("ws") else url.rstrip("/")
        self._credentials = credentials
        self._trunk_id = trunk_id
        self._token_lifetime_s = token_lifetime_s

    async def dial(self, request: DialRequest) -> Dialled:
        """See `Dialler`."""
        key, secret = self._credentials
        check_configured(
            "LiveKit SIP",
            {
                "LIVEKIT_URL": self._url,
                "LIVEKIT_API_KEY": key,
                "LIVEKIT_API_SECRET": secret,
                "LIVEKIT_SIP_TRUNK_ID": self._trunk_id,
            },
        )
        body = {
            "sip_trunk_id": self._trunk_id,
            "sip_call_to": request.to,
            "sip_number": request.from_,
            "room_name": request.tag,
            "participant_identity": _identity(request.tag),
            "participant_name": request.to,
            "ringing_timeout": f"{request.ring_timeout_s}s",
            "max_call_duration": f"{request.max_duration_s}s",
            "wait_until_answered": False,
        }
        api = self._endpoint({"sip": {"call": True}, "video": {"room": request.tag}})
        answer = await api.dial("/twirp/livekit.SIP/CreateSIPParticipant", json=body)
        return Dialled(str(answer.get("room_name") or request.tag))

    async def find(
        self, request: DialRequest, since_s: float, known: Collection[str] = frozenset()
    ) -> CarrierCall | None:
        """See `Dialler`."""
        return await self.look_up(request.tag)

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        """See `Dialler`; the id is the room's name."""
        api = self._endpoint({"video": {"roomAdmin": True, "room": carrier_call_id}})
        body = {"room": carrier_call_id, "identity": _identity(carrier_call_id)}
        answer = await api.ask("/twirp/livekit.RoomService/GetParticipant", json=body)
        return _call(carrier_call_id, answer.body) if answer is not None else None

    async def hang_up(self, carrier_call_id: str) -> bool:
        """See `Dialler`; the participant is removed from the room."""
        api = self._endpoint({"video": {"roomAdmin": True, "room": carrier_call_id}})
        body = {"room": carrier_call_id, "identity": _identity(carrier_call_id)}
        try:
            await api.ask("/twirp/livekit.RoomService/RemoveParticipant", json=body)
        except DependencyError as error:
            raise DependencyError(str(error), code="hang_up_failed", retryable=True) from None
        return True

    def verify(self, request: WebhookRequest, *, now: float) -> None:
        """Checks the token of a server's webhook, which holds the hash of the body."""
        key, secret = self._credentials
        header = request.header("authorization")
        claims = jwt_claims(bearer_token(header) or header, secret, now=now, tolerance_s=_TOLERANCE_S)
        digest = base64.b64encode(_sha256(request.body)).decode()
        if claims.get("iss") != key or not is_equal(digest, str(claims.get("sha256", ""))):
            raise bad_signature("its token is of another key or another body")

    def read_callback(self, request: WebhookRequest) -> CallbackEvent | None:
        """See `Dialler`."""
        try:
            return read_callback(_JSON.decode(request.body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def answer(self, stream_url: str, parameters: Mapping[str, str]) -> WebhookAnswer | None:
        """None: the worker joins the room."""
        return None

    def refuse(self) -> WebhookAnswer | None:
        """None, as `answer`."""
        return None

    def _endpoint(self, grants: Mapping[str, Any]) -> Endpoint:
        headers = {"authorization": f"Bearer {self._token(grants)}"}
        return Endpoint(self._http, "LiveKit SIP", self._url, headers=headers)

    def _token(self, grants: Mapping[str, Any]) -> str:
        key, secret = self._credentials
        now = self._clock.unix_s()
        claims = {"iss": key, "sub": "vox-bridge", "nbf": now - 5, "exp": now + self._token_lifetime_s, **grants}
        signed = f"{_base64url({'alg': 'HS256', 'typ': 'JWT'})}.{_base64url(claims)}"
        return f"{signed}.{_unpadded(hmac_digest(secret, signed, 'sha256'))}"


def read_callback(body: Mapping[str, Any]) -> CallbackEvent | None:
    """What a server's webhook says of a SIP participant."""
    participant = json_object(body.get("participant"))
    room = str(json_object(body.get("room")).get("name", ""))
    if not room or participant.get("identity") != _identity(room):
        return None
    kind = body.get("event")
    if kind in {"participant_left", "participant_connection_aborted"}:
        return CallbackEvent(_left(room, participant), room)
    return CallbackEvent(_call(room, participant), room) if kind == "participant_joined" else None


def create(config: Config, deps: Deps) -> LiveKitSipDialler:
    """A dialler with LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET and LIVEKIT_SIP_TRUNK_ID."""
    return LiveKitSipDialler(
        deps.http,
        deps.clock,
        config.url or deps.environment.get("LIVEKIT_URL", ""),
        (
            deps.secret("livekit_api_key", "LIVEKIT_API_KEY") or "",
            deps.secret("livekit_api_secret", "LIVEKIT_API_SECRET") or "",
        ),
        config.trunk_id or deps.environment.get("LIVEKIT_SIP_TRUNK_ID", ""),
        config.token_lifetime_s,
    )


def _identity(room: str) -> str:
    return f"sip-{room}"


def _call(room: str, participant: Mapping[str, Any]) -> CarrierCall:
    attributes: Mapping[str, str] = participant.get("attributes") or {}
    status = attributes.get("sip.callStatus", "dialing")
    if status == "hangup":
        return _left(room, participant)
    return CarrierCall(room, _STAGES.get(status, "answered" if status == "automation" else "queued"))


def _left(room: str, participant: Mapping[str, Any]) -> CarrierCall:
    attributes: Mapping[str, str] = participant.get("attributes") or {}
    reason = str(participant.get("disconnectReason") or participant.get("disconnect_reason") or "")
    by_reason: EndKind = _REASONS[reason] if reason in _REASONS else "completed"  # noqa: SIM401  get() would lose the type
    end, sip_reason, is_retryable = end_by_sip(attributes.get("sip.callStatusCode", ""), by_reason)
    word = "" if end == "completed" else sip_reason or reason.lower()
    return CarrierCall(room, "ended", end, reason=word, is_retryable=is_retryable)


def _base64url(value: Mapping[str, Any]) -> str:
    return _unpadded(msgspec.json.encode(value))


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _sha256(body: bytes) -> bytes:
    return bytes.fromhex(sha256_hex(body))
