"""Exotel: calls over `Calls/connect`, with a flow whose Voicebot applet streams to us, or with the stream's address itself."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from urllib.parse import parse_qs, quote

import httpx2
from pydantic import Field

from vox.providers.carriers import exotel
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
from vox.providers.diallers._rest import Endpoint, check_configured, json_object, json_objects, with_query

API: Final = "https://api.exotel.com"
_MAX_DURATION_S: Final = 14_400
_INDIA: Final = timezone(timedelta(hours=5, minutes=30))  # Exotel's times bear no zone and are Indian
_EARLY_S: Final = 5.0
_ENDS: Final[Mapping[str, EndKind]] = {
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no_answer",
    "failed": "failed",
    "canceled": "canceled",
}


class Config(DriverConfig):
    """Options of outbound calls."""

    api_base: str = ""
    """Where the API answers; empty: EXOTEL_API_BASE, else the vendor's own address"""
    flow_url: str = ""
    """The flow that an answered call runs, whose Voicebot applet asks the bridge; empty: EXOTEL_FLOW_URL, else the stream's address goes with the request"""
    recent_calls: int = Field(default=20, ge=1, le=100)
    """Calls that are looked through for one that may have been dialled"""


class ExotelDialler:
    """Places calls for one account.

    Args:
        http: the client to send with.
        account_sid: of the account.
        credentials: API key and token.
        webhook_token: what the address of a flow's applet brings, where one is used.
        flow_url: the flow that an answered call runs, which begins with a Voicebot applet whose address is ours; empty: the
            media stream's address goes with the request.
        api_base: where the API is.
        recent_calls: how many calls are looked through for one that may have been dialled.
    """

    has_callbacks = True

    def __init__(
        self,
        http: httpx2.AsyncClient,
        account_sid: str,
        credentials: tuple[str, str],
        webhook_token: str,
        flow_url: str,
        api_base: str,
        recent_calls: int = 20,
    ) -> None:
        self._account_sid = account_sid
        self._credentials = credentials
        self._webhook_token = webhook_token
        self._flow_url = flow_url
        self._recent_calls = recent_calls
        self._api = Endpoint(http, "Exotel", api_base.rstrip("/"), credentials)

    async def dial(self, request: DialRequest) -> Dialled:
        """See `Dialler`."""
        key, token = self._credentials
        check_configured(
            "Exotel", {"EXOTEL_ACCOUNT_SID": self._account_sid, "EXOTEL_API_KEY": key, "EXOTEL_API_TOKEN": token}
        )
        data: dict[str, Any] = {
            "From": request.to,
            "CallerId": request.from_,
            "TimeLimit": str(min(request.max_duration_s, _MAX_DURATION_S)),
            "TimeOut": str(request.ring_timeout_s),
            "StatusCallback": request.status_url,
            "StatusCallbackContentType": "application/json",
            "StatusCallbackEvents[0]": "answered",
            "StatusCallbackEvents[1]": "terminal",
            "CustomField": request.tag,
        }
        if self._flow_url:
            data["Url"] = self._flow_url
        else:
            data["StreamUrl"] = with_query(request.stream_url, request.parameters)
        body = await self._api.dial(f"{self._calls}/connect.json", data=data)
        return Dialled(str(_call_of(body).get("Sid", "")))

    async def find(
        self, request: DialRequest, since_s: float, known: Collection[str] = frozenset()
    ) -> CarrierCall | None:
        """See `Dialler`."""
        query = {"From": request.to, "PageSize": str(self._recent_calls), "SortBy": "DateCreated:desc"}
        answer = await self._api.ask(f"{self._calls}.json", query=query)
        for call in json_objects(answer.body.get("Calls")) if answer is not None else ():
            tag = str(call.get("CustomField") or "")
            is_ours = tag == request.tag if tag else _created_s(call) >= since_s - _EARLY_S
            if is_ours and str(call.get("Sid", "")) not in known:
                return _call(call)
        return None

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        """See `Dialler`."""
        answer = await self._api.ask(f"{self._calls}/{quote(carrier_call_id, safe='')}.json")
        return _call(_call_of(answer.body)) if answer is not None else None

    async def hang_up(self, carrier_call_id: str) -> bool:
        """False: Exotel has no request for it; the call ends with its stream."""
        return False

    def verify(self, request: WebhookRequest, *, now: float) -> None:
        """Exotel signs nothing: the address of a status callback is known to it only, the applet's has the shared token."""
        if "tag" not in parse_qs(request.address().query):
            exotel.verify(request, self._webhook_token, now=now)

    def read_callback(self, request: WebhookRequest) -> CallbackEvent | None:
        """See `Dialler`."""
        return read_callback(request.fields())

    def answer(self, stream_url: str, parameters: Mapping[str, str]) -> WebhookAnswer:
        """See `Dialler`."""
        return exotel.answer(stream_url, parameters=parameters)

    def refuse(self) -> WebhookAnswer | None:
        """None: without a stream the flow goes on to its end."""
        return None

    @property
    def _calls(self) -> str:
        return f"/v1/Accounts/{quote(self._account_sid, safe='')}/Calls"


