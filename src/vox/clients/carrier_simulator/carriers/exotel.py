"""Exotel's words: `Calls/connect`, its callbacks, and the Voicebot applet that names a media stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from vox.clients.carrier_simulator.call_events import CallPlan, CallStatus, DocumentSource, Notice, Notify
from vox.clients.carrier_simulator.dialect import Refusal, RequestRefused
from vox.clients.carrier_simulator.documents import Repeat, Stream, Verb
from vox.clients.carrier_simulator.numbers import is_digits, whole_seconds
from vox.clients.carrier_simulator.record import CallbackTarget, CallOrder, CallRecord
from vox.clients.carrier_simulator.requests import (
    OutgoingRequest,
    form_request,
    json_request,
    multipart_request,
    signed_for_exotel,
)
from vox.errors import PeerError
from vox.protocols.carriers.exotel import Carrier
from vox.protocols.media_stream import CarrierCodec
from vox.security.credentials import parse_authorization
from vox.security.digests import base64_bytes, is_equal

_FLOW: Final = "/exoml/start_voice/"
_NOTICES: Final = {"answered": Notice.ANSWERED, "terminal": Notice.COMPLETED}


@dataclass(frozen=True, slots=True)
class Flow:
    """What an app of the dashboard does: a Voicebot applet.

    Args:
        url: of the applet: a media stream's, or an http address that answers with one.
        loops: whether the flow leads from the applet's end back to the applet; else the call ends there.
    """

    url: str
    loops: bool = False


class Exotel:
    """One account.

    Args:
        account_sid: its name.
        api_key: the name of its credentials.
        api_token: the secret of its credentials.
        flows: the apps of its dashboard, by their number.
    """

    carrier: ClassVar[str] = "exotel"

    def __init__(self, account_sid: str, api_key: str, api_token: str, flows: Mapping[str, Flow] | None = None) -> None:
        self.account_sid = account_sid
        self.flows: Mapping[str, Flow] = flows or {}
        self._api_key = api_key
        self._api_token = api_token

    def new_call_id(self, hex_digits: str) -> str:
        """32 hex digits."""
        return hex_digits

    def new_stream_id(self, hex_digits: str) -> str:
        """32 hex digits."""
        return hex_digits

    def order(self, form: Sequence[tuple[str, str]]) -> CallOrder:
        """Reads the form of `Calls/connect`: `From` is called, `CallerId` is what the phone shows, then the flow runs.

        Raises:
            RequestRefused: a field is missing or wrong.
        """
        fields = dict(form)
        to, caller_id = fields.get("From", ""), fields.get("CallerId", "")
        for name, value in (("From", to), ("CallerId", caller_id)):
            if not is_digits(value.removeprefix("+")):
                raise refused(f"{name} is missing or not a phone number")
        plan = CallPlan(
            self._document(fields),
            ring_timeout_s=_seconds(fields, "TimeOut", 45, 600),
            time_limit_s=_seconds(fields, "TimeLimit", 14_400, 14_400),
        )
        target = CallbackTarget(fields.get("StatusCallback", ""))
        events = [value for name, value in form if name.startswith("StatusCallbackEvents")] or ["terminal"]
        callbacks = {_NOTICES[event]: target for event in events if event in _NOTICES} if target.url else {}
        return CallOrder(to, caller_id, plan, callbacks, fields)

    def inbound_order(self, *, to: str, from_: str, url: str) -> CallOrder:
        """An incoming call whose flow begins with the applet."""
        return CallOrder(to, from_, CallPlan(self._applet(Flow(url)), is_inbound=True))

    def resource(self, call: CallRecord) -> dict[str, Any]:
        """The Call object."""
        return {
            "Call": {
                "Sid": call.call_id,
                "ParentCallSid": None,
                "DateCreated": _local(call.created),
                "DateUpdated": _local(call.ended or call.answered or call.created),
                "AccountSid": self.account_sid,
                "To": call.order.from_,
                "From": call.order.to,
                "PhoneNumberSid": call.order.from_,
                "Status": self.status(call),
                "StartTime": _local(call.begun or call.created),
                "EndTime": _local(call.ended),
                "Duration": call.duration_s if call.ended is not None else None,
                "Price": None,
                "Direction": self._direction(call),
                "AnsweredBy": None,
                "ForwardedFrom": None,
                "CallerName": None,
                "Uri": f"/v1/Accounts/{self.account_sid}/Calls/{call.call_id}.json",
                "RecordingUrl": None,
                "CustomField": call.order.fields.get("CustomField"),
            }
        }

    def notice(self, call: CallRecord, notify: Notify, now: datetime) -> OutgoingRequest | None:
        """A status callback; the fields of an event only where the order names events."""
        target = call.order.callbacks.get(notify.notice)
        if target is None:
            return None
        call.reported += 1
        fields = {
            "CallSid": call.call_id,
            "DateUpdated": _local(now) or "",
            "Status": self.status(call),
            "RecordingUrl": "",
            "CustomField": str(call.order.fields.get("CustomField", "")),
        }
        if any(name.startswith("StatusCallbackEvents") for name in call.order.fields):
            fields |= {
                "EventType": "answered" if notify.notice is Notice.ANSWERED else "terminal",
                "DateCreated": _local(call.created) or "",
                "To": call.order.from_,
                "From": call.order.to,
                "PhoneNumberSid": call.order.from_,
                "StartTime": _local(call.begun or call.created) or "",
                "EndTime": _local(call.ended) or "",
                "ConversationDuration": str(call.duration_s),
                "Direction": self._direction(call),
            }
        if call.order.fields.get("StatusCallbackContentType") == "application/json":
            return self._authorised(json_request(target.url, fields))
        return self._authorised(multipart_request(target.url, fields, f"{call.session_id}{call.reported:04d}"))

    def document_request(self, call: CallRecord, source: DocumentSource, now: datetime) -> OutgoingRequest:
        """The applet asks its address for the stream."""
        fields = {
            "CallSid": call.call_id,
            "CallFrom": call.order.from_ if call.is_inbound else call.order.to,
            "CallTo": call.order.to if call.is_inbound else call.order.from_,
            "Direction": "incoming" if call.is_inbound else "outbound-dial",
            "Created": _local(call.created) or "",
            "CurrentTime": _local(now) or "",
            "From": call.order.from_ if call.is_inbound else call.order.to,
            "To": call.order.to if call.is_inbound else call.order.from_,
            "CustomField": str(call.order.fields.get("CustomField", "")),
        }
        return self._authorised(form_request("GET", source.url, fields))

    def stream_request(self, stream: Stream, hex_digits: str) -> OutgoingRequest:
        """The upgrade; credentials that stand in the address travel in a header."""
        del hex_digits
        return self._authorised(OutgoingRequest("GET", stream.url))

    def line(self, stream: Stream) -> CarrierCodec:
        """Exotel's side of a media stream."""
        del stream
        line = Carrier()
        line.account_id = self.account_sid
        return line

    def numbers_in_stream(self, call: CallRecord) -> tuple[str, str]:
        """Both numbers."""
        return call.order.from_, call.order.to

    def read_document(self, source: DocumentSource, body: bytes) -> list[Verb]:
        """The applet's answer: a JSON object whose `url` is the stream's.

        Raises:
            PeerError: it names no stream.
        """
        try:
            url = msgspec.json.decode(body, type=_AppletAnswer).url
        except (msgspec.MsgspecError, UnicodeError) as failure:
            raise PeerError(f"The applet's answer names no stream: {failure}", code="bad_call_document") from None
        flow = next((one for one in self.flows.values() if one.url == source.url), Flow(source.url))
        return _applet_verbs(url, flow)

    def is_authorised(self, authorization: str) -> bool:
        """Basic credentials: the API key and its token."""
        scheme, value = parse_authorization(authorization)
        given = base64_bytes(value) if scheme.lower() == "basic" else None
        return given is not None and is_equal(f"{self._api_key}:{self._api_token}", given)

    def unauthorised(self) -> Refusal:
        """401."""
        return error(401, "Unauthorized")

    def rate_limited(self) -> Refusal:
        """429."""
        return error(429, "Too many requests: the limit is 200 calls per minute")

    def server_error(self) -> Refusal:
        """500."""
        return error(500, "Internal server error")

    def not_found(self) -> Refusal:
        """404."""
        return error(404, "Not found")

    def status(self, call: CallRecord) -> str:
        """Its status in Exotel's words, which know no ringing."""
        if call.status in {CallStatus.INITIATED, CallStatus.RINGING}:
            return "in-progress"
        return "failed" if call.status is CallStatus.CANCELED else str(call.status)

    def _document(self, fields: Mapping[str, str]) -> DocumentSource:
        """A flow of the dashboard by its address, a stream by `StreamUrl`, or an applet's own address."""
        if stream_url := fields.get("StreamUrl", ""):
            return self._applet(Flow(stream_url))
        url = fields.get("Url", "")
        if _FLOW in url:
            app = urlsplit(url).path.partition(_FLOW)[2].strip("/")
            flow = self.flows.get(app)
            if flow is None:
                raise refused(f"there is no app {app}; the simulator knows {', '.join(self.flows) or 'none'}")
            return self._applet(flow)
        if not url.startswith(("http://", "https://", "ws://", "wss://")):
            raise refused("Url or StreamUrl is missing")
        return self._applet(Flow(url))

    def _applet(self, flow: Flow) -> DocumentSource:
        if flow.url.startswith(("ws://", "wss://")):
            return DocumentSource(flow.url, "GET", verbs=_applet_verbs(flow.url, flow))
        return DocumentSource(flow.url, "GET")

    def _authorised(self, request: OutgoingRequest) -> OutgoingRequest:
        """Moves credentials from the address into a header."""
        parts = urlsplit(request.url)
        if not parts.username:
            return request
        bare = replace(request, url=urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
        return signed_for_exotel(bare, unquote(parts.username), unquote(parts.password or ""))

    def _direction(self, call: CallRecord) -> str:
        return "inbound" if call.is_inbound else "outbound-api"


class _AppletAnswer(msgspec.Struct):
    url: str


def error(status: int, message: str) -> Refusal:
    """An error of Exotel's API."""
    return Refusal(status, {"RestException": {"Status": status, "Message": message}})


def refused(message: str) -> RequestRefused:
    """The refusal of a request that is wrong."""
    return RequestRefused(error(400, message))


def _applet_verbs(stream_url: str, flow: Flow) -> list[Verb]:
    if not stream_url.startswith(("ws://", "wss://")):
        raise PeerError(f"The applet's stream address is {stream_url[:80]!r}", code="bad_call_document")
    verbs: list[Verb] = [Stream(stream_url)]
    return [*verbs, Repeat()] if flow.loops else verbs


def _seconds(fields: Mapping[str, str], name: str, default: int, most: int) -> float:
    seconds = whole_seconds(fields.get(name) or default, 1, most)
    if seconds is None:
        raise refused(f"{name} must be a number from 1 to {most}")
    return seconds


def _local(when: datetime | None) -> str | None:
    return None if when is None else when.strftime("%Y-%m-%d %H:%M:%S")
