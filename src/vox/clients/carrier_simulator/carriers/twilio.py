"""Twilio's words: the Call resource of the 2010 API, its callbacks and errors."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit, urlunsplit

from vox.clients.carrier_simulator.behaviour import StreamEnd
from vox.clients.carrier_simulator.call_events import CallPlan, Detection, DocumentSource, Notice, Notify
from vox.clients.carrier_simulator.dialect import Refusal, RequestRefused
from vox.clients.carrier_simulator.documents import Stream, Verb, read_document
from vox.clients.carrier_simulator.numbers import is_number, whole_seconds
from vox.clients.carrier_simulator.record import CallbackTarget, CallOrder, CallRecord
from vox.clients.carrier_simulator.requests import OutgoingRequest, form_request, signed_for_twilio
from vox.errors import PeerError
from vox.protocols.carriers.twilio import Carrier
from vox.protocols.media_stream import CarrierCodec
from vox.security.credentials import parse_authorization
from vox.security.digests import base64_bytes, is_equal

API_VERSION: Final = "2010-04-01"
_PROGRESS: Final = (Notice.INITIATED, Notice.RINGING, Notice.ANSWERED, Notice.COMPLETED)
_STREAM_EVENTS: Final = {
    Notice.STREAM_STARTED: "stream-started",
    Notice.STREAM_STOPPED: "stream-stopped",
    Notice.STREAM_FAILED: "stream-error",
}
_STREAM_ERRORS: Final = {StreamEnd.REFUSED: "31920", StreamEnd.LOST: "31924"}


class Twilio:
    """One account.

    Args:
        account_sid: its name.
        auth_token: its secret.
    """

    carrier: ClassVar[str] = "twilio"

    def __init__(self, account_sid: str, auth_token: str) -> None:
        self.account_sid = account_sid
        self._auth_token = auth_token

    def new_call_id(self, hex_digits: str) -> str:
        """`CA` and 32 hex digits."""
        return f"CA{hex_digits}"

    def new_stream_id(self, hex_digits: str) -> str:
        """`MZ` and 32 hex digits."""
        return f"MZ{hex_digits}"

    def order(self, form: Sequence[tuple[str, str]]) -> CallOrder:
        """Reads the form of `POST Calls.json`.

        Raises:
            RequestRefused: a field is missing or wrong.
        """
        fields = dict(form)
        to, from_ = fields.get("To", ""), fields.get("From", "")
        if not to:
            raise _refused(21201, "No 'To' number is specified")
        if not from_:
            raise _refused(21213, "No 'From' number is specified")
        if not is_number(to) and not to.startswith(("sip:", "client:")):
            raise _refused(21211, f"The 'To' number {to} is not a valid phone number.")
        if not is_number(from_) and not from_.startswith("client:"):
            raise _refused(21212, f"The 'From' number {from_} is not a valid phone number, shortcode, or alphanumeric.")
        plan = CallPlan(
            self.source(fields),
            ring_timeout_s=_seconds(fields, "Timeout", 60, most=600),
            time_limit_s=_seconds(fields, "TimeLimit", 14_400, most=86_400),
            detection=_detection(fields),
        )
        return CallOrder(to, from_, plan, _subscriptions(form, fields), fields)

    def source(self, fields: Mapping[str, str]) -> DocumentSource:
        """The document that a request names: `Twiml` wins over `Url`, as at Twilio.

        Raises:
            RequestRefused: neither is given, or it cannot be used.
        """
        if twiml := fields.get("Twiml", ""):
            try:
                return DocumentSource(verbs=read_document(twiml))
            except PeerError as error:
                raise _refused(12100, f"Document parse failure: {error}") from error
        url = fields.get("Url", "")
        if not url:
            raise _refused(21205, "Url parameter is required.")
        if not url.startswith(("http://", "https://")):
            raise _refused(21205, f"Url is not a valid URL: {url}")
        return DocumentSource(url, fields.get("Method", "POST"), fallback_url=fields.get("FallbackUrl", ""))

    def inbound_order(self, *, to: str, from_: str, url: str) -> CallOrder:
        """An incoming call, whose document is asked for while it rings."""
        return CallOrder(to, from_, CallPlan(DocumentSource(url), is_inbound=True))

    def resource(self, call: CallRecord) -> dict[str, Any]:
        """The Call resource."""
        uri = f"/{API_VERSION}/Accounts/{self.account_sid}/Calls/{call.call_id}"
        queued_ms = 0 if call.begun is None else round((call.begun - call.created).total_seconds() * 1000)
        return {
            "sid": call.call_id,
            "date_created": _rfc_2822(call.created),
            "date_updated": _rfc_2822(call.ended or call.answered or call.begun or call.created),
            "parent_call_sid": None,
            "account_sid": self.account_sid,
            "to": call.order.to,
            "to_formatted": call.order.to,
            "from": call.order.from_,
            "from_formatted": call.order.from_,
            "phone_number_sid": "PN" + "0" * 32,
            "status": _status(call),
            "start_time": _rfc_2822(call.answered),
            "end_time": _rfc_2822(call.ended),
            "duration": str(call.duration_s) if call.ended is not None else None,
            "price": None,
            "price_unit": "USD",
            "direction": _direction(call),
            "answered_by": call.machine.answered_by or None,
            "annotation": None,
            "api_version": API_VERSION,
            "forwarded_from": None,
            "group_sid": None,
            "caller_name": None,
            "queue_time": str(queued_ms),
            "trunk_sid": None,
            "uri": f"{uri}.json",
            "subresource_uris": {"recordings": f"{uri}/Recordings.json", "streams": f"{uri}/Streams.json"},
        }

    def notice(self, call: CallRecord, notify: Notify, now: datetime) -> OutgoingRequest | None:
        """A status callback; of a stream to the address that stands in the document."""
        if (event := _STREAM_EVENTS.get(notify.notice)) is not None:
            return self._stream_notice(call, notify, event, now)
        target = call.order.callbacks.get(notify.notice)
        if target is None:
            return None
        fields = self._fields(call)
        if notify.notice is Notice.DETECTED:
            fields |= {"AnsweredBy": notify.detail, "MachineDetectionDuration": "1000"}
        else:
            fields["CallStatus"] = "in-progress" if notify.notice is Notice.ANSWERED else call.status
            fields |= {
                "CallbackSource": "call-progress-events",
                "SequenceNumber": str(call.reported),
                "Timestamp": format_datetime(now),
            }
            call.reported += 1
        if notify.notice is Notice.COMPLETED and call.machine.ending is not None:
            fields |= {"SipResponseCode": str(call.machine.ending.sip_code), "CallDuration": str(call.duration_s)}
            fields["Duration"] = str(-(-call.duration_s // 60))
        return self._signed(target.method, target.url, fields)

    def document_request(self, call: CallRecord, source: DocumentSource, now: datetime) -> OutgoingRequest:
        """The request for TwiML."""
        del now
        return self._signed(source.method, source.url, self._fields(call) | dict(source.fields))

    def stream_request(self, stream: Stream, hex_digits: str) -> OutgoingRequest:
        """Without the query, which Twilio does not support, and signed like a webhook."""
        del hex_digits
        url = urlunsplit(urlsplit(stream.url)._replace(query="", fragment=""))
        return signed_for_twilio(OutgoingRequest("GET", url), self._auth_token)

    def line(self, stream: Stream) -> CarrierCodec:
        """Twilio's side of a media stream."""
        del stream
        line = Carrier()
        line.account_id = self.account_sid
        return line

    def numbers_in_stream(self, call: CallRecord) -> tuple[str, str]:
        """None: Twilio's stream names neither, unless the document passes them as parameters."""
        del call
        return "", ""

    def read_document(self, source: DocumentSource, body: bytes) -> list[Verb]:
        """TwiML."""
        del source
        return read_document(body.decode("utf-8", "replace"))

    def is_authorised(self, authorization: str) -> bool:
        """Basic credentials: the account's SID and its auth token."""
        scheme, value = parse_authorization(authorization)
        given = base64_bytes(value) if scheme.lower() == "basic" else None
        return given is not None and is_equal(f"{self.account_sid}:{self._auth_token}", given)

    def unauthorised(self) -> Refusal:
        """Error 20003."""
        return error(401, 20003, "Authenticate")

    def rate_limited(self) -> Refusal:
        """Error 20429."""
        return error(429, 20429, "Too Many Requests")

    def server_error(self) -> Refusal:
        """Error 20500."""
        return error(500, 20500, "An internal server error has occurred")

    def not_found(self) -> Refusal:
        """Error 20404."""
        return error(404, 20404, "The requested resource was not found")

    def _stream_notice(self, call: CallRecord, notify: Notify, event: str, now: datetime) -> OutgoingRequest | None:
        stream = notify.stream
        if stream is None or not stream.status_callback:
            return None
        fields = {
            "AccountSid": self.account_sid,
            "CallSid": call.call_id,
            "StreamEvent": event,
            "StreamName": stream.name,
            "Timestamp": now.isoformat(),
        }
        if notify.notice is Notice.STREAM_FAILED:
            how = StreamEnd.REFUSED if notify.detail.isdigit() else StreamEnd.LOST
            fields |= {"StreamError": notify.detail, "StreamErrorCode": _STREAM_ERRORS[how]}
        return self._signed(stream.status_method, stream.status_callback, fields)

    def _fields(self, call: CallRecord) -> dict[str, str]:
        fields = {
            "AccountSid": self.account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": call.call_id,
            "CallStatus": _status(call),
            "Called": call.order.to,
            "Caller": call.order.from_,
            "Direction": _direction(call),
            "From": call.order.from_,
            "To": call.order.to,
        }
        return fields | {"AnsweredBy": call.machine.answered_by} if call.machine.answered_by else fields

    def _signed(self, method: str, url: str, fields: Mapping[str, str]) -> OutgoingRequest:
        return signed_for_twilio(form_request(method, url, fields), self._auth_token)


