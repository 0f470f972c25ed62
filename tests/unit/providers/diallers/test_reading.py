"""What carriers' callbacks and answers mean: one table for each carrier's words."""

from typing import Any

import pytest

from vox.providers.carriers.contract import CarrierCall
from vox.providers.diallers import exotel, livekit_sip, plivo, telnyx, twilio
from vox.providers.diallers._rest import RestAnswer, end_by_sip, error_code, refusal, with_query

ID = "id-1"


def ended(end: str, reason: str = "", *, is_retryable: bool = True, **more: Any) -> CarrierCall:
    return CarrierCall(ID, "ended", end, reason=reason, is_retryable=is_retryable, **more)  # pyright: ignore[reportArgumentType]  one of the kinds


@pytest.mark.parametrize(
    ("fields", "call"),
    [
        ({"callstatus": "initiated"}, CarrierCall(ID, "queued")),
        ({"callstatus": "ringing"}, CarrierCall(ID, "ringing")),
        ({"callstatus": "in-progress"}, CarrierCall(ID, "answered")),
        ({"callstatus": "completed", "callduration": "12"}, ended("completed", duration_s=12.0)),
        ({"callstatus": "completed", "answeredby": "machine_start"}, ended("completed", answered_by="machine")),
        ({"callstatus": "busy", "sipresponsecode": "486"}, ended("busy", "sip_486")),
        ({"callstatus": "no-answer"}, ended("no_answer")),
        ({"callstatus": "canceled"}, ended("canceled")),
        ({"callstatus": "failed", "sipresponsecode": "404"}, ended("failed", "sip_404", is_retryable=False)),
        ({"callstatus": "failed", "sipresponsecode": "603"}, ended("rejected", "sip_603")),
        ({"callstatus": "failed", "sipresponsecode": "480"}, ended("no_answer", "sip_480")),
        ({"callstatus": "failed", "sipresponsecode": "200"}, ended("failed")),
        ({"answeredby": "machine_end_beep"}, CarrierCall(ID, "answered", answered_by="machine")),
        ({"answeredby": "human"}, CarrierCall(ID, "answered", answered_by="human")),
        ({"answeredby": "banana"}, None),
    ],
)
def test_twilio(fields: dict[str, str], call: CarrierCall | None):
    event = twilio.read_callback({"callsid": ID, **fields})
    assert (event.call if event is not None else None) == call


@pytest.mark.parametrize(
    ("kind", "payload", "call"),
    [
        ("call.initiated", {}, CarrierCall(ID, "ringing")),
        ("call.answered", {}, CarrierCall(ID, "answered")),
        ("call.hangup", {"hangup_cause": "normal_clearing"}, ended("completed")),
        ("call.hangup", {"hangup_cause": "user_busy"}, ended("busy", "user_busy")),
        ("call.hangup", {"hangup_cause": "timeout"}, ended("no_answer", "timeout")),
        ("call.hangup", {"hangup_cause": "not_found"}, ended("failed", "not_found", is_retryable=False)),
        ("call.hangup", {"hangup_cause": "odd", "sip_hangup_cause": "603"}, ended("rejected", "odd")),
        ("call.machine.detection.ended", {"result": "machine"}, CarrierCall(ID, "answered", answered_by="machine")),
        (
            "call.machine.premium.detection.ended",
            {"result": "human_business"},
            CarrierCall(ID, "answered", answered_by="human"),
        ),
        ("streaming.started", {}, None),
        ("", {}, None),
    ],
)
def test_telnyx(kind: str, payload: dict[str, str], call: CarrierCall | None):
    body = {"data": {"event_type": kind, "payload": {"call_control_id": ID, "client_state": "Y2FsbF8xLTE=", **payload}}}
    event = telnyx.read_callback(body)
    assert (event.call if event is not None else None) == call
    assert event is None or event.tag == "call_1-1"


@pytest.mark.parametrize("body", [{}, {"data": 5}, {"data": {"event_type": "call.answered", "payload": []}}])
def test_telnyx_bodies_of_another_shape_do_no_harm(body: dict[str, Any]):
    event = telnyx.read_callback(body)
    assert event is None or event.call.carrier_call_id == ""


