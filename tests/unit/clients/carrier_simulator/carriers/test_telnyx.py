import json
from typing import Any

import pytest

from tests.unit.clients.carrier_simulator.carriers.calls import HEX, NOW, call_of, ended_calls
from vox.clients.carrier_simulator.behaviour import StreamEnd
from vox.clients.carrier_simulator.call_events import CalleeHungUp, CallPlan, Detection, DocumentSource, Notice, Notify
from vox.clients.carrier_simulator.carriers.telnyx import Telnyx, check_client_state, uuid
from vox.clients.carrier_simulator.dialect import RequestRefused
from vox.clients.carrier_simulator.documents import Hangup, Stream
from vox.clients.carrier_simulator.requests import TelnyxKey

KEY = TelnyxKey(bytes(32))
TELNYX = Telnyx("key", KEY)
BODY: dict[str, Any] = {
    "to": "+15550100",
    "from": "+15550199",
    "connection_id": "42",
    "webhook_url": "http://b/telnyx",
}


def order(**fields: Any):
    return TELNYX.order(BODY | fields)


def event_of(request: Any) -> dict[str, Any]:
    return json.loads(request.body)["data"]


def test_an_order_is_read_with_its_stream_and_its_time_outs():
    read = order(
        to=["+15550100"],
        stream_url="wss://a/media",
        custom_parameters=[{"name": "token", "value": "t"}],
        stream_bidirectional_codec="PCMU",
        stream_auth_token="secret",
        timeout_secs=20,
        time_limit_secs=60,
        answering_machine_detection="detect",
    )
    assert (read.to, read.from_) == ("+15550100", "+15550199")
    assert read.plan == CallPlan(
        stream=Stream("wss://a/media", {"token": "t"}, is_blocking=False, codec="PCMU", name="secret"),
        ring_timeout_s=20.0,
        time_limit_s=60.0,
        detection=Detection.ALONGSIDE,
    )
    assert order().plan == CallPlan(ring_timeout_s=30.0)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"to": 3}, "/to"),
        ({"to": ["+15550100", "+15550101"]}, "/to"),
        ({"to": "555"}, "/to"),
        ({"from": None}, "/from"),
        ({"from": "sip:a@b"}, "/from"),
        ({"connection_id": ""}, "/connection_id"),
        ({"timeout_secs": 2}, "/timeout_secs"),
        ({"stream_url": "https://a"}, "/stream_url"),
        ({"stream_url": "wss://a", "stream_bidirectional_codec": "OPUS"}, "/stream_bidirectional_codec"),
        ({"stream_url": "wss://a", "stream_bidirectional_sampling_rate": 16000}, "/stream_bidirectional_codec"),
        ({"stream_url": "wss://a", "custom_parameters": {"a": 1}}, "/custom_parameters"),
    ],
)
def test_a_wrong_order_is_refused_with_the_field(fields, pointer):
    with pytest.raises(RequestRefused) as caught:
        order(**fields)
    assert caught.value.refusal.status == 422
    assert caught.value.refusal.body["errors"][0]["source"] == {"pointer": pointer}


def test_client_state_must_be_base64():
    assert check_client_state({"client_state": "aGk="}) == "aGk="
    assert check_client_state({}) == ""
    with pytest.raises(RequestRefused):
        check_client_state({"client_state": "not base64"})


def test_webhooks_go_to_the_orders_address_else_to_the_connections():
    connection = Telnyx("key", KEY, "http://b/connection")
    assert {one.url for one in order().callbacks.values()} == {"http://b/telnyx"}
    bare = {name: value for name, value in BODY.items() if name != "webhook_url"}
    assert {one.url for one in connection.order(bare).callbacks.values()} == {"http://b/connection"}
    assert TELNYX.order(bare).callbacks == {}


def test_every_ending_has_its_cause():
    calls = [*ended_calls(TELNYX, order()), call_of(TELNYX, order(), None, CalleeHungUp())]
    calls.append(call_of(TELNYX, order(time_limit_secs=30), seconds=40.0))
    found = [event_of(TELNYX.notice(one, Notify(Notice.COMPLETED), NOW))["payload"] for one in calls]
    assert [(one["hangup_cause"], one["hangup_source"], one["sip_hangup_cause"]) for one in found] == [
        ("normal_clearing", "caller", "200"),
        ("user_busy", "callee", "486"),
        ("call_rejected", "callee", "603"),
        ("timeout", "unknown", "480"),
        ("not_found", "unknown", "404"),
        ("originator_cancel", "caller", "487"),
        ("normal_clearing", "callee", "200"),
        ("time_limit", "unknown", "200"),
    ]


