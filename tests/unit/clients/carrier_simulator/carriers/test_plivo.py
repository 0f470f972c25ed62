import base64
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.unit.clients.carrier_simulator.carriers.calls import HEX, NOW, call_of, ended_calls
from vox.clients.carrier_simulator.behaviour import AnsweredBy, Behaviour
from vox.clients.carrier_simulator.call_events import (
    CallPlan,
    Detection,
    DocumentArrived,
    DocumentSource,
    Notice,
    Notify,
)
from vox.clients.carrier_simulator.carriers.plivo import Plivo
from vox.clients.carrier_simulator.dialect import RequestRefused
from vox.clients.carrier_simulator.documents import Hangup, Stream
from vox.errors import PeerError

PLIVO = Plivo("MA1", "token")
BODY: dict[str, Any] = {
    "to": "15550100",
    "from": "15550199",
    "answer_url": "http://b/answer",
    "hangup_url": "http://b/h",
}


def order(**fields: Any):
    return PLIVO.orders(BODY | fields)[0]


def fields_of(request: Any) -> dict[str, str]:
    return {name: value[0] for name, value in parse_qs(request.body.decode(), keep_blank_values=True).items()}


def test_an_order_is_read_for_each_of_its_numbers():
    one, two = PLIVO.orders(BODY | {"to": "15550100<+15550101", "ring_timeout": 20, "time_limit": "60"})
    assert (one.to, two.to, one.from_) == ("15550100", "+15550101", "15550199")
    assert one.plan == CallPlan(DocumentSource("http://b/answer", "POST"), ring_timeout_s=20.0, time_limit_s=60.0)
    assert order(to="sip:a@b").to == "sip:a@b"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"to": ""}, "to parameter not present"),
        ({"from": ""}, "from parameter not present"),
        ({"answer_url": ""}, "answer_url parameter not present"),
        ({"answer_url": "ftp://b"}, "answer_url parameter is not a valid URL"),
        ({"to": "call me"}, "call me is not a valid phone number"),
        ({"ring_timeout": 0}, "ring_timeout parameter must be a number from 1 to 600"),
    ],
)
def test_a_wrong_order_is_refused_with_the_reason(fields, said):
    with pytest.raises(RequestRefused) as caught:
        order(**fields)
    assert (caught.value.refusal.status, caught.value.refusal.body["error"]) == (400, said)


def test_machine_detection_blocks_unless_it_has_an_address_and_may_hang_up():
    assert order().plan.detection is Detection.NONE
    assert order(machine_detection=True).plan.detection is Detection.BEFORE_DOCUMENT
    alongside = order(machine_detection="true", machine_detection_url="http://b/m")
    assert alongside.plan.detection is Detection.ALONGSIDE
    assert alongside.callbacks[Notice.DETECTED].url == "http://b/m"
    assert order(machine_detection="hangup").plan.hangs_up_on_machine


def test_every_ending_has_its_status_code_name_and_source():
    calls = [*ended_calls(PLIVO, order())]
    calls.append(call_of(PLIVO, order(), None, DocumentArrived([], 1)))
    hang_up = order(machine_detection="hangup")
    calls.append(call_of(PLIVO, hang_up, Behaviour(answered_by=AnsweredBy.MACHINE), seconds=10.0))
    found = [fields_of(PLIVO.notice(one, Notify(Notice.COMPLETED), NOW)) for one in calls]
    names = ("CallStatus", "HangupCause", "HangupCauseCode", "HangupCauseName", "HangupSource")
    assert [tuple(one[name] for name in names) for one in found] == [
        ("completed", "NORMAL_CLEARING", "4000", "Normal Hangup", "API Request"),
        ("busy", "USER_BUSY", "3010", "Busy Line", "Callee"),
        ("busy", "USER_BUSY", "3020", "Rejected", "Callee"),
        ("no-answer", "NO_ANSWER", "3000", "No Answer", "Plivo"),
        ("failed", "UNALLOCATED_NUMBER", "2000", "Invalid Destination Address", "Carrier"),
        ("cancel", "ORIGINATOR_CANCEL", "1000", "Cancelled", "API Request"),
        ("completed", "NORMAL_CLEARING", "4010", "End Of XML Instructions", "Plivo"),
        ("completed", "NORMAL_CLEARING", "6020", "Machine Detected", "Plivo"),
    ]
    assert (found[0]["Duration"], found[0]["BillDuration"]) == ("62", "120")


