"""Plivo's words: the Call resource, its callbacks with V3 signatures, and Plivo's XML."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from vox.clients.carrier_simulator.call_events import (
    CallPlan,
    CallStatus,
    Detection,
    DocumentSource,
    EndedBy,
    Notice,
    Notify,
)
from vox.clients.carrier_simulator.call_machine import DOCUMENT_ENDED, MACHINE_DETECTED
from vox.clients.carrier_simulator.carriers.telnyx import uuid
from vox.clients.carrier_simulator.dialect import Refusal, RequestRefused
from vox.clients.carrier_simulator.documents import Stream, Verb, read_document
from vox.clients.carrier_simulator.numbers import is_digits, whole_seconds
from vox.clients.carrier_simulator.record import CallbackTarget, CallOrder, CallRecord
from vox.clients.carrier_simulator.requests import OutgoingRequest, form_request, signed_for_plivo
from vox.errors import PeerError
from vox.protocols.carriers.plivo import Carrier
from vox.protocols.media_stream import CarrierCodec
from vox.security.credentials import parse_authorization
from vox.security.digests import base64_bytes, is_equal

_STREAM_EVENTS: Final = {
    Notice.STREAM_STARTED: "StartStream",
    Notice.STREAM_STOPPED: "StopStream",
    Notice.STREAM_FAILED: "DroppedStream",
}
_STATUSES: Final = {CallStatus.CANCELED: "cancel", CallStatus.NO_ANSWER: "no-answer"}
_STATES: Final = {
    CallStatus.BUSY: "BUSY",
    CallStatus.NO_ANSWER: "NO_ANSWER",
    CallStatus.CANCELED: "CANCEL",
    CallStatus.FAILED: "FAILED",
}
_L16: Final = "audio/x-l16;rate=8000"


class Plivo:
    """One account.

    Args:
        auth_id: its name.
        auth_token: its secret.
    """

    carrier: ClassVar[str] = "plivo"

    def __init__(self, auth_id: str, auth_token: str) -> None:
        self.auth_id = auth_id
        self._auth_token = auth_token

    def new_call_id(self, hex_digits: str) -> str:
        """A UUID."""
        return uuid(hex_digits)

    def new_stream_id(self, hex_digits: str) -> str:
        """A UUID."""
        return uuid(hex_digits)

    def orders(self, body: Mapping[str, Any]) -> list[CallOrder]:
        """Reads the body of `POST Call/`; several numbers stand in `to`, separated by `<`.

        Raises:
            RequestRefused: a field is missing or wrong.
        """
        numbers = [number.strip() for number in _text(body, "to").split("<") if number.strip()]
        from_, answer_url = _text(body, "from"), _text(body, "answer_url")
        for name, value in (("to", numbers), ("from", from_), ("answer_url", answer_url)):
            if not value:
                raise refused(f"{name} parameter not present")
        for number in (*numbers, from_):
            if not is_digits(number.removeprefix("+")) and not number.startswith("sip:"):
                raise refused(f"{number} is not a valid phone number")
        if not answer_url.startswith(("http://", "https://")):
            raise refused("answer_url parameter is not a valid URL")
        plan = CallPlan(
            DocumentSource(
                answer_url, _text(body, "answer_method") or "POST", fallback_url=_text(body, "fallback_url")
            ),
            ring_timeout_s=self._seconds(body, "ring_timeout", 120, 600),
            time_limit_s=self._seconds(body, "time_limit", 14_400, 86_400),
            detection=self._detection(body),
            hangs_up_on_machine=_text(body, "machine_detection") == "hangup",
        )
        return [CallOrder(number, from_, plan, self._subscriptions(body), dict(body)) for number in numbers]

    def inbound_order(self, *, to: str, from_: str, url: str) -> CallOrder:
        """An incoming call, whose XML is asked for while it rings."""
        return CallOrder(to, from_, CallPlan(DocumentSource(url), is_inbound=True))

    def stream(self, body: Mapping[str, Any]) -> Stream:
        """The media stream that `POST Call/ID/Stream/` orders.

        Raises:
            RequestRefused: it has no address.
        """
        url = _text(body, "service_url")
        if not url.startswith(("ws://", "wss://")):
            raise refused("service_url parameter is not a ws:// or wss:// address")
        pairs = (pair.partition("=") for pair in _text(body, "extra_headers").split(",") if pair)
        return Stream(
            url,
            {name.strip(): value.strip() for name, _, value in pairs},
            status_callback=_text(body, "status_callback_url"),
            status_method=_text(body, "status_callback_method") or "POST",
            is_blocking=False,
            codec=_text(body, "content_type"),
        )

    def resource(self, call: CallRecord) -> dict[str, Any]:
        """The detail record of a call."""
        cause = self._cause(call)
        return {
            "answer_time": _local(call.answered),
            "bill_duration": call.duration_s,
            "billed_duration": -(-call.duration_s // 60) * 60,
            "call_direction": self._direction(call),
            "call_duration": call.duration_s,
            "call_state": _STATES.get(call.status, "ANSWER"),
            "call_uuid": call.call_id,
            "end_time": _local(call.ended),
            "from_number": _plain(call.order.from_),
            "hangup_cause_code": cause[0],
            "hangup_cause_name": cause[1],
            "hangup_source": cause[2],
            "initiation_time": _local(call.created),
            "parent_call_uuid": None,
            "request_uuid": call.call_id,
            "resource_uri": f"/v1/Account/{self.auth_id}/Call/{call.call_id}/",
            "to_number": _plain(call.order.to),
            "total_amount": "0.00000",
            "total_rate": "0.00000",
        }

    def live_resource(self, call: CallRecord) -> dict[str, Any]:
        """A call that is alive."""
        return {
            "call_status": self.status(call),
            "call_uuid": call.call_id,
            "caller_name": _plain(call.order.from_),
            "direction": self._direction(call),
            "from": _plain(call.order.from_),
            "request_uuid": call.call_id,
            "session_start": _local(call.begun or call.created),
            "to": _plain(call.order.to),
        }

    def notice(self, call: CallRecord, notify: Notify, now: datetime) -> OutgoingRequest | None:
        """A callback; of a stream to the address that stands in the document."""
        call.reported += 1
        if (event := _STREAM_EVENTS.get(notify.notice)) is not None:
            stream = notify.stream
            if stream is None or not stream.status_callback:
                return None
            more = {"Event": event, "ServiceURL": stream.url, "Timestamp": now.isoformat()}
            return self._signed(call, stream.status_method, stream.status_callback, self._fields(call) | more)
        target = call.order.callbacks.get(notify.notice)
        if target is None:
            return None
        fields = self._fields(call)
        match notify.notice:
            case Notice.RINGING:
                fields |= {"Event": "Ring"}
            case Notice.DETECTED:
                fields |= {"Event": "MachineDetection", "Machine": _flag(notify.detail.startswith("machine"))}
            case _:
                code, name, source = self._cause(call)
                fields |= {
                    "Event": "Hangup",
                    "Duration": str(call.duration_s),
                    "BillDuration": str(-(-call.duration_s // 60) * 60),
                    "TotalCost": "0.00000",
                    "StartTime": _local(call.begun or call.created) or "",
                    "AnswerTime": _local(call.answered) or "",
                    "EndTime": _local(call.ended) or "",
                    "HangupCause": _hangup_cause(call),
                    "HangupCauseCode": str(code),
                    "HangupCauseName": name,
                    "HangupSource": source,
                }
        return self._signed(call, target.method, target.url, fields)

    def document_request(self, call: CallRecord, source: DocumentSource, now: datetime) -> OutgoingRequest:
        """The request for XML."""
        del now
        call.reported += 1
        fields = self._fields(call) | {"Event": "StartApp" if call.machine.documents <= 1 else "Redirect"}
        if call.machine.answered_by:
            fields["Machine"] = _flag(call.machine.answered_by.startswith("machine"))
        return self._signed(call, source.method, source.url, fields | dict(source.fields))

    def stream_request(self, stream: Stream, hex_digits: str) -> OutgoingRequest:
        """The upgrade, signed like a callback."""
        return signed_for_plivo(OutgoingRequest("GET", stream.url), self._auth_token, hex_digits)

    def line(self, stream: Stream) -> CarrierCodec:
        """Plivo's side of a media stream: µ-law, or linear samples where the document asks for them."""
        line = Carrier(encoding="s16le" if stream.codec.replace(" ", "") == _L16 else "mulaw")
        line.account_id = self.auth_id
        return line

    def numbers_in_stream(self, call: CallRecord) -> tuple[str, str]:
        """None: Plivo's stream names neither, unless the document passes them."""
        del call
        return "", ""

    def read_document(self, source: DocumentSource, body: bytes) -> list[Verb]:
        """Plivo's XML.

        Raises:
            PeerError: it is none, or asks for audio at another rate than 8 kHz.
        """
        del source
        verbs = read_document(body.decode("utf-8", "replace"))
        for verb in verbs:
            if isinstance(verb, Stream) and "rate=" in verb.codec and "rate=8000" not in verb.codec:
                raise PeerError(f"The simulator streams at 8000 Hz, not {verb.codec}", code="bad_call_document")
        return verbs

    def is_authorised(self, authorization: str) -> bool:
        """Basic credentials."""
        scheme, value = parse_authorization(authorization)
        given = base64_bytes(value) if scheme.lower() == "basic" else None
        return given is not None and is_equal(f"{self.auth_id}:{self._auth_token}", given)

    def unauthorised(self) -> Refusal:
        """401."""
        return error(401, "Could not verify your access level for that URL. You have to login with proper credentials")

    def rate_limited(self) -> Refusal:
        """429."""
        return error(429, "rate limit exceeded")

    def server_error(self) -> Refusal:
        """500."""
        return error(500, "internal server error")

    def not_found(self) -> Refusal:
        """404."""
        return error(404, "not found")

    def status(self, call: CallRecord) -> str:
        """Its status in Plivo's words."""
        if call.status is CallStatus.INITIATED:
            return "ringing"
        return _STATUSES.get(call.status, str(call.status))

    def _fields(self, call: CallRecord) -> dict[str, str]:
        return {
            "ALegRequestUUID": call.call_id,
            "ALegUUID": call.call_id,
            "CallStatus": self.status(call),
            "CallUUID": call.call_id,
            "CallerName": _plain(call.order.from_),
            "Direction": self._direction(call),
            "From": _plain(call.order.from_),
            "ParentAuthID": self.auth_id,
            "RequestUUID": call.call_id,
            "SessionStart": _local(call.begun or call.created) or "",
            "To": _plain(call.order.to),
        }

    def _signed(self, call: CallRecord, method: str, url: str, fields: Mapping[str, str]) -> OutgoingRequest:
        nonce = f"{call.session_id}{call.reported:08d}"
        return signed_for_plivo(form_request(method, url, fields), self._auth_token, nonce)

    def _direction(self, call: CallRecord) -> str:
        return "inbound" if call.is_inbound else "outbound"

    def _subscriptions(self, body: Mapping[str, Any]) -> dict[Notice, CallbackTarget]:
        found: dict[Notice, CallbackTarget] = {}
        for notice, name in (
            (Notice.RINGING, "ring"),
            (Notice.COMPLETED, "hangup"),
            (Notice.DETECTED, "machine_detection"),
        ):
            if url := _text(body, f"{name}_url"):
                found[notice] = CallbackTarget(url, _text(body, f"{name}_method") or "POST")
        return found

    def _detection(self, body: Mapping[str, Any]) -> Detection:
        if _text(body, "machine_detection") not in {"true", "hangup"}:
            return Detection.NONE
        return Detection.ALONGSIDE if _text(body, "machine_detection_url") else Detection.BEFORE_DOCUMENT

    def _seconds(self, body: Mapping[str, Any], name: str, default: int, most: int) -> float:
        seconds = whole_seconds(body.get(name, default), 1, most)
        if seconds is None:
            raise refused(f"{name} parameter must be a number from 1 to {most}")
        return seconds

    def _cause(self, call: CallRecord) -> tuple[int, str, str]:
        """Code, name and source of the hangup."""
        ending = call.machine.ending
        if ending is None:
            return 0, "", ""
        source = {EndedBy.CALLER: "API Request", EndedBy.CALLEE: "Callee", EndedBy.CARRIER: "Plivo"}[ending.ended_by]
        match ending.status:
            case CallStatus.BUSY:
                return (3020, "Rejected", source) if ending.sip_code == 603 else (3010, "Busy Line", source)  # noqa: PLR2004  SIP Decline
            case CallStatus.NO_ANSWER:
                return 3000, "No Answer", source
            case CallStatus.CANCELED:
                return 1000, "Cancelled", source
            case CallStatus.FAILED:
                return 2000, "Invalid Destination Address", "Carrier"
            case _ if ending.reason == DOCUMENT_ENDED:
                return 4010, "End Of XML Instructions", "Plivo"
            case _ if ending.reason == MACHINE_DETECTED:
                return 6020, "Machine Detected", "Plivo"
            case _:
                return 4000, "Normal Hangup", source


def error(status: int, message: str) -> Refusal:
    """An error of Plivo's API."""
    return Refusal(status, {"api_id": "simulated", "error": message})


def refused(message: str) -> RequestRefused:
    """The refusal of a request that is wrong."""
    return RequestRefused(error(400, message))


def _hangup_cause(call: CallRecord) -> str:
    match call.status:
        case CallStatus.BUSY:
            return "USER_BUSY"
        case CallStatus.NO_ANSWER:
            return "NO_ANSWER"
        case CallStatus.CANCELED:
            return "ORIGINATOR_CANCEL"
        case CallStatus.FAILED:
            return "UNALLOCATED_NUMBER"
        case _:
            return "NORMAL_CLEARING"


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(number: str) -> str:
    """Plivo writes numbers without a plus."""
    return number.removeprefix("+")


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _local(when: datetime | None) -> str | None:
    return None if when is None else when.strftime("%Y-%m-%d %H:%M:%S")
