import json

import httpx2
import pytest

from vox.clients.webhooks import ask_webhook, at_host, parse_answer, webhook_form
from vox.errors import DependencyError, PeerError

URL = "wss://agent.example/telephony/ws"
TWIML = (
    '<?xml version="1.0" encoding="UTF-8"?><Response><Connect>'
    f'<Stream url="{URL}"><Parameter name="agent" value="sales"/></Stream></Connect></Response>'
)


@pytest.mark.parametrize(
    "answer",
    [
        TWIML,
        f'<Response><Stream bidirectional="true" keepCallAlive="true">\n {URL} </Stream></Response>',
        json.dumps({"data": {"websocketUrl": URL}}),
        json.dumps([{"action": "connect", "endpoint": [{"type": "websocket", "uri": URL}]}]),
    ],
)
def test_every_carriers_answer_names_the_stream(answer):
    assert parse_answer(answer).url == URL


def test_parameters_go_along():
    assert parse_answer(TWIML).parameters == {"agent": "sales"}


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "hello",
        "<Response/>",
        "<Response",
        "{}",
        '{"url": "https://example.org"}',
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><Response><Stream url="ws://x/"/></Response>',
    ],
)
def test_an_answer_without_a_stream_is_an_error(answer):
    with pytest.raises(PeerError) as error:
        parse_answer(answer)
    assert error.value.code == "no_stream_in_webhook"


@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "plivo", "exotel", "vonage"])
def test_every_carrier_tells_who_calls_whom(carrier):
    form = webhook_form(carrier, call_id="C1", caller="+1555", callee="+1666")
    assert {"C1", "+1555", "+1666"} <= set(form.values())


async def ask(respond):
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as http:
        return await ask_webhook(http, "http://agent.test/", "twilio", call_id="C1", caller="+1555", callee="+1666")


async def test_the_webhook_is_posted_as_a_form():
    requests = []

    def respond(request):
        requests.append(request)
        return httpx2.Response(200, text=TWIML)

    assert (await ask(respond)).url == URL
    assert requests[0].method == "POST"
    assert b"From=%2B1555" in requests[0].content


async def test_a_busy_server_says_when_to_come_back():
    with pytest.raises(DependencyError) as error:
        await ask(lambda _: httpx2.Response(503, headers={"Retry-After": "5"}))
    assert (error.value.code, error.value.retryable, error.value.retry_after_s) == ("webhook_refused", True, 5.0)


async def test_who_calls_a_streams_address_as_a_webhook_is_told():
    with pytest.raises(DependencyError, match="405") as error:
        await ask(lambda _: httpx2.Response(405))
    assert "ws://" in error.value.hint


async def test_a_server_that_is_not_there_is_named():
    def fail(request):
        raise httpx2.ConnectError("refused", request=request)

    with pytest.raises(DependencyError, match=r"agent\.test"):
        await ask(fail)


@pytest.mark.parametrize(
    ("host", "webhook", "dialled"),
    [
        (None, "http://localhost:8080/", "wss://voice.example/telephony/ws/a/token?x=1"),
        ("localhost:8080", "http://localhost:8080/", "ws://localhost:8080/telephony/ws/a/token?x=1"),
        ("[::1]:8443", "https://localhost:8443/", "wss://[::1]:8443/telephony/ws/a/token?x=1"),
    ],
)
def test_a_stream_behind_a_public_name_can_be_dialled_elsewhere(host, webhook, dialled):
    assert at_host("wss://voice.example/telephony/ws/a/token?x=1", host, webhook) == dialled
