import base64
import json

import pytest

from tests.unit.clients.carrier_simulator.carriers.calls import HEX, NOW, call_of, ended_calls
from vox.clients.carrier_simulator.call_events import CallPlan, DocumentSource, Notice, Notify
from vox.clients.carrier_simulator.carriers.exotel import Exotel, Flow
from vox.clients.carrier_simulator.dialect import RequestRefused
from vox.clients.carrier_simulator.documents import Repeat, Stream
from vox.errors import PeerError

APPLET, STREAM = "http://b/applet", "ws://a/media"
EXOTEL = Exotel(
    "acme", "key", "secret", {"7": Flow(APPLET), "8": Flow(APPLET + "2", loops=True), "9": Flow(STREAM, loops=True)}
)
FORM = {"From": "+919900000001", "CallerId": "08000000001", "Url": "http://my.exotel.com/acme/exoml/start_voice/7"}
STATUS = {"StatusCallback": "http://u:p@b/status"}


def order(**fields: str):
    return EXOTEL.order([*(FORM | fields).items()])


def test_an_order_calls_from_and_shows_the_caller_id():
    read = order(TimeOut="20", TimeLimit="600")
    assert (read.to, read.from_) == ("+919900000001", "08000000001")
    assert read.plan == CallPlan(DocumentSource(APPLET, "GET"), ring_timeout_s=20.0, time_limit_s=600.0)


def test_the_flow_is_an_app_a_stream_or_an_applets_own_address():
    assert order(Url="http://my.exotel.com/acme/exoml/start_voice/9").plan.document == DocumentSource(
        STREAM, "GET", verbs=[Stream(STREAM), Repeat()]
    )
    assert order(Url="", StreamUrl=STREAM).plan.document == DocumentSource(STREAM, "GET", verbs=[Stream(STREAM)])
    assert order(Url=APPLET).plan.document == DocumentSource(APPLET, "GET")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"From": ""}, "From is missing"),
        ({"CallerId": "x"}, "CallerId is missing"),
        ({"Url": ""}, "Url or StreamUrl is missing"),
        ({"Url": "http://my.exotel.com/acme/exoml/start_voice/1"}, "there is no app 1; the simulator knows 7, 8, 9"),
        ({"TimeOut": "0"}, "TimeOut must be a number"),
    ],
)
def test_a_wrong_order_is_refused_with_the_reason(fields, said):
    with pytest.raises(RequestRefused) as caught:
        order(**fields)
    assert caught.value.refusal.status == 400
    assert said in caught.value.refusal.body["RestException"]["Message"]


def test_the_end_is_reported_and_the_answer_where_it_is_asked_for():
    assert [*order().callbacks] == []
    assert [*order(**STATUS).callbacks] == [Notice.COMPLETED]
    events = {"StatusCallbackEvents[0]": "answered", "StatusCallbackEvents[1]": "terminal", "x": "y"}
    assert {*order(**STATUS, **events).callbacks} == {Notice.ANSWERED, Notice.COMPLETED}


def test_every_ending_has_its_status_and_credentials_in_the_address_travel_in_a_header():
    subscribed = order(**STATUS, StatusCallbackContentType="application/json", CustomField="tag-1")
    requests = [EXOTEL.notice(one, Notify(Notice.COMPLETED), NOW) for one in ended_calls(EXOTEL, subscribed)]
    found = [json.loads(one.body) for one in requests if one is not None]
    assert [one["Status"] for one in found] == ["completed", "busy", "busy", "no-answer", "failed", "failed"]
    assert {one["CustomField"] for one in found} == {"tag-1"}
    assert "EventType" not in found[0]
    assert requests[0] is not None
    assert requests[0].url == "http://b/status"
    assert requests[0].headers["authorization"] == f"Basic {base64.b64encode(b'u:p').decode()}"


def test_events_bring_more_fields_as_multipart_unless_json_is_asked_for():
    subscribed = order(StatusCallback="http://b/status", **{"StatusCallbackEvents[0]": "answered"})
    call = call_of(EXOTEL, subscribed)
    request = EXOTEL.notice(call, Notify(Notice.ANSWERED), NOW)
    assert request is not None
    assert request.headers["content-type"].startswith("multipart/form-data")
    assert (request.fields["EventType"], request.fields["Status"]) == ("answered", "in-progress")
    assert "authorization" not in request.headers
    assert EXOTEL.notice(call, Notify(Notice.COMPLETED), NOW) is None
    terminal = call_of(EXOTEL, order(StatusCallback="http://b/s", **{"StatusCallbackEvents[0]": "terminal"}))
    shown = EXOTEL.notice(terminal, Notify(Notice.COMPLETED), NOW)
    assert shown is not None
    assert shown.fields["EventType"] == "terminal"


def test_the_applet_asks_for_its_stream_and_may_lead_back_to_itself():
    call = call_of(EXOTEL, order())
    request = EXOTEL.document_request(call, DocumentSource(APPLET, "GET"), NOW)
    assert request.method == "GET"
    assert f"CallSid={HEX}" in request.url
    body = json.dumps({"url": STREAM, "data": {}}).encode()
    assert EXOTEL.read_document(DocumentSource(APPLET, "GET"), body) == [Stream(STREAM)]
    assert EXOTEL.read_document(DocumentSource(APPLET + "2", "GET"), body) == [Stream(STREAM), Repeat()]
    for wrong in (b"", b"[]", b'{"url": 3}', b'{"url": "https://a"}', b"\xff"):
        with pytest.raises(PeerError):
            EXOTEL.read_document(DocumentSource(APPLET, "GET"), wrong)
    inbound = call_of(EXOTEL, EXOTEL.inbound_order(to="+1", from_="+2", url=APPLET), seconds=0.0)
    assert "Direction=incoming" in EXOTEL.document_request(inbound, DocumentSource(APPLET), NOW).url


def test_the_resource_and_the_stream_show_the_call():
    shown = EXOTEL.resource(call_of(EXOTEL, order(), seconds=0.0))["Call"]
    assert (shown["Status"], shown["Direction"], shown["Duration"]) == ("in-progress", "outbound-api", None)
    over = ended_calls(EXOTEL, order())[0]
    assert EXOTEL.resource(over)["Call"]["Duration"] == 62
    inbound = call_of(EXOTEL, EXOTEL.inbound_order(to="+1", from_="+2", url=APPLET), seconds=0.0)
    assert EXOTEL.resource(inbound)["Call"]["Direction"] == "inbound"
    assert EXOTEL.numbers_in_stream(over) == ("08000000001", "+919900000001")
    assert EXOTEL.line(Stream(STREAM)).encoding == "s16le"
    assert EXOTEL.stream_request(Stream("wss://k:t@a/media"), HEX).url == "wss://a/media"
    assert EXOTEL.new_call_id(HEX) == EXOTEL.new_stream_id(HEX) == HEX


def test_refusals_are_exotels_and_only_its_credentials_are_taken():
    refusals = (EXOTEL.unauthorised(), EXOTEL.rate_limited(), EXOTEL.server_error(), EXOTEL.not_found())
    assert [one.body["RestException"]["Status"] for one in refusals] == [401, 429, 500, 404]
    assert EXOTEL.is_authorised(f"Basic {base64.b64encode(b'key:secret').decode()}")
    assert not EXOTEL.is_authorised(f"Basic {base64.b64encode(b'key:other').decode()}")
    assert not EXOTEL.is_authorised("Bearer secret")