def test_each_webhook_has_an_id_of_its_own_and_what_belongs_to_it():
    call = call_of(TELNYX, order(client_state="aGk="))
    call.client_state = "aGk="
    stream = Stream("wss://a/media")
    events = [
        event_of(TELNYX.notice(call, notify, NOW))
        for notify in (
            Notify(Notice.INITIATED),
            Notify(Notice.ANSWERED),
            Notify(Notice.STREAM_STARTED, "", stream),
            Notify(Notice.STREAM_FAILED, "503", stream),
            Notify(Notice.STREAM_FAILED, StreamEnd.LOST, stream),
            Notify(Notice.KEY_PRESSED, "7"),
            Notify(Notice.DETECTED, "human"),
            Notify(Notice.DETECTED, "unknown"),
            Notify(Notice.SPEAK_ENDED),
        )
    ]
    assert len({one["id"] for one in events}) == len(events)
    assert [one["event_type"] for one in events] == [
        "call.initiated",
        "call.answered",
        "streaming.started",
        "streaming.failed",
        "streaming.failed",
        "call.dtmf.received",
        "call.machine.detection.ended",
        "call.machine.detection.ended",
        "call.speak.ended",
    ]
    payloads = [one["payload"] for one in events]
    assert payloads[0]["state"] == "bridging"
    assert payloads[0]["client_state"] == "aGk="
    assert payloads[1]["start_time"] == "2026-11-30T12:00:03.000Z"
    assert payloads[2]["stream_params"]["stream_url"] == "wss://a/media"
    assert [one.get("failure_reason") for one in payloads[3:5]] == ["connection_failed", "connection_lost"]
    assert payloads[5]["digit"] == "7"
    assert [one["result"] for one in payloads[6:8]] == ["human", "not_sure"]


def test_the_end_of_a_greeting_is_reported_to_those_who_asked_for_it():
    for mode, event_type in (
        ("greeting_end", "call.machine.greeting.ended"),
        ("premium", "call.machine.premium.greeting.ended"),
    ):
        call = call_of(TELNYX, order(answering_machine_detection=mode))
        event = event_of(TELNYX.notice(call, Notify(Notice.GREETING_ENDED), NOW))
        assert (event["event_type"], event["payload"]["result"]) == (event_type, "beep_detected")
    premium = event_of(TELNYX.notice(call, Notify(Notice.DETECTED, "human"), NOW))
    assert premium["payload"]["result"] == "human_residence"
    plain = call_of(TELNYX, order(answering_machine_detection="detect"))
    assert TELNYX.notice(plain, Notify(Notice.GREETING_ENDED), NOW) is None
    assert TELNYX.notice(plain, Notify(Notice.RINGING), NOW) is None


def test_calls_that_come_in_ask_for_texml_or_wait_for_commands():
    texml = call_of(TELNYX, TELNYX.inbound_order(to="+1", from_="+2", url="http://b/texml"), seconds=0.0)
    request = TELNYX.document_request(texml, DocumentSource("http://b/texml"), NOW)
    assert b"Direction=inbound" in request.body
    assert "telnyx-signature-ed25519" in request.headers
    outbound = TELNYX.document_request(call_of(TELNYX, order()), DocumentSource("http://b/texml"), NOW)
    assert b"Direction=outbound" in outbound.body
    waiting = call_of(TELNYX, TELNYX.inbound_order_with_commands(to="+1", from_="+2", url="http://b/cc"), seconds=0.0)
    payload = event_of(TELNYX.notice(waiting, Notify(Notice.INITIATED), NOW))["payload"]
    assert (payload["state"], payload["direction"]) == ("parked", "incoming")
    assert TELNYX.read_document(DocumentSource(), b"<Response><Hangup/></Response>") == [Hangup()]


def test_the_resource_and_the_stream_show_the_call():
    call = call_of(TELNYX, order())
    shown = TELNYX.resource(call)
    assert (shown["is_alive"], shown["call_control_id"], shown["end_time"]) == (True, f"v3:{HEX}", None)
    assert TELNYX.numbers_in_stream(call) == ("+15550199", "+15550100")
    assert TELNYX.line(Stream("wss://a")).sample_rate == 8000
    assert TELNYX.stream_request(Stream("wss://a?x=1"), HEX).headers == {}
    assert TELNYX.stream_request(Stream("wss://a", name="t"), HEX).headers == {"authorization": "Bearer t"}
    assert TELNYX.new_stream_id(HEX) == uuid(HEX) == "01234567-89ab-cdef-0123-456789abcdef"


def test_refusals_are_telnyxs_and_only_the_key_is_taken():
    refusals = (TELNYX.unauthorised(), TELNYX.rate_limited(), TELNYX.server_error(), TELNYX.not_found(), TELNYX.ended())
    assert [one.body["errors"][0]["code"] for one in refusals] == ["10009", "10011", "10007", "10005", "90018"]
    assert TELNYX.is_authorised("Bearer key")
    assert not TELNYX.is_authorised("Bearer other")
    assert not TELNYX.is_authorised("")
