"""Plivo: calls over the REST API, which asks for XML when the call is answered."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import httpx2
from pydantic import Field

from vox.providers.carriers import plivo
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
from vox.providers.carriers.markup import element, xml_answer
from vox.providers.contract import Deps, DriverConfig
from vox.providers.diallers._rest import Endpoint, check_configured, json_objects, with_query

_ENDS: Final[Mapping[str, EndKind]] = {
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no_answer",
    "timeout": "no_answer",
    "cancel": "canceled",
    "failed": "failed",
    "rejected": "rejected",
}
_CAUSES: Final[Mapping[str, EndKind]] = {"Busy Line": "busy", "Rejected": "rejected", "No Answer": "no_answer"}
_WRONG_NUMBERS: Final = frozenset({"Unallocated number", "Invalid Destination Address", "Invalid Number Format"})
_EARLY_S: Final = 5.0


class Config(DriverConfig):
    """Options of outbound calls; the credentials are those of the carrier."""

    api_base: str = ""
    """Where the API answers; empty: PLIVO_API_BASE, else the vendor's own address"""
    recent_calls: int = Field(default=20, ge=1, le=20)
    """Calls that are looked through for one that may have been dialled"""


class PlivoDialler:
    """Places calls for one account.

    Args:
        http: the client to send with.
        auth_id: of the account.
        auth_token: of the account; also what callbacks are signed with.
        api_base: where the API is.
        recent_calls: how many calls are looked through for one that may have been dialled.
    """

    has_callbacks = True

    def __init__(
        self, http: httpx2.AsyncClient, auth_id: str, auth_token: str, api_base: str, recent_calls: int = 20
    ) -> None:
        self._auth_id = auth_id
        self._auth_token = auth_token
        self._recent_calls = recent_calls
        self._api = Endpoint(http, "Plivo", api_base.rstrip("/"), (auth_id, auth_token))
        self._control = plivo.Control(http, plivo.Credentials(auth_id, auth_token), api_base=api_base)

    async def dial(self, request: DialRequest) -> Dialled:
        """See `Dialler`."""
        check_configured("Plivo", {"PLIVO_AUTH_ID": self._auth_id, "PLIVO_AUTH_TOKEN": self._auth_token})
        body: dict[str, Any] = {
            "to": request.to,
            "from": request.from_,
            "answer_url": request.answer_url,
            "answer_method": "POST",
            "ring_url": request.status_url,
            "ring_method": "POST",
            "hangup_url": request.status_url,
            "hangup_method": "POST",
            "ring_timeout": request.ring_timeout_s,
            "time_limit": request.max_duration_s,
        }
        if request.amd != "off":
            body |= {
                "machine_detection": "true",
                "machine_detection_url": request.status_url,
                "machine_detection_method": "POST",
            }
        answer = await self._api.dial(self._calls, json=body)
        return Dialled(str(answer.get("request_uuid", "")))

    async def find(
        self, request: DialRequest, since_s: float, known: Collection[str] = frozenset()
    ) -> CarrierCall | None:
        """See `Dialler`. Plivo keeps no word of ours with a call: live calls and recent ones are compared by their numbers."""
        live = await self._api.ask(self._calls, query={"status": "live"})
        ids: list[str] = list(live.body.get("calls", [])) if live is not None else []
        for call_id in [one for one in ids if one not in known][: self._recent_calls]:
            call = await self._api.ask(f"{self._calls}{quote(call_id, safe='')}/", query={"status": "live"})
            if call is not None and _has_numbers(call.body, request):
                return CarrierCall(call_id, _stage(str(call.body.get("call_status", ""))))
        ended = await self._api.ask(
            self._calls, query={"to_number": request.to.removeprefix("+"), "limit": str(self._recent_calls)}
        )
        for call in json_objects(ended.body.get("objects")) if ended is not None else ():
            call_id = str(call.get("call_uuid", ""))
            is_recent = _began_s(call) >= since_s - _EARLY_S
            if call_id and call_id not in known and is_recent and _has_numbers(call, request):
                return _record(call_id, call)
        return None

    async def look_up(self, carrier_call_id: str) -> CarrierCall | None:
        """See `Dialler`."""
        path = f"{self._calls}{quote(carrier_call_id, safe='')}/"
        live = await self._api.ask(path, query={"status": "live"})
        if live is not None and live.body.get("call_status"):
            return CarrierCall(carrier_call_id, _stage(str(live.body["call_status"])))
        record = await self._api.ask(path)
        return _record(carrier_call_id, record.body) if record is not None else None

    async def hang_up(self, carrier_call_id: str) -> bool:
        """See `Dialler`."""
        return await self._control.hang_up(carrier_call_id)

    def verify(self, request: WebhookRequest, *, now: float) -> None:
        """See `Dialler`."""
        plivo.verify(request, self._auth_token, now=now)

    def read_callback(self, request: WebhookRequest) -> CallbackEvent | None:
        """See `Dialler`."""
        return read_callback(request.fields())

    def answer(self, stream_url: str, parameters: Mapping[str, str]) -> WebhookAnswer:
        """See `Dialler`. Plivo passes on letters and digits only, so the token stands in the address."""
        return plivo.answer(_with_token(stream_url, parameters), parameters=parameters)

    def resumable_answer(self, stream_url: str, parameters: Mapping[str, str], resume_url: str) -> WebhookAnswer:
        """See `ResumableDialler`."""
        return plivo.resumable_answer(_with_token(stream_url, parameters), parameters=parameters, resume_url=resume_url)

    def refuse(self) -> WebhookAnswer:
        """See `Dialler`."""
        return xml_answer(element("Hangup", {}))

    @property
    def _calls(self) -> str:
        return f"/v1/Account/{quote(self._auth_id, safe='')}/Call/"