def read_callback(fields: Mapping[str, str]) -> CallbackEvent | None:
    """What the fields of a status callback say (names in lower case)."""
    call_id, tag, status = fields.get("callsid", ""), fields.get("customfield", ""), fields.get("status", "").lower()
    if fields.get("eventtype", "") == "answered":
        return CallbackEvent(CarrierCall(call_id, "answered"), tag)
    if not status:  # the applet asks for its stream
        return CallbackEvent(CarrierCall(call_id, "answered"), tag) if tag else None
    if status not in _ENDS:
        return CallbackEvent(CarrierCall(call_id, _stage(status)), tag)
    end = _ENDS[status]
    seconds = fields.get("conversationduration", "")
    duration_s = float(seconds) if seconds.isdecimal() else None
    return CallbackEvent(CarrierCall(call_id, "ended", end, is_retryable=True, duration_s=duration_s), tag)


def create(config: Config, deps: Deps) -> ExotelDialler:
    """A dialler with EXOTEL_ACCOUNT_SID, EXOTEL_API_KEY, EXOTEL_API_TOKEN; the flow from EXOTEL_FLOW_URL, the API's address from EXOTEL_API_BASE."""
    return ExotelDialler(
        deps.http,
        deps.secret("exotel_account_sid", "EXOTEL_ACCOUNT_SID") or "",
        (
            deps.secret("exotel_api_key", "EXOTEL_API_KEY") or "",
            deps.secret("exotel_api_token", "EXOTEL_API_TOKEN") or "",
        ),
        deps.secret("exotel_token", "EXOTEL_TOKEN") or "",
        config.flow_url or deps.environment.get("EXOTEL_FLOW_URL", ""),
        config.api_base or deps.environment.get("EXOTEL_API_BASE") or API,
        config.recent_calls,
    )


def _call_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return json_object(body.get("Call"))


def _call(call: Mapping[str, Any]) -> CarrierCall:
    status, call_id = str(call.get("Status", "")).lower(), str(call.get("Sid", ""))
    if status not in _ENDS:
        return CarrierCall(call_id, _stage(status))
    seconds = str(call.get("Duration") or "")
    duration_s = float(seconds) if seconds.isdecimal() else None
    return CarrierCall(call_id, "ended", _ENDS[status], is_retryable=True, duration_s=duration_s)


def _stage(status: str) -> CallStage:
    return "ringing" if status in {"ringing", "in-progress"} else "queued"


def _created_s(call: Mapping[str, Any]) -> float:
    try:
        moment = datetime.fromisoformat(str(call.get("DateCreated") or ""))
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=_INDIA)).timestamp()
