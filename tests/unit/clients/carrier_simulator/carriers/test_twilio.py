import base64
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.unit.clients.carrier_simulator.carriers.calls import HEX, NOW, call_of, ended_calls
from vox.clients.carrier_simulator.behaviour import AnsweredBy, Behaviour, StreamEnd
from vox.clients.carrier_simulator.call_events import CallPlan, Detection, DocumentSource, Notice, Notify
from vox.clients.carrier_simulator.carriers.twilio import Twilio
from vox.clients.carrier_simulator.dialect import RequestRefused
from vox.clients.carrier_simulator.documents import Hangup, Stream

TWILIO = Twilio("AC1", "token")
FORM = {"To": "+15550100", "From": "+15550199", "Url": "http://b/answer"}
STATUS = {"StatusCallback": "http://b/status"}


def order(**fields: str):
    return TWILIO.order([*(FORM | fields).items()])


def fields_of(request: Any) -> dict[str, str]:
    return {name: value[0] for name, value in parse_qs(request.body.decode(), keep_blank_values=True).items()}


def test_an_order_is_read_with_its_time_outs_and_its_document():
    read = order(Timeout="20", TimeLimit="600", Method="GET", FallbackUrl="http://b/fallback")
    assert (read.to, read.from_) == ("+15550100", "+15550199")
    assert read.plan == CallPlan(
        DocumentSource("http://b/answer", "GET", fallback_url="http://b/fallback"),
        ring_timeout_s=20.0,
        time_limit_s=600.0,
    )
    assert order(Twiml="<Response><Hangup/></Response>").plan.document == DocumentSource(verbs=[Hangup()])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": ""}, 21201),
        ({"From": ""}, 21213),
        ({"To": "12"}, 21211),
        ({"From": "me"}, 21212),
        ({"Url": ""}, 21205),
        ({"Url": "ftp://b"}, 21205),
        ({"Twiml": "<Response>"}, 12100),
        ({"Timeout": "0"}, 20001),
        ({"Timeout": "soon"}, 20001),
        ({"MachineDetection": "Maybe"}, 20001),
    ],
)
def test_a_wrong_order_is_refused_with_twilios_code(fields, code):
    with pytest.raises(RequestRefused) as caught:
        order(**fields)
    assert caught.value.refusal.status == 400
    assert caught.value.refusal.body["code"] == code


def test_sip_and_client_addresses_are_called_too():
    assert order(To="sip:a@b.example").to == "sip:a@b.example"
    assert order(To="client:anna", From="client:bot").from_ == "client:bot"


@pytest.mark.parametrize(
    ("mode", "alongside", "detection"),
    [
        ("", "", Detection.NONE),
        ("Enable", "", Detection.BEFORE_DOCUMENT),
        ("DetectMessageEnd", "", Detection.MESSAGE_END),
        ("Enable", "true", Detection.ALONGSIDE),
        ("DetectMessageEnd", "true", Detection.ALONGSIDE_MESSAGE_END),
    ],
)
def test_machine_detection_is_ordered_in_four_ways(mode, alongside, detection):
    assert order(MachineDetection=mode, AsyncAmd=alongside).plan.detection is detection


def test_without_events_only_the_end_is_reported_and_events_may_share_a_field():
    assert order().callbacks == {}
    assert list(order(**STATUS).callbacks) == [Notice.COMPLETED]
    several = order(**STATUS, StatusCallbackEvent="initiated answered", StatusCallbackMethod="GET")
    assert [*several.callbacks] == [Notice.INITIATED, Notice.ANSWERED]
    assert several.callbacks[Notice.ANSWERED].method == "GET"
    assert [*order(AsyncAmdStatusCallback="http://b/amd").callbacks] == [Notice.DETECTED]


def test_every_ending_has_its_status_and_sip_code_in_the_last_callback():
    found = []
    for call in ended_calls(TWILIO, order(**STATUS)):
        request = TWILIO.notice(call, Notify(Notice.COMPLETED), NOW)
        fields = fields_of(request)
        found.append((fields["CallStatus"], fields["SipResponseCode"], fields["CallDuration"]))
    assert found == [
        ("completed", "200", "62"),
        ("busy", "486", "0"),
        ("busy", "603", "0"),
        ("no-answer", "480", "0"),
        ("failed", "404", "0"),
        ("canceled", "487", "0"),
    ]


def test_each_callback_has_its_number_and_the_status_of_its_moment():
    call = call_of(TWILIO, order(**STATUS, StatusCallbackEvent="initiated ringing answered completed"))
    notices = (Notice.INITIATED, Notice.RINGING, Notice.ANSWERED)
    found = [fields_of(TWILIO.notice(call, Notify(notice), NOW)) for notice in notices]
    assert [one["SequenceNumber"] for one in found] == ["0", "1", "2"]
    assert {one["CallbackSource"] for one in found} == {"call-progress-events"}
    assert {one["Timestamp"] for one in found} == {"Mon, 30 Nov 2026 12:00:00 +0000"}
    assert found[-1]["CallStatus"] == "in-progress"
    assert TWILIO.notice(call, Notify(Notice.KEY_PRESSED, "1"), NOW) is None