def _with_token(stream_url: str, parameters: Mapping[str, str]) -> str:
    return with_query(stream_url, {name: value for name, value in parameters.items() if name == "token"})


def read_callback(fields: Mapping[str, str]) -> CallbackEvent | None:
    """What the fields of a callback say (names in lower case)."""
    call_id = fields.get("calluuid") or fields.get("requestuuid", "")
    if fields.get("event", "") == "MachineDetection" or (fields.get("machine") and not fields.get("hangupcausename")):
        answered_by = "machine" if fields.get("machine", "").lower() == "true" else "human"
        return CallbackEvent(CarrierCall(call_id, "answered", answered_by=answered_by))
    status = fields.get("callstatus", "")
    if status not in _ENDS:
        return CallbackEvent(CarrierCall(call_id, _stage(status))) if status else None
    cause = fields.get("hangupcausename", "")
    end = _CAUSES[cause] if status != "completed" and cause in _CAUSES else _ENDS[status]
    seconds = fields.get("duration", "")
    return CallbackEvent(
        CarrierCall(
            call_id,
            "ended",
            end,
            reason="" if end == "completed" else cause,
            is_retryable=cause not in _WRONG_NUMBERS,
            duration_s=float(seconds) if seconds.isdecimal() else None,
        )
    )


def create(config: Config, deps: Deps) -> PlivoDialler:
    """A dialler with the carrier's credentials; the API's address from `api_base` or PLIVO_API_BASE."""
    return PlivoDialler(
        deps.http,
        deps.secret("plivo_auth_id", "PLIVO_AUTH_ID") or "",
        deps.secret("plivo_auth_token", "PLIVO_AUTH_TOKEN") or "",
        config.api_base or deps.environment.get("PLIVO_API_BASE") or plivo.API,
        config.recent_calls,
    )


def _stage(status: str) -> CallStage:
    return "answered" if status == "in-progress" else "ringing" if status in {"ringing", "early-media"} else "queued"


def _record(call_id: str, call: Mapping[str, Any]) -> CarrierCall:
    """A call from Plivo's records of calls that are over."""
    cause = str(call.get("hangup_cause_name") or "")
    seconds = float(call.get("call_duration") or call.get("bill_duration") or 0)
    end = "completed" if seconds else _CAUSES.get(cause, "no_answer")
    return CarrierCall(
        call_id,
        "ended",
        end,
        reason="" if end == "completed" else cause,
        is_retryable=cause not in _WRONG_NUMBERS,
        duration_s=seconds,
    )


def _has_numbers(call: Mapping[str, Any], request: DialRequest) -> bool:
    to, from_ = call.get("to_number") or call.get("to"), call.get("from_number") or call.get("from")
    return _digits(to) == _digits(request.to) and _digits(from_) == _digits(request.from_)


def _digits(number: Any) -> str:
    return str(number or "").removeprefix("+")


def _began_s(call: Mapping[str, Any]) -> float:
    """When a call of the records began; their times end in an offset."""
    try:
        moment = datetime.fromisoformat(str(call.get("initiation_time") or call.get("end_time") or ""))
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