def error(status: int, code: int, message: str) -> Refusal:
    """An error of Twilio's API."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Refusal(status, {"code": code, "message": message, "more_info": more, "status": status})


def _refused(code: int, message: str) -> RequestRefused:
    return RequestRefused(error(400, code, message))


def _subscriptions(form: Sequence[tuple[str, str]], fields: Mapping[str, str]) -> dict[Notice, CallbackTarget]:
    found: dict[Notice, CallbackTarget] = {}
    if url := fields.get("StatusCallback", ""):
        target = CallbackTarget(url, fields.get("StatusCallbackMethod", "POST"))
        events = {word for name, value in form if name == "StatusCallbackEvent" for word in value.split()}
        found = {notice: target for notice in _PROGRESS if notice in (events or {Notice.COMPLETED})}
    if url := fields.get("AsyncAmdStatusCallback", ""):
        found[Notice.DETECTED] = CallbackTarget(url, fields.get("AsyncAmdStatusCallbackMethod", "POST"))
    return found


def _detection(fields: Mapping[str, str]) -> Detection:
    is_alongside = fields.get("AsyncAmd", "").lower() == "true"
    match fields.get("MachineDetection", ""):
        case "":
            return Detection.NONE
        case "Enable":
            return Detection.ALONGSIDE if is_alongside else Detection.BEFORE_DOCUMENT
        case "DetectMessageEnd":
            return Detection.ALONGSIDE_MESSAGE_END if is_alongside else Detection.MESSAGE_END
        case other:
            raise _refused(20001, f"Invalid MachineDetection {other}")


def _seconds(fields: Mapping[str, str], name: str, default: int, *, most: int) -> float:
    seconds = whole_seconds(fields.get(name) or default, 1, most)
    if seconds is None:
        raise _refused(20001, f"Invalid parameter {name}: {fields[name]}")
    return seconds


def _status(call: CallRecord) -> str:
    return "queued" if call.status == "initiated" else call.status


def _direction(call: CallRecord) -> str:
    return "inbound" if call.is_inbound else "outbound-api"


def _rfc_2822(when: datetime | None) -> str | None:
    return None if when is None else format_datetime(when)
