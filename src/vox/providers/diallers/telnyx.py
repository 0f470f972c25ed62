"""Telnyx: calls over call control; the media stream is part of the request, and our tag travels as its client state."""

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx2
import msgspec

from vox.providers.carriers import telnyx
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
from vox.providers.diallers._rest import Endpoint, check_configured, end_by_sip, json_object, json_objects, with_query

_AMD: Final = {"detect": "detect", "detect_message_end": "greeting_end"}
_REFUSALS: Final = {
    "10016": "invalid_number",
    "10019": "invalid_number",
    "10010": "number_not_permitted",
    "90041": "invalid_number",
    "90044": "caller_id_invalid",
}
_ENDS: Final[Mapping[str, EndKind]] = {
    "normal_clearing": "completed",
    "time_limit": "completed",
    "user_busy": "busy",
    "no_answer": "no_answer",
    "timeout": "no_answer",
    "call_rejected": "rejected",
    "originator_cancel": "canceled",
}
_WRONG_NUMBERS: Final = frozenset({"not_found", "unallocated_number", "invalid_number_format", "unspecified"})
_DETECTED: Final = {
    "human": "human",
    "human_residence": "human",
    "human_business": "human",
    "machine": "machine",
    "fax_detected": "fax",
    "silence": "unknown",
    "not_sure": "unknown",
}
_PAGE: Final = 250
_JSON: Final = msgspec.json.Decoder(dict[str, Any])


class Config(DriverConfig):
    """Options of outbound calls; the API key is the carrier's."""

    api_base: str = ""
    """Where the API answers; empty: TELNYX_API_BASE, else the vendor's own address"""
    connection_id: str = ""
    """The call control application that calls go out by; empty: TELNYX_CONNECTION_ID"""


class TelnyxDialler:
    """Places calls through one connection.

    Args:
        http: the client to send with.
        api_key: of the account.
        connection_id: the call control application that calls go out by.
        public_key: what callbacks are signed with; empty: they are not checked.
        api_base: where the API is.
    """

    has_callbacks = True

    def __init__(
        self, http: httpx2.AsyncClient, api_key: str, connection_id: str, public_key: str, api_base: str
    ) -> None:
        self._key = api_key
        self._connection_id = connection_id
        self._public_key = public_key
        self._api = Endpoint(http, "Telnyx", api_base.rstrip("/"), headers={"authorization": f"Bearer {api_key}"})
        self._control = telnyx.Control(http, telnyx.Credentials(api_key), api_base=api_base)

    async def dial(self, request: DialRequest) -> Dialled:
        """See `Dialler`."""
        check_configured("Telnyx", {"TELNYX_API_KEY": self._key, "TELNYX_CONNECTION_ID": self._connection_id})
        body: dict[str, Any] = {
            "connection_id": self._connection_id,
            "to": request.to,
            "from": request.from_,
            "client_state": base64.b64encode(request.tag.encode()).decode(),
            "command_id": request.tag,
            "webhook_url": request.status_url,
            "webhook_url_method": "POST",
            "timeout_secs": request.ring_timeout_s,
            "time_limit_secs": request.max_duration_s,
            "stream_url": with_query(request.stream_url, request.parameters),
            "stream_track": "inbound_track",
            "stream_codec": "PCMU",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
        }
        if mode := _AMD.get(request.amd):
            body["answering_machine_detection"] = mode
        answer = await self._api.dial("/v2/calls", json=body, refusals=_REFUSALS)
        return Dialled(str(json_object(answer.get("data")).get("call_control_id", "")))

    async def find(
        self, request: DialRequest, since_s: float, known: Collection[str] = frozenset()
    ) -> CarrierCall | None:
        """See `Dialler`."""
        path = f"/v2/connections/{quote(self._connection_id, safe='')}/active_calls"
        answer = await self._api.ask(path, query={"page[limit]": str(_PAGE)})
        for call in json_objects(answer.body.get("data")) if answer is not None else ():
            if _tag(call) == request.tag:
                return CarrierCall(str(call.get("call_control_id", "")), "queued")
        return None

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        """See `Dialler`."""
        answer = await self._api.ask(f"/v2/calls/{quote(carrier_call_id, safe='')}")
        if answer is None:
            return None
        call = json_object(answer.body.get("data"))
        seconds = float(call.get("call_duration") or 0)
        if call.get("is_alive"):
            return CarrierCall(carrier_call_id, "answered" if seconds else "queued")
        return CarrierCall(
            carrier_call_id, "ended", "completed" if seconds else "no_answer", is_retryable=True, duration_s=seconds
        )

    async def hang_up(self, carrier_call_id: str) -> bool:
        """See `Dialler`."""
        return await self._control.hang_up(carrier_call_id)

    def verify(self, request: WebhookRequest, *, now: float) -> None:
        """See `Dialler`."""
        if self._public_key:
            telnyx.verify(request, self._public_key, now=now)

    def read_callback(self, request: WebhookRequest) -> CallbackEvent | None:
        """See `Dialler`."""
        try:
            return read_callback(_JSON.decode(request.body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def answer(self, stream_url: str, parameters: Mapping[str, str]) -> WebhookAnswer | None:
        """None: Telnyx was told with the request to dial."""
        return None

    def refuse(self) -> WebhookAnswer | None:
        """None, as `answer`."""
        return None


def read_callback(body: Mapping[str, Any]) -> CallbackEvent | None:
    """What a webhook's JSON says."""
    data = json_object(body.get("data"))
    payload, kind = json_object(data.get("payload")), str(data.get("event_type", ""))
    call_id, tag = str(payload.get("call_control_id", "")), _tag(payload)
    if kind == "call.hangup":
        return CallbackEvent(_ended(call_id, payload), tag)
    if kind.startswith("call.machine.") and kind.endswith(("detection.ended", "greeting.ended")):
        answered_by = _DETECTED.get(str(payload.get("result", "")), "")
        return CallbackEvent(CarrierCall(call_id, "answered", answered_by=answered_by), tag) if answered_by else None
    stages: dict[str, CallStage] = {"call.initiated": "ringing", "call.answered": "answered"}
    stage = stages.get(kind)
    return CallbackEvent(CarrierCall(call_id, stage), tag) if stage is not None else None


def create(config: Config, deps: Deps) -> TelnyxDialler:
    """A dialler with TELNYX_API_KEY, TELNYX_PUBLIC_KEY and TELNYX_CONNECTION_ID; the API's address from TELNYX_API_BASE."""
    return TelnyxDialler(
        deps.http,
        deps.secret("telnyx_api_key", "TELNYX_API_KEY") or "",
        config.connection_id or deps.environment.get("TELNYX_CONNECTION_ID", ""),
        deps.secret("telnyx_public_key", "TELNYX_PUBLIC_KEY") or "",
        config.api_base or deps.environment.get("TELNYX_API_BASE") or telnyx.API,
    )


def _ended(call_id: str, payload: Mapping[str, Any]) -> CarrierCall:
    cause = str(payload.get("hangup_cause", ""))
    if cause in _ENDS:
        end = _ENDS[cause]
        return CarrierCall(call_id, "ended", end, reason="" if end == "completed" else cause, is_retryable=True)
    end, reason, is_retryable = end_by_sip(str(payload.get("sip_hangup_cause") or ""))
    is_reachable = cause not in _WRONG_NUMBERS and is_retryable
    return CarrierCall(call_id, "ended", end, reason=cause or reason, is_retryable=is_reachable)


def _tag(call: Mapping[str, Any]) -> str:
    try:
        return base64.b64decode(str(call.get("client_state") or ""), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