def test_ringing_detection_and_streams_are_reported_to_their_addresses():
    subscribed = order(ring_url="http://b/ring", machine_detection=True, machine_detection_url="http://b/m")
    call = call_of(PLIVO, subscribed, seconds=1.0)
    ring = fields_of(PLIVO.notice(call, Notify(Notice.RINGING), NOW))
    assert (ring["Event"], ring["CallStatus"], ring["To"]) == ("Ring", "ringing", "15550100")
    machine = fields_of(PLIVO.notice(call, Notify(Notice.DETECTED, "machine_start"), NOW))
    assert (machine["Event"], machine["Machine"]) == ("MachineDetection", "true")
    stream = Stream("wss://a/media", status_callback="http://b/stream")
    for notice, event in (
        (Notice.STREAM_STARTED, "StartStream"),
        (Notice.STREAM_STOPPED, "StopStream"),
        (Notice.STREAM_FAILED, "DroppedStream"),
    ):
        assert fields_of(PLIVO.notice(call, Notify(notice, "", stream), NOW))["Event"] == event
    assert PLIVO.notice(call, Notify(Notice.STREAM_STARTED, "", Stream("wss://a")), NOW) is None
    assert PLIVO.notice(call, Notify(Notice.STREAM_STARTED), NOW) is None
    assert PLIVO.notice(call, Notify(Notice.ANSWERED), NOW) is None


def test_the_answer_is_asked_for_with_what_detection_found_and_nonces_are_never_repeated():
    call = call_of(PLIVO, order(machine_detection=True), seconds=5.0)
    first = PLIVO.document_request(call, DocumentSource("http://b/answer"), NOW)
    call.machine.documents = 2
    second = PLIVO.document_request(call, DocumentSource("http://b/more", fields={"Digits": "1"}), NOW)
    assert (fields_of(first)["Event"], fields_of(first)["Machine"]) == ("StartApp", "false")
    assert (fields_of(second)["Event"], fields_of(second)["Digits"]) == ("Redirect", "1")
    nonces = {one.headers["x-plivo-signature-v3-nonce"] for one in (first, second)}
    assert len(nonces) == 2
    plain = call_of(PLIVO, order())
    assert "Machine" not in fields_of(PLIVO.document_request(plain, DocumentSource("http://b/answer"), NOW))


def test_the_resources_show_the_call():
    live, over = call_of(PLIVO, order(), seconds=0.0), ended_calls(PLIVO, order())[1]
    assert PLIVO.live_resource(live)["call_status"] == "ringing"
    assert PLIVO.resource(live)["hangup_cause_code"] == 0
    assert (PLIVO.resource(over)["call_state"], PLIVO.resource(over)["to_number"]) == ("BUSY", "15550100")
    inbound = call_of(PLIVO, PLIVO.inbound_order(to="+1", from_="+2", url="http://b"), seconds=0.0)
    assert PLIVO.live_resource(inbound)["direction"] == "inbound"


def test_a_stream_is_mu_law_or_linear_and_8_khz_only():
    assert PLIVO.line(Stream("wss://a")).encoding == "mulaw"
    assert PLIVO.line(Stream("wss://a", codec="audio/x-l16;rate=8000")).encoding == "s16le"
    with pytest.raises(PeerError, match="8000"):
        PLIVO.read_document(
            DocumentSource(), b'<Response><Stream contentType="audio/x-l16;rate=16000">wss://a</Stream></Response>'
        )
    assert PLIVO.read_document(DocumentSource(), b"<Response><Hangup/></Response>") == [Hangup()]
    assert "x-plivo-signature-v3" in PLIVO.stream_request(Stream("wss://a"), HEX).headers
    assert PLIVO.numbers_in_stream(call_of(PLIVO, order())) == ("", "")
    assert PLIVO.new_stream_id(HEX) == PLIVO.new_call_id(HEX)


def test_a_stream_may_be_ordered_by_the_api():
    body = {"service_url": "wss://a/media", "extra_headers": "a=1,b=2", "status_callback_url": "http://b/s"}
    assert PLIVO.stream(body) == Stream(
        "wss://a/media", {"a": "1", "b": "2"}, status_callback="http://b/s", is_blocking=False
    )
    with pytest.raises(RequestRefused):
        PLIVO.stream({})


def test_refusals_are_plivos_and_only_the_accounts_credentials_are_taken():
    refusals = (PLIVO.unauthorised(), PLIVO.rate_limited(), PLIVO.server_error(), PLIVO.not_found())
    assert [one.status for one in refusals] == [401, 429, 500, 404]
    assert PLIVO.is_authorised(f"Basic {base64.b64encode(b'MA1:token').decode()}")
    assert not PLIVO.is_authorised(f"Basic {base64.b64encode(b'MA1:other').decode()}")
    assert not PLIVO.is_authorised("Bearer token")