def test_detection_is_reported_to_its_own_address_and_stands_in_the_next_document_request():
    told = order(MachineDetection="Enable", AsyncAmd="true", AsyncAmdStatusCallback="http://b/amd")
    call = call_of(TWILIO, told, Behaviour(answered_by=AnsweredBy.MACHINE), seconds=4.0)
    request = TWILIO.notice(call, Notify(Notice.DETECTED, "machine_start"), NOW)
    assert request is not None
    assert request.url == "http://b/amd"
    assert fields_of(request)["AnsweredBy"] == "machine_start"
    document = TWILIO.document_request(call, DocumentSource("http://b/next", fields={"Digits": "1"}), NOW)
    assert fields_of(document)["AnsweredBy"] == "machine_start"
    assert fields_of(document)["Digits"] == "1"
    assert TWILIO.resource(call)["answered_by"] == "machine_start"


def test_a_streams_own_callback_says_what_became_of_it():
    call = call_of(TWILIO, order())
    stream = Stream("wss://a/media", status_callback="http://b/stream", status_method="POST", name="n")
    found = [
        fields_of(TWILIO.notice(call, Notify(notice, detail, stream), NOW))
        for notice, detail in (
            (Notice.STREAM_STARTED, ""),
            (Notice.STREAM_STOPPED, StreamEnd.CLOSED),
            (Notice.STREAM_FAILED, "503"),
            (Notice.STREAM_FAILED, StreamEnd.LOST),
        )
    ]
    assert [(one["StreamEvent"], one.get("StreamErrorCode")) for one in found] == [
        ("stream-started", None),
        ("stream-stopped", None),
        ("stream-error", "31920"),
        ("stream-error", "31924"),
    ]
    assert TWILIO.notice(call, Notify(Notice.STREAM_STARTED, "", Stream("wss://a/media")), NOW) is None
    assert TWILIO.notice(call, Notify(Notice.STREAM_STARTED), NOW) is None


def test_the_resource_shows_the_call_as_it_stands():
    ringing = TWILIO.resource(call_of(TWILIO, order(), seconds=1.0))
    assert (ringing["status"], ringing["start_time"], ringing["end_time"], ringing["duration"]) == (
        "ringing",
        None,
        None,
        None,
    )
    queued = TWILIO.resource(call_of(TWILIO, order(), seconds=0.0))
    assert (queued["status"], queued["queue_time"], queued["direction"]) == ("queued", "1000", "outbound-api")
    over = TWILIO.resource(ended_calls(TWILIO, order())[0])
    assert (over["status"], over["duration"]) == ("completed", "62")
    inbound = call_of(TWILIO, TWILIO.inbound_order(to="+1", from_="+2", url="http://b"), seconds=0.0)
    assert TWILIO.resource(inbound)["direction"] == "inbound"
    inbound.begun = None
    assert TWILIO.resource(inbound)["queue_time"] == "0"


def test_a_streams_address_loses_its_query_which_twilio_does_not_support():
    request = TWILIO.stream_request(Stream("wss://a/media?token=1"), HEX)
    assert request.url == "wss://a/media"
    assert "x-twilio-signature" in request.headers


def test_the_stream_names_the_account_and_no_numbers():
    assert TWILIO.numbers_in_stream(call_of(TWILIO, order())) == ("", "")
    line = TWILIO.line(Stream("wss://a"))
    opened = line.open(call_id="CA1", stream_id="MZ1", caller="", callee="", parameters={})
    assert '"accountSid":"AC1"' in str(opened[1])
    assert (TWILIO.new_call_id(HEX), TWILIO.new_stream_id(HEX)) == (f"CA{HEX}", f"MZ{HEX}")


def test_only_the_accounts_own_credentials_are_taken():
    def basic(text: str) -> str:
        return f"Basic {base64.b64encode(text.encode()).decode()}"

    assert TWILIO.is_authorised(basic("AC1:token"))
    for wrong in ("", "Basic !", "Bearer token", basic("AC1:other"), basic("AC2:token")):
        assert not TWILIO.is_authorised(wrong)


def test_refusals_are_twilios():
    found = [
        one.body["code"]
        for one in (TWILIO.unauthorised(), TWILIO.rate_limited(), TWILIO.server_error(), TWILIO.not_found())
    ]
    assert found == [20003, 20429, 20500, 20404]
    assert TWILIO.read_document(DocumentSource(), b"<Response><Hangup/></Response>") == [Hangup()]
