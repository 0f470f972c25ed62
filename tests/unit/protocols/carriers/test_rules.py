"""Each carrier's own demands, one test for each row of the table; the table and the tests name the same rules."""

import base64
import json
import sys

import pytest

from tests.unit.protocols.carriers.pair import Pair, only, said
from vox.errors import UsageError
from vox.protocols.carriers import exotel, genesys, plivo, telnyx, vonage
from vox.protocols.carriers.rules import RULES
from vox.protocols.media_stream import StreamAudio, StreamStarted
from vox.providers.carriers import plivo as plivo_webhook
from vox.providers.carriers import twilio as twilio_webhook
from vox.providers.carriers.contract import WebhookRequest
from vox.security.digests import hmac_base64


def test_every_rule_has_a_test_here_and_every_test_a_rule():
    here = {name for name in vars(sys.modules[__name__]) if name.startswith("test_") and "_rule_" in name}
    assert {f"test_rule_{rule.carrier}_{rule.name}" for rule in RULES} == {name for name in here if "every" not in name}


@pytest.mark.parametrize("size", [1, 320, 3_198, 3_200, 3_202, 99_999])
def test_rule_exotel_message_size(size):
    pair = Pair(exotel.Server(), exotel.Carrier())
    pair.open()
    payload = base64.b64decode(said(pair.server.audio(bytes(size)))["media"]["payload"])
    assert 3_200 <= len(payload) <= 100_160
    assert len(payload) % 320 == 0
    assert pair.server.min_audio_bytes == 3_200


SIGNED = ("https://v.example.com/call", "https://v.example.com:443/call", "https://v.example.com:8443/call")


@pytest.mark.parametrize("signed", SIGNED)
@pytest.mark.parametrize("heard", SIGNED)
@pytest.mark.parametrize("headers", [{"host": "v.example.com:8443"}, {"x-forwarded-port": "8443"}])
def test_rule_twilio_signed_port(signed, heard, headers):
    signature = hmac_base64("secret", signed, "sha1")
    twilio_webhook.verify(WebhookRequest("GET", heard, {**headers, "x-twilio-signature": signature}), "secret", now=0)
    other = hmac_base64("secret", signed.replace("v.", "w."), "sha1")
    with pytest.raises(UsageError):
        twilio_webhook.verify(WebhookRequest("GET", heard, {**headers, "x-twilio-signature": other}), "secret", now=0)


def test_rule_telnyx_media_order():
    pair = Pair(telnyx.Server(), telnyx.Carrier())
    pair.open()
    first, second, third, fourth = (
        pair.carrier.audio(bytes([number]) * 160, timestamp_ms=20 * number) for number in range(4)
    )
    heard = [event for message in (first, third, second, fourth) for event in pair.to_server(message)]
    assert heard == [StreamAudio(bytes([number]) * 160) for number in range(4)]


def test_audio_that_waits_is_heard_before_the_stop():
    pair = Pair(telnyx.Server(), telnyx.Carrier())
    pair.open()
    first, _lost, third = (pair.carrier.audio(bytes([number]) * 160, timestamp_ms=0) for number in range(3))
    assert pair.to_server(first) == [StreamAudio(bytes(160))]
    assert pair.to_server(third) == []
    assert pair.to_server(pair.carrier.close())[0] == StreamAudio(bytes([2]) * 160)


@pytest.mark.parametrize("chunk", [None, "x", [1], "9" * 400])
def test_audio_without_a_number_is_heard_as_it_comes(chunk):
    pair = Pair(telnyx.Server(), telnyx.Carrier())
    pair.open()
    message = json.dumps({"event": "media", "media": {"chunk": chunk, "payload": "AAAA"}})
    assert [pair.to_server(message) for _ in range(2)] == [[StreamAudio(bytes(3))]] * 2


def test_rule_telnyx_reply_length():
    pair = Pair(telnyx.Server(), telnyx.Carrier())
    pair.open()
    assert only(pair.to_carrier(pair.server.audio(bytes(160)))) == StreamAudio(bytes(160))  # one frame, one message


def test_rule_genesys_stereo_offer():
    both = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
    asked = {"conversationId": "c", "media": [both]}
    server = genesys.Server()
    opening = {"version": "2", "type": "open", "seq": 1, "serverseq": 0, "id": "s", "parameters": asked}
    assert isinstance(only(server.receive(json.dumps(opening))), StreamStarted)
    assert server.receive(b"\x01\x02" * 160) == [StreamAudio(b"\x01" * 160)]


def test_rule_plivo_extra_headers_form():
    pair = Pair(plivo.Server(), plivo.Carrier())
    opening = said(pair.carrier.open(call_id="c", stream_id="s", caller="", callee="", parameters={})[0])
    started = only(pair.to_server(json.dumps({**opening, "extra_headers": "{X-PH-from: 1555, X-PH-key1: value1}"})))
    assert (started.caller, started.parameters) == ("1555", {"from": "1555", "key1": "value1"})


def test_rule_plivo_extra_headers_length():
    parameters = {f"name{number}": "value" * 5 for number in range(40)} | {"bad": "a b"}
    written = plivo_webhook.answer("wss://v.example.com/", parameters=parameters).body.decode()
    headers = written.partition('extraHeaders="')[2].partition('"')[0]
    assert 0 < len(headers) <= 512
    assert "bad" not in headers


def test_rule_vonage_reply_length():
    pair = Pair(vonage.Server(), vonage.Carrier())
    pair.open()
    assert pair.server.audio(bytes(640)) == bytes(640)  # one frame of 20 ms at 16 kHz, one message
