"""Telnyx's words: the call control API of version 2, its signed webhooks, and TeXML for calls that come in."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

import msgspec

from vox.clients.carrier_simulator.behaviour import StreamEnd
from vox.clients.carrier_simulator.call_events import (
    CallPlan,
    CallStatus,
    Detection,
    DocumentSource,
    EndedBy,
    Ending,
    Notice,
    Notify,
)
from vox.clients.carrier_simulator.call_machine import TIME_LIMIT
from vox.clients.carrier_simulator.dialect import Refusal, RequestRefused
from vox.clients.carrier_simulator.documents import Stream, Verb, read_document
from vox.clients.carrier_simulator.numbers import is_number, whole_seconds
from vox.clients.carrier_simulator.record import CallbackTarget, CallOrder, CallRecord
from vox.clients.carrier_simulator.requests import OutgoingRequest, TelnyxKey, form_request, json_request
from vox.protocols.carriers.telnyx import Carrier
from vox.protocols.media_stream import CarrierCodec
from vox.security.credentials import bearer_token
from vox.security.digests import is_equal

_EVENTS: Final[Mapping[Notice, str]] = {
    Notice.INITIATED: "call.initiated",
    Notice.ANSWERED: "call.answered",
    Notice.COMPLETED: "call.hangup",
    Notice.BRIDGED: "call.bridged",
    Notice.DETECTED: "call.machine.detection.ended",
    Notice.GREETING_ENDED: "call.machine.greeting.ended",
    Notice.STREAM_STARTED: "streaming.started",
    Notice.STREAM_STOPPED: "streaming.stopped",
    Notice.STREAM_FAILED: "streaming.failed",
    Notice.SPEAK_STARTED: "call.speak.started",
    Notice.SPEAK_ENDED: "call.speak.ended",
    Notice.KEY_PRESSED: "call.dtmf.received",
}
_RESULTS: Final = {"human": "human", "machine_start": "machine", "machine_end_beep": "machine", "fax": "machine"}
_PREMIUM: Final = {"human": "human_residence", "machine_start": "machine", "fax": "fax_detected"}
_CODECS: Final = ("", "PCMU", "default")
_WITH_GREETING_END: Final = ("greeting_end", "detect_beep", "premium")


class _Parameter(msgspec.Struct):
    name: str
    value: str = ""


class Telnyx:
    """One account.

    Args:
        api_key: what the API takes.
        key: what webhooks are signed with.
        webhook_url: the address that is set at the connection, for orders without one of their own.
    """

    carrier: ClassVar[str] = "telnyx"

    def __init__(self, api_key: str, key: TelnyxKey, webhook_url: str = "") -> None:
        self.key = key
        self.webhook_url = webhook_url
        self._api_key = api_key

    def new_call_id(self, hex_digits: str) -> str:
        """A call control id: `v3:` and a text without meaning."""
        return f"v3:{hex_digits}"

    def new_stream_id(self, hex_digits: str) -> str:
        """A UUID."""
        return uuid(hex_digits)

    def order(self, body: Mapping[str, Any]) -> CallOrder:
        """Reads the body of `POST /v2/calls`.

        Raises:
            RequestRefused: a field is missing or wrong.
        """
        to, from_ = body.get("to"), body.get("from")
        if isinstance(to, list) and len(to) == 1:  # pyright: ignore[reportUnknownArgumentType]  any JSON
            to = to[0]  # pyright: ignore[reportUnknownVariableType]  any JSON
        if not isinstance(to, str) or not (is_number(to) or to.startswith("sip:")):
            raise refused(422, "10016", "Phone number must be in +E164 format", "/to")
        if not isinstance(from_, str) or not is_number(from_):
            raise refused(422, "10016", "Phone number must be in +E164 format", "/from")
        if not _text(body, "connection_id"):
            raise refused(422, "10015", "connection_id is required", "/connection_id")
        mode = _text(body, "answering_machine_detection") or "disabled"
        stream = self.stream(body) if _text(body, "stream_url") else None
        plan = CallPlan(
            stream=stream,
            ring_timeout_s=self._seconds(body, "timeout_secs", 30, 5, 600),
            time_limit_s=self._seconds(body, "time_limit_secs", 14_400, 30, 14_400),
            detection=Detection.NONE if mode == "disabled" else Detection.ALONGSIDE,
        )
        return CallOrder(to, from_, plan, self._subscriptions(_text(body, "webhook_url"), mode), dict(body))

    def stream(self, body: Mapping[str, Any]) -> Stream:
        """The media stream that a body orders.

        Raises:
            RequestRefused: it cannot be used.
        """
        url = _text(body, "stream_url")
        if not url.startswith(("ws://", "wss://")):
            raise refused(422, "90046", "stream_url must begin with ws:// or wss://", "/stream_url")
        codec = _text(body, "stream_bidirectional_codec")
        if codec not in _CODECS or body.get("stream_bidirectional_sampling_rate", 8000) != 8000:  # noqa: PLR2004  Hz
            raise refused(
                422, "90046", f"the simulator streams PCMU at 8000 Hz, not {codec}", "/stream_bidirectional_codec"
            )
        token = _text(body, "stream_auth_token")
        try:
            given = msgspec.convert(body.get("custom_parameters") or [], list[_Parameter])
        except msgspec.ValidationError as invalid:
            raise refused(422, "90046", f"custom_parameters: {invalid}", "/custom_parameters") from None
        parameters = {one.name: one.value for one in given}
        return Stream(url, parameters, is_blocking=False, codec=codec, name=token)

    def inbound_order(self, *, to: str, from_: str, url: str) -> CallOrder:
        """An incoming call of a TeXML application."""
        return CallOrder(to, from_, CallPlan(DocumentSource(url), is_inbound=True))

    def inbound_order_with_commands(self, *, to: str, from_: str, url: str) -> CallOrder:
        """An incoming call of a call control application, which `answer` takes."""
        return CallOrder(to, from_, CallPlan(is_inbound=True), self._subscriptions(url, "disabled"))

    def resource(self, call: CallRecord) -> dict[str, Any]:
        """A call as the API shows it."""
        return {
            "record_type": "call",
            "call_control_id": call.call_id,
            "call_leg_id": uuid(call.leg_id),
            "call_session_id": uuid(call.session_id),
            "client_state": self._client_state(call),
            "is_alive": not call.status.is_final,
            "call_duration": call.duration_s,
            "start_time": _iso(call.answered),
            "end_time": _iso(call.ended),
        }

    def notice(self, call: CallRecord, notify: Notify, now: datetime) -> OutgoingRequest | None:
        """A signed webhook."""
        target = call.order.callbacks.get(notify.notice)
        if target is None:
            return None
        call.reported += 1
        event_type = _EVENTS[notify.notice]
        mode = str(call.order.fields.get("answering_machine_detection", ""))
        if mode == "premium":
            event_type = event_type.replace("call.machine.", "call.machine.premium.")
        body = {
            "data": {
                "record_type": "event",
                "event_type": event_type,
                "id": uuid(f"{call.reported:08x}{call.session_id[8:]}"),
                "occurred_at": _iso(now),
                "payload": self._payload(call, notify, is_premium=mode == "premium"),
            },
            "meta": {"attempt": 1, "delivered_to": target.url},
        }
        return self.key.signed(json_request(target.url, body), int(now.timestamp()))

    def document_request(self, call: CallRecord, source: DocumentSource, now: datetime) -> OutgoingRequest:
        """The request for TeXML."""
        fields = {
            "CallSid": call.call_id,
            "CallControlId": call.call_id,
            "CallSessionId": uuid(call.session_id),
            "CallLegId": uuid(call.leg_id),
            "From": call.order.from_,
            "To": call.order.to,
            "Direction": "inbound" if call.is_inbound else "outbound",
            "CallStatus": call.status,
        }
        request = form_request(source.method, source.url, fields | dict(source.fields))
        return self.key.signed(request, int(now.timestamp()))

    def stream_request(self, stream: Stream, hex_digits: str) -> OutgoingRequest:
        """The upgrade, with the stream's own token where the order has one."""
        del hex_digits
        request = OutgoingRequest("GET", stream.url)
        return request.with_headers({"authorization": f"Bearer {stream.name}"}) if stream.name else request

    def line(self, stream: Stream) -> CarrierCodec:
        """Telnyx's side of a media stream."""
        del stream
        return Carrier()

    def numbers_in_stream(self, call: CallRecord) -> tuple[str, str]:
        """Both numbers."""
        return call.order.from_, call.order.to

    def read_document(self, source: DocumentSource, body: bytes) -> list[Verb]:
        """TeXML."""
        del source
        return read_document(body.decode("utf-8", "replace"))

    def is_authorised(self, authorization: str) -> bool:
        """The API key as a bearer token."""
        return is_equal(self._api_key, bearer_token(authorization))

    def unauthorised(self) -> Refusal:
        """Error 10009."""
        return error(401, "10009", "Authentication failed", "The required authentication headers were invalid.")

    def rate_limited(self) -> Refusal:
        """Error 10011."""
        return error(429, "10011", "Too many requests", "You have exceeded the maximum number of allowed requests.")

    def server_error(self) -> Refusal:
        """Error 10007."""
        return error(500, "10007", "Unexpected error", "An unexpected error occurred.")

    def not_found(self) -> Refusal:
        """Error 10005."""
        return error(404, "10005", "Resource not found", "The requested resource or URL could not be found.")

    def ended(self) -> Refusal:
        """Error 90018: a command for a call that is over."""
        return error(
            422, "90018", "Call has already ended", "This call is no longer active and can't receive commands."
        )

    def _payload(self, call: CallRecord, notify: Notify, *, is_premium: bool) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "call_control_id": call.call_id,
            "call_leg_id": uuid(call.leg_id),
            "call_session_id": uuid(call.session_id),
            "client_state": self._client_state(call),
            "connection_id": str(call.order.fields.get("connection_id", "")),
            "from": call.order.from_,
            "to": call.order.to,
            "direction": "incoming" if call.is_inbound else "outgoing",
        }
        match notify.notice:
            case Notice.INITIATED:
                payload["state"] = "parked" if call.is_inbound else "bridging"
            case Notice.ANSWERED:
                payload["start_time"] = _iso(call.answered)
            case Notice.COMPLETED if call.machine.ending is not None:
                cause, source = _cause(call.machine.ending)
                payload |= {"hangup_cause": cause, "hangup_source": source, "start_time": _iso(call.answered)}
                payload |= {"sip_hangup_cause": str(call.machine.ending.sip_code), "end_time": _iso(call.ended)}
            case Notice.DETECTED:
                payload["result"] = (_PREMIUM if is_premium else _RESULTS).get(notify.detail, "not_sure")
            case Notice.GREETING_ENDED:
                payload["result"] = "beep_detected"
            case Notice.KEY_PRESSED:
                payload["digit"] = notify.detail
            case Notice.STREAM_FAILED:
                is_refused = notify.detail.isdigit() or notify.detail == StreamEnd.REFUSED
                payload["failure_reason"] = "connection_failed" if is_refused else "connection_lost"
            case _:
                pass
        if notify.stream is not None:
            payload["stream_params"] = {"stream_url": notify.stream.url, "track": "inbound_track"}
        return payload

    def _subscriptions(self, url: str, mode: str) -> dict[Notice, CallbackTarget]:
        address = url or self.webhook_url
        if not address:
            return {}
        notices = set(_EVENTS)
        if mode not in _WITH_GREETING_END:
            notices.discard(Notice.GREETING_ENDED)
        return dict.fromkeys(notices, CallbackTarget(address))

    def _client_state(self, call: CallRecord) -> str | None:
        return call.client_state or None

    def _seconds(self, body: Mapping[str, Any], name: str, default: int, least: int, most: int) -> float:
        seconds = whole_seconds(body.get(name, default), least, most)
        if seconds is None:
            raise refused(422, "10015", f"{name} must be a number from {least} to {most}", f"/{name}")
        return seconds


