"""Twilio: calls over the 2010 REST API, which asks for TwiML when the call is answered."""

from collections.abc import Collection, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

import httpx2
from pydantic import Field

from vox.providers.carriers import twilio
from vox.providers.carriers.contract import (
    CallbackEvent,
    CarrierCall,
    Dialled,
    DialRequest,
    EndKind,
    WebhookAnswer,
    WebhookRequest,
)
from vox.providers.carriers.markup import element, xml_answer
from vox.providers.contract import Deps, DriverConfig
from vox.providers.diallers._rest import Endpoint, check_configured, end_by_sip

API: Final = "https://api.twilio.com"
_AMD: Final = {"detect": "Enable", "detect_message_end": "DetectMessageEnd"}
_REFUSALS: Final = {
    "13223": "invalid_number",
    "13224": "invalid_number",
    "13227": "number_not_permitted",
    "21201": "invalid_number",
    "21210": "caller_id_not_verified",
    "21211": "invalid_number",
    "21212": "caller_id_invalid",
    "21213": "caller_id_invalid",
    "21214": "number_unreachable",
    "21215": "number_not_permitted",
    "21216": "number_not_permitted",
    "21217": "invalid_number",
    "21219": "number_not_verified",
}
_ENDS: Final[Mapping[str, EndKind]] = {
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no_answer",
    "failed": "failed",
    "canceled": "canceled",
}
_EARLY_S: Final = 5.0
"""Twilio's clock and ours may differ by this much."""


class Config(DriverConfig):
    """Options of outbound calls; the credentials are those of the carrier."""

    api_base: str = ""
    """Where the API answers; empty: TWILIO_API_BASE, else the vendor's own address"""
    recent_calls: int = Field(default=20, ge=1, le=1000)
    """Calls to a number that are looked through for one that may have been dialled"""


class TwilioDialler:
    """Places calls for one account.

    Args:
        http: the client to send with.
        account_sid: of the account.
        auth_token: of the account; also what callbacks are signed with.
        api_base: where the API is.
        recent_calls: how many calls to a number are looked through for one that may have been dialled.
    """

    has_callbacks = True

    def __init__(
        self, http: httpx2.AsyncClient, account_sid: str, auth_token: str, api_base: str, recent_calls: int = 20
    ) -> None:
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._recent_calls = recent_calls
        self._api = Endpoint(http, "Twilio", api_base.rstrip("/"), (account_sid, auth_token))
        self._control = twilio.Control(http, twilio.Credentials(account_sid, auth_token), api_base=api_base)

    async def dial(self, request: DialRequest) -> Dialled:
        """See `Dialler`."""
        check_configured("Twilio", {"TWILIO_ACCOUNT_SID": self._account_sid, "TWILIO_AUTH_TOKEN": self._auth_token})
        data: dict[str, Any] = {
            "To": request.to,
            "From": request.from_,
            "Url": request.answer_url,
            "Method": "POST",
            "StatusCallback": request.status_url,
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
            "Timeout": str(request.ring_timeout_s),
            "TimeLimit": str(request.max_duration_s),
        }
        if mode := _AMD.get(request.amd):
            data |= {
                "MachineDetection": mode,
                "AsyncAmd": "true",
                "AsyncAmdStatusCallback": request.status_url,
                "AsyncAmdStatusCallbackMethod": "POST",
            }
        body = await self._api.dial(f"{self._calls}.json", data=data, refusals=_REFUSALS)
        waits_ms = str(body.get("queue_time") or "0")
        return Dialled(str(body.get("sid", "")), float(waits_ms) / 1000 if waits_ms.isdecimal() else 0.0)

    async def find(
        self, request: DialRequest, since_s: float, known: Collection[str] = frozenset()
    ) -> CarrierCall | None:
        """See `Dialler`. Twilio keeps no word of ours with a call, so it is found by its numbers and its time."""
        query = {"To": request.to, "From": request.from_, "PageSize": str(self._recent_calls)}
        answer = await self._api.ask(f"{self._calls}.json", query=query)
        found: list[Mapping[str, Any]] = list(answer.body.get("calls", [])) if answer is not None else []
        ours = [
            call
            for call in found
            if call.get("sid") not in known
            and str(call.get("direction", "")).startswith("outbound")
            and _created_s(call) >= since_s - _EARLY_S
        ]
        return _call(min(ours, key=_created_s)) if ours else None

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        """See `Dialler`."""
        answer = await self._api.ask(f"{self._calls}/{quote(carrier_call_id, safe='')}.json")
        return _call(answer.body) if answer is not None else None

    async def hang_up(self, carrier_call_id: str) -> bool:
        """See `Dialler`."""
        return await self._control.hang_up(carrier_call_id)

    def verify(self, request: WebhookRequest, *, now: float) -> None:
        """See `Dialler`."""
        twilio.verify(request, self._auth_token, now=now)

    def read_callback(self, request: WebhookRequest) -> CallbackEvent | None:
        """See `Dialler`."""
        return read_callback(request.fields())

    def answer(self, stream_url: str, parameters: Mapping[str, str]) -> WebhookAnswer:
        """See `Dialler`."""
        return twilio.answer(stream_url, parameters=parameters)

    def resumable_answer(self, stream_url: str, parameters: Mapping[str, str], resume_url: str) -> WebhookAnswer:
        """See `ResumableDialler`."""
        return twilio.resumable_answer(stream_url, parameters=parameters, resume_url=resume_url)

    def refuse(self) -> WebhookAnswer:
        """See `Dialler`."""
        return xml_answer(element("Hangup", {}))

    @property
    def _calls(self) -> str:
        return f"/2010-04-01/Accounts/{quote(self._account_sid, safe='')}/Calls"