@pytest.mark.parametrize(
    ("fields", "call"),
    [
        ({"callstatus": "ringing"}, CarrierCall(ID, "ringing")),
        ({"callstatus": "in-progress"}, CarrierCall(ID, "answered")),
        ({"callstatus": "completed", "duration": "3"}, ended("completed", duration_s=3.0)),
        ({"callstatus": "busy", "hangupcausename": "Busy Line"}, ended("busy", "Busy Line")),
        ({"callstatus": "failed", "hangupcausename": "Rejected"}, ended("rejected", "Rejected")),
        ({"callstatus": "timeout"}, ended("no_answer")),
        (
            {"callstatus": "failed", "hangupcausename": "Unallocated number"},
            ended("failed", "Unallocated number", is_retryable=False),
        ),
        ({"callstatus": "in-progress", "machine": "true"}, CarrierCall(ID, "answered", answered_by="machine")),
        ({}, None),
    ],
)
def test_plivo(fields: dict[str, str], call: CarrierCall | None):
    event = plivo.read_callback({"calluuid": ID, **fields})
    assert (event.call if event is not None else None) == call


@pytest.mark.parametrize(
    ("fields", "call"),
    [
        ({"eventtype": "answered"}, CarrierCall(ID, "answered")),
        (
            {"eventtype": "terminal", "status": "completed", "conversationduration": "4"},
            ended("completed", duration_s=4.0),
        ),
        ({"status": "no-answer"}, ended("no_answer")),
        ({"status": "failed"}, ended("failed")),
        ({"status": "in-progress"}, CarrierCall(ID, "ringing")),
        ({"customfield": "call_1-1"}, CarrierCall(ID, "answered")),  # the applet asks for its stream
        ({}, None),
    ],
)
def test_exotel(fields: dict[str, str], call: CarrierCall | None):
    event = exotel.read_callback({"callsid": ID, **fields})
    assert (event.call if event is not None else None) == call


@pytest.mark.parametrize(
    ("body", "call"),
    [
        (
            {"event": "participant_joined", "participant": {"attributes": {"sip.callStatus": "ringing"}}},
            CarrierCall(ID, "ringing"),
        ),
        (
            {"event": "participant_joined", "participant": {"attributes": {"sip.callStatus": "active"}}},
            CarrierCall(ID, "answered"),
        ),
        (
            {"event": "participant_left", "participant": {"disconnectReason": "USER_UNAVAILABLE"}},
            ended("no_answer", "user_unavailable"),
        ),
        (
            {"event": "participant_left", "participant": {"attributes": {"sip.callStatusCode": "486"}}},
            ended("rejected", "sip_486"),
        ),
        ({"event": "participant_left", "participant": {}}, ended("completed")),
        ({"event": "room_finished"}, None),
    ],
)
def test_livekit(body: dict[str, Any], call: CarrierCall | None):
    participant = {"identity": f"sip-{ID}", **body.get("participant", {})}
    event = livekit_sip.read_callback({**body, "room": {"name": ID}, "participant": participant})
    assert (event.call if event is not None else None) == call
    assert livekit_sip.read_callback({**body, "room": {"name": ID}, "participant": {"identity": "someone"}}) is None


@pytest.mark.parametrize(
    ("status", "body", "reason", "is_retryable", "is_rate_limit"),
    [
        (400, {"code": 21211}, "invalid_number", False, False),
        (400, {"code": 99999}, "carrier_refused", False, False),
        (401, {"code": 20003}, "carrier_unauthorized", False, False),
        (403, {"errors": [{"code": "21211"}]}, "invalid_number", False, False),
        (422, {}, "carrier_refused", False, False),
        (429, {"code": 20429}, "carrier_rate_limit", True, True),
    ],
)
def test_a_refusal_says_whether_another_attempt_helps(status, body, reason, is_retryable, is_rate_limit):
    refused = refusal("Twilio", RestAnswer(status, body, 3.0), {"21211": "invalid_number"})
    assert (refused.reason, refused.retryable, refused.is_rate_limit) == (reason, is_retryable, is_rate_limit)
    assert refused.retry_after_s == (3.0 if is_rate_limit else None)


def test_small_readings():
    assert error_code({"errors": []}) == ""
    assert error_code({"code": ["x"]}) == ""
    assert end_by_sip("408") == ("no_answer", "sip_408", True)
    assert end_by_sip("4080") == ("failed", "", True)
    assert with_query("wss://w/x", {"token": "a b"}) == "wss://w/x?token=a+b"
    assert with_query("wss://w/x?y=1", {"token": "a"}) == "wss://w/x?y=1&token=a"
    assert with_query("wss://w/x", {}) == "wss://w/x"
