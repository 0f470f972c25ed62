"""How each carrier is had to go on with a call: markup that asks again, or commands that move the stream."""

import json
from xml.etree import ElementTree as ET

import httpx2
import pytest

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError
from vox.providers.carriers import exotel, genesys, plivo, telnyx, twilio, vonage
from vox.providers.carriers.contract import MovesStreams, ResumableDriver, WebhookAnswer
from vox.providers.contract import Deps

STREAM, RESUME = "wss://voice.example/telephony/ws/a/1.f", "https://voice.example/telephony/resume/x?a=1&b=2"
TOKEN = "0a1b2c"


def verbs(answer: WebhookAnswer) -> list[tuple[str, str]]:
    return [(each.tag, (each.text or "").strip()) for each in ET.fromstring(answer.body)]  # noqa: S314  our own output


def test_twilio_asks_the_resume_url_once_the_stream_is_over():
    answer = twilio.resumable_answer(STREAM, parameters={"voxresume": TOKEN}, resume_url=RESUME)
    assert verbs(answer) == [("Connect", ""), ("Redirect", RESUME)]
    assert f'<Parameter name="voxresume" value="{TOKEN}"/>'.encode() in answer.body
    again = twilio.resumable_answer(STREAM, parameters={}, resume_url=RESUME, pause_s=2)
    assert [verb for verb, _ in verbs(again)] == ["Pause", "Connect", "Redirect"]
    assert verbs(twilio.end_answer()) == [("Hangup", "")]
    assert twilio.call_id_of({"callsid": "CA1"}) == "CA1"


def test_plivo_does_too_and_passes_the_token_on():
    answer = plivo.resumable_answer(STREAM, parameters={"voxresume": TOKEN}, resume_url=RESUME)
    assert verbs(answer) == [("Stream", STREAM), ("Redirect", RESUME)]
    assert TOKEN.encode() in answer.body
    again = plivo.resumable_answer(STREAM, parameters={}, resume_url=RESUME, pause_s=1)
    assert [verb for verb, _ in verbs(again)] == ["Wait", "Stream", "Redirect"]
    assert verbs(plivo.end_answer()) == [("Hangup", "")]
    assert plivo.call_id_of({"calluuid": "u"}) == "u"


def test_which_carriers_ask_again():
    drivers = {
        "exotel": exotel,
        "genesys": genesys,
        "plivo": plivo,
        "telnyx": telnyx,
        "twilio": twilio,
        "vonage": vonage,
    }
    assert {name for name, each in drivers.items() if isinstance(each, ResumableDriver)} == {"plivo", "twilio"}


@pytest.mark.parametrize("status", [200, 422])
async def test_telnyx_is_told_to_stop_and_to_start(status: int):
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(status)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        deps = Deps(clock=FakeClock(), http=http, api_keys={"telnyx_api_key": "KEY1"})
        control = telnyx.create(telnyx.Config(), deps)
        assert isinstance(control, MovesStreams)
        assert control.can_move_stream
        if status != 200:
            with pytest.raises(DependencyError, match="move the media stream") as failed:
                await control.move_stream("call/1", STREAM, {})
            assert failed.value.code == "stream_move_failed"
            return
        await control.move_stream("call/1", STREAM, {"voxresume": TOKEN})
    assert [request.url.path.rpartition("/")[2] for request in asked] == ["streaming_stop", "streaming_start"]
    body = json.loads(asked[1].content)
    assert body["stream_url"] == STREAM
    assert body["custom_parameters"] == [{"name": "voxresume", "value": TOKEN}]
    assert body["stream_bidirectional_mode"] == "rtp"