def read_callback(fields: Mapping[str, str]) -> CallbackEvent | None:
    """What the fields of a status callback say (names in lower case)."""
    call_id, answered_by = fields.get("callsid", ""), _answered_by(fields.get("answeredby", ""))
    status = fields.get("callstatus", "")
    if not status:  # of answering machine detection
        return CallbackEvent(CarrierCall(call_id, "answered", answered_by=answered_by)) if answered_by else None
    seconds = fields.get("callduration", "")
    return CallbackEvent(
        _staged(
            call_id,
            status,
            fields.get("sipresponsecode", ""),
            answered_by,
            float(seconds) if seconds.isdecimal() else None,
        )
    )


def create(config: Config, deps: Deps) -> TwilioDialler:
    """A dialler with the carrier's credentials; the API's address from `api_base` or TWILIO_API_BASE."""
    return TwilioDialler(
        deps.http,
        deps.secret("twilio_account_sid", "TWILIO_ACCOUNT_SID") or "",
        deps.secret("twilio_auth_token", "TWILIO_AUTH_TOKEN") or "",
        config.api_base or deps.environment.get("TWILIO_API_BASE") or API,
        config.recent_calls,
    )


def _call(body: Mapping[str, Any]) -> CarrierCall:
    seconds = str(body.get("duration") or "")
    return _staged(
        str(body.get("sid", "")),
        str(body.get("status", "")),
        "",
        _answered_by(str(body.get("answered_by") or "")),
        float(seconds) if seconds.isdecimal() else None,
    )


def _staged(call_id: str, status: str, sip: str, answered_by: str, duration_s: float | None) -> CarrierCall:
    if status in _ENDS:
        end = _ENDS[status]
        by_sip, reason, is_retryable = end_by_sip(sip, end)
        return CarrierCall(
            call_id,
            "ended",
            by_sip if end == "failed" else end,
            answered_by,
            reason if end != "completed" else "",
            is_retryable,
            duration_s,
        )
    stage = {"ringing": "ringing", "in-progress": "answered", "answered": "answered"}.get(status, "queued")
    return CarrierCall(call_id, stage, answered_by=answered_by)  # pyright: ignore[reportArgumentType]  the values above


def _answered_by(text: str) -> str:
    return "machine" if text.startswith("machine") else text if text in {"human", "fax", "unknown"} else ""


def _created_s(call: Mapping[str, Any]) -> float:
    try:
        return parsedate_to_datetime(str(call.get("date_created", ""))).timestamp()
    except ValueError:
        return 0.0
