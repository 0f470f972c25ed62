import json
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.protocols.carriers.detect import CARRIERS
from vox.providers.carriers import exotel, genesys, plivo, telnyx, twilio, vonage
from vox.providers.carriers.contract import BusyAnswer, CarrierDriver

URL = "wss://voice.example.com/telephony/ws?agent=a&lang=b"
DRIVERS: dict[str, CarrierDriver] = {
    "twilio": twilio,
    "telnyx": telnyx,
    "plivo": plivo,
    "exotel": exotel,
    "vonage": vonage,
    "genesys": genesys,
}


def xml(answer):
    assert answer.content_type == "application/xml"
    assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    return ET.fromstring(answer.body)  # noqa: S314  our own output


def test_every_carrier_with_a_codec_has_a_driver():
    assert set(DRIVERS) == set(CARRIERS)


def test_twilio_connects_the_call_to_the_stream():
    response = xml(twilio.answer(URL, parameters={"from": "+1555", "token": "a&b"}))
    assert [child.tag for child in response] == ["Connect"]
    (stream,) = response[0]
    assert (stream.tag, stream.attrib) == ("Stream", {"url": URL})
    assert [(p.tag, p.attrib) for p in stream] == [
        ("Parameter", {"name": "from", "value": "+1555"}),
        ("Parameter", {"name": "token", "value": "a&b"}),
    ]


def test_without_parameters_twilios_stream_is_empty_as_in_the_original():
    assert twilio.answer("ws://h/telephony/ws", parameters={}).body == (
        b'<?xml version="1.0" encoding="UTF-8"?><Response><Connect>'
        b'<Stream url="ws://h/telephony/ws"/></Connect></Response>'
    )


def test_telnyx_is_asked_for_audio_both_ways():
    (stream,) = xml(telnyx.answer(URL, parameters={"k": "v"}))[0]
    assert stream.attrib["url"] == URL
    assert stream.attrib["bidirectionalMode"] == "rtp"
    assert stream.attrib["bidirectionalCodec"] == "PCMU"
    assert stream[0].attrib == {"name": "k", "value": "v"}


def test_plivo_takes_the_url_as_text_and_no_connect():
    response = xml(plivo.answer(URL, parameters={"from": "+1555", "token": "abc1", "bad": "a b", "worse;": "x"}))
    (stream,) = response
    assert (stream.tag, stream.text) == ("Stream", URL)
    assert stream.attrib == {
        "bidirectional": "true",
        "keepCallAlive": "true",
        "contentType": "audio/x-mulaw;rate=8000",
        "extraHeaders": "from=1555,token=abc1",
    }


def test_plivo_passes_on_at_most_512_bytes():
    answer = plivo.answer(URL, parameters={f"k{number}": "v" * 100 for number in range(10)})
    assert len(xml(answer)[0].attrib["extraHeaders"]) <= 512
    assert "extraHeaders" not in xml(plivo.answer(URL, parameters={}))[0].attrib


def test_exotel_learns_the_url_in_its_own_way_and_in_the_originals():
    answer = exotel.answer(URL, parameters={"a": "1", "b": "2", "c": "3", "d": "4"})
    body = json.loads(answer.body)
    assert answer.content_type == "application/json"
    assert set(body["data"]) == {"error", "websocketUrl", "note"}
    assert body["url"] == body["data"]["websocketUrl"]
    assert parse_qs(urlsplit(body["url"]).query) == {"agent": ["a"], "lang": ["b"], "a": ["1"], "b": ["2"], "c": ["3"]}
    assert len(urlsplit(json.loads(exotel.answer(URL, parameters={"k": "v" * 999}).body)["url"]).query) <= 256


def test_vonage_gets_an_ncco():
    answer = vonage.answer(URL, parameters={"uuid": "u-1"})
    assert answer.content_type == "application/json"
    assert json.loads(answer.body) == [
        {
            "action": "connect",
            "endpoint": [
                {
                    "type": "websocket",
                    "uri": URL,
                    "content-type": "audio/l16;rate=16000",
                    "headers": {"uuid": "u-1"},
                }
            ],
        }
    ]


def test_genesys_asks_no_webhook():
    assert genesys.answer(URL, parameters={}) is None


@pytest.mark.parametrize("driver", [twilio, telnyx, plivo], ids=lambda driver: driver.__name__.rpartition(".")[2])
@given(url=st.text(), parameters=st.dictionaries(st.text(), st.text(), max_size=3))
def test_nothing_a_caller_sends_adds_an_element(driver, url, parameters):
    response = xml(driver.answer(url, parameters=parameters))
    tags = {element.tag for element in response.iter()}
    assert tags <= {"Response", "Connect", "Stream", "Parameter"}
    assert sum(element.tag == "Stream" for element in response.iter()) == 1


@pytest.mark.parametrize(
    ("name", "refusal", "say", "pause"),
    [
        ("twilio", ("Reject", {"reason": "busy"}), "Say", "Pause"),
        ("telnyx", ("Reject", {"reason": "busy"}), "Say", "Pause"),
        ("plivo", ("Hangup", {"reason": "busy"}), "Speak", "Wait"),
    ],
)
def test_a_busy_line_has_a_busy_tone_a_message_or_waiting_and_never_a_stream(name, refusal, say, pause):
    driver = DRIVERS[name]
    (rejected,) = xml(driver.busy(BusyAnswer()))
    assert (rejected.tag, rejected.attrib) == refusal
    spoken, end = xml(driver.busy(BusyAnswer("Busy & <sorry>")))
    assert (spoken.tag, spoken.text, end.tag, end.attrib) == (say, "Busy & <sorry>", "Hangup", {})
    spoken, waits, again = xml(driver.busy(BusyAnswer("Wait", "https://h/?a=1&b=2", 7)))
    assert (spoken.text, waits.tag, waits.attrib) == ("Wait", pause, {"length": "7"})
    assert (again.tag, again.text, again.attrib) == ("Redirect", "https://h/?a=1&b=2", {"method": "POST"})
    assert [child.tag for child in xml(driver.busy(BusyAnswer("", "https://h/")))] == [pause, "Redirect"]


def test_vonage_speaks_and_ends_the_call_and_the_others_have_no_words():
    spoken, ended = vonage.busy(BusyAnswer("Busy", "https://h/")), vonage.busy(BusyAnswer())
    assert spoken is not None
    assert ended is not None
    assert json.loads(spoken.body) == [{"action": "talk", "text": "Busy"}]
    assert json.loads(ended.body) == []
    assert exotel.busy(BusyAnswer("Busy")) is None
    assert genesys.busy(BusyAnswer("Busy")) is None