def check_client_state(body: Mapping[str, Any]) -> str:
    """The `client_state` of a body, which must be base64; empty where it has none.

    Raises:
        RequestRefused: it is not base64.
    """
    state = _text(body, "client_state")
    try:
        base64.b64decode(state, validate=True)
    except (binascii.Error, ValueError):
        raise refused(422, "90015", "client_state must be base64 encoded", "/client_state") from None
    return state


def uuid(hex_digits: str) -> str:
    """32 hex digits in the form of a UUID."""
    bits = hex_digits.rjust(32, "0")[-32:]
    return f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"


def error(status: int, code: str, title: str, detail: str, pointer: str = "") -> Refusal:
    """An error of Telnyx's API."""
    one: dict[str, Any] = {"code": code, "title": title, "detail": detail}
    return Refusal(status, {"errors": [one | ({"source": {"pointer": pointer}} if pointer else {})]})


def refused(status: int, code: str, detail: str, pointer: str) -> RequestRefused:
    """The refusal of one field."""
    return RequestRefused(error(status, code, "Invalid parameter", detail, pointer))


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    return value if isinstance(value, str) else ""


def _cause(ending: Ending) -> tuple[str, str]:
    source = {EndedBy.CALLER: "caller", EndedBy.CALLEE: "callee", EndedBy.CARRIER: "unknown"}[ending.ended_by]
    match ending.status:
        case CallStatus.BUSY:
            return ("call_rejected" if ending.sip_code == 603 else "user_busy"), source  # noqa: PLR2004  SIP Decline
        case CallStatus.NO_ANSWER:
            return "timeout", source
        case CallStatus.CANCELED:
            return "originator_cancel", source
        case CallStatus.FAILED:
            return "not_found", source
        case _:
            return ("time_limit" if ending.reason == TIME_LIMIT else "normal_clearing"), source


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
