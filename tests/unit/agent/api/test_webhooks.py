"""The phone's front door: each carrier's answer, its signature, and the streams that this server announced itself."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree as ET

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.agent.api.asgi import Answered, Site
from vox.agent.api.webhooks import TOKEN_SECONDS
from vox.clients.webhooks import parse_answer, webhook_form

HOST = "https://voice.example"
FORM = {"content-type": "application/x-www-form-urlencoded"}
CALL = {"CallSid": "CA1", "From": "+15550100", "To": "+15550199"}
SECRET = "s3cret"
TELNYX_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
TELNYX_PUBLIC = base64.b64encode(TELNYX_KEY.public_key().public_bytes_raw()).decode()


def mac(secret: str, text: str, name: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), name).digest()).decode()


def twilio_signed(target: str, form: dict[str, str], secret: str = SECRET) -> dict[str, str]:
    fields = "".join(name + form[name] for name in sorted(form))
    return {**FORM, "x-twilio-signature": mac(secret, HOST + target + fields, "sha1")}


def plivo_signed(target: str, form: dict[str, str], secret: str = SECRET) -> dict[str, str]:
    fields = "".join(name + form[name] for name in sorted(form))
    signed = f"{HOST}{target}{'?' if form else ''}{fields}.nonce"
    return {**FORM, "x-plivo-signature-v3": mac(secret, signed, "sha256"), "x-plivo-signature-v3-nonce": "nonce"}


def telnyx_signed(body: bytes, now: float) -> dict[str, str]:
    signature = TELNYX_KEY.sign(f"{int(now)}|".encode() + body)
    return {
        **FORM,
        "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
        "telnyx-timestamp": str(int(now)),
    }


def vonage_signed(body: bytes, now: float, secret: str = SECRET) -> dict[str, str]:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims: dict[str, Any] = {"iat": int(now), "payload_hash": hashlib.sha256(body).hexdigest()}
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    digest = hmac.new(secret.encode(), signed.encode(), "sha256").digest()
    return {
        "content-type": "application/json",
        "authorization": f"Bearer {signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}",
    }


def site(carrier: str, environment: dict[str, str] | None = None, **config: Any) -> Site:
    return Site(environment, runner_transport=carrier, **config)


async def ask(
    where: Site, target: str = "/", *, headers: dict[str, str] | None = None, form: dict[str, str] = CALL
) -> Answered:
    body = urlencode(form).encode()
    return await where.request("POST", target, headers=headers or FORM, body=body)


@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "plivo", "exotel", "vonage"])
async def test_every_carrier_is_told_in_its_own_form_where_to_stream(carrier: str):
    where = site(carrier, proxy_host="phone.example")
    form = webhook_form(carrier, call_id="CA1", caller="+15550100", callee="+15550199")
    answered = await ask(where, form=form)
    assert answered.status == 200
    plan = parse_answer(answered.text)
    assert plan.url.split("?")[0] == "wss://phone.example/telephony/ws"
    assert answered.headers["content-type"].startswith(
        "application/xml" if carrier in {"twilio", "telnyx", "plivo"} else "application/json"
    )


async def test_the_xml_has_what_each_carrier_needs():
    twilio = ET.fromstring((await ask(site("twilio"))).body)  # noqa: S314  our own answer
    assert [element.tag for element in twilio.iter()][:3] == ["Response", "Connect", "Stream"]
    telnyx = ET.fromstring((await ask(site("telnyx"))).body)  # noqa: S314  our own answer
    stream = telnyx.find(".//Stream")
    assert stream is not None
    assert stream.get("bidirectionalMode") == "rtp"
    plivo = ET.fromstring((await ask(site("plivo"))).body)  # noqa: S314  our own answer
    stream = plivo.find("Stream")
    assert stream is not None
    assert stream.text == "ws://voice.example/telephony/ws"
    assert (stream.get("bidirectional"), stream.get("keepCallAlive")) == ("true", "true")


async def test_genesys_asks_no_webhook():
    assert (await ask(site("genesys"))).status == 404


async def test_without_a_carrier_nobody_answers_webhooks():
    where = Site()
    assert (await ask(where)).status == 405
    assert (await ask(where, "/telephony/default")).status == 404


@pytest.mark.parametrize(
    ("config", "headers", "expected"),
    [
        ({}, {}, "ws://voice.example"),
        ({}, {"x-forwarded-proto": "https"}, "wss://voice.example"),
        ({}, {"x-forwarded-proto": "HTTPS,http"}, "wss://voice.example"),
        ({}, {"x-forwarded-proto": "http"}, "ws://voice.example"),
        ({"proxy_host": "a.example"}, {}, "wss://a.example"),
        ({"proxy_host": "a.example"}, {"host": "evil.example", "x-forwarded-proto": "http"}, "wss://a.example"),
        ({"tls_enable": True, "tls_cert_file": "c", "tls_key_file": "k"}, {}, "wss://voice.example"),
    ],
)
async def test_the_streams_address_is_as_secure_as_the_way_in(
    config: dict[str, Any], headers: dict[str, str], expected: str
):
    answered = await ask(site("twilio", **config), headers={**FORM, **headers})
    assert parse_answer(answered.text).url == f"{expected}/telephony/ws"


@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "plivo", "exotel", "vonage"])
@pytest.mark.parametrize("host", ['"/><Hangup/>', "a&b", "<!--", "]]>", "é", "%00", "a b", "'"])
async def test_a_hostile_host_stays_text(carrier: str, host: str):
    answered = await ask(site(carrier), headers={**FORM, "host": host})
    assert answered.status in {200, 400}
    if answered.status == 200 and carrier in {"twilio", "telnyx", "plivo"}:
        tags = {element.tag for element in ET.fromstring(answered.body).iter()}  # noqa: S314  our own answer
        assert tags <= {"Response", "Connect", "Stream", "Parameter"}
    elif answered.status == 200:
        json.loads(answered.body)


@pytest.mark.parametrize("host", ["[", "[::1"])
async def test_a_host_that_is_none_is_a_bad_request(host: str):
    assert (await ask(site("twilio"), headers={**FORM, "host": host})).status == 400


async def test_a_body_over_the_limit_is_a_bad_request():
    where = site("twilio", max_request_body_bytes=100)
    answered = await ask(where, form={"From": "5" * 200})
    assert (answered.status, answered.json["error"]["code"]) == (400, "BAD_REQUEST")


async def test_get_says_that_the_bot_is_there_and_announces_calls_of_those_who_ask_so():
    for carrier in ("twilio", "vonage"):
        answered = await site(carrier).request("GET", "/")
        assert answered.json == {"data": {"status": f"Bot started with {carrier}"}}
    answered = await site("vonage").request("GET", "/?uuid=u1&from=15550100&to=15550199")
    assert '"uuid":"u1"' in answered.text
    answered = await site("exotel").request("GET", "/?CallSid=c1&From=1&To=2")
    assert parse_answer(answered.text).url.startswith("ws://voice.example/telephony/ws")
    answered = await site("twilio").request("GET", "/?CallSid=c1")
    assert "Bot started" in answered.text


# Signatures


async def test_twilios_signature_over_the_forwarded_address():
    where = site("twilio", api_keys={"twilio_auth_token": SECRET}, proxy_host="voice.example")
    for target in ("/", "/?tenant=a%20b&x=1", "/telephony/default"):
        answered = await ask(where, target, headers=twilio_signed(target, CALL))
        assert answered.status == 200, target
    headers = {**twilio_signed("/", CALL), "host": "10.0.0.5:8080"}
    assert (await ask(where, headers=headers)).status == 200


@pytest.mark.parametrize("kind", ["none", "wrong secret", "other path", "other field", "other query"])
async def test_what_twilio_did_not_sign_is_refused(kind: str):
    where = site("twilio", {"TWILIO_AUTH_TOKEN": SECRET}, proxy_host="voice.example")
    headers = {
        "none": FORM,
        "wrong secret": twilio_signed("/", CALL, "guess"),
        "other path": twilio_signed("/telephony/default", CALL),
        "other field": twilio_signed("/", {**CALL, "To": "+1"}),
        "other query": twilio_signed("/?x=1", CALL),
    }[kind]
    answered = await ask(where, headers=headers)
    assert (answered.status, answered.json["error"]["code"]) == (403, "FORBIDDEN")
    assert SECRET not in answered.text


async def test_plivos_signature():
    where = site("plivo", api_keys={"plivo_auth_token": SECRET}, proxy_host="voice.example")
    assert (await ask(where, headers=plivo_signed("/", CALL))).status == 200
    assert (await ask(where, headers=plivo_signed("/", CALL, "guess"))).status == 403
    assert (await ask(where, headers=plivo_signed("/", {}))).status == 403


async def test_telnyxs_signature_and_its_age():
    where = site("telnyx", api_keys={"telnyx_public_key": TELNYX_PUBLIC, "telnyx_api_key": "KEY"})
    body, now = urlencode(CALL).encode(), where.clock.wall().timestamp()
    assert (await where.request("POST", "/", headers=telnyx_signed(body, now), body=body)).status == 200
    assert (await where.request("POST", "/", headers=telnyx_signed(body, now), body=body + b"&x=1")).status == 403
    assert (await where.request("POST", "/", headers=telnyx_signed(body, now - 301), body=body)).status == 403


async def test_vonages_signature():
    where = site("vonage", api_keys={"vonage_signature_secret": SECRET})
    body, now = b'{"uuid": "u1", "from": "1", "to": "2"}', where.clock.wall().timestamp()
    answered = await where.request("POST", "/", headers=vonage_signed(body, now), body=body)
    assert '"uuid":"u1"' in answered.text
    assert (await where.request("POST", "/", headers=vonage_signed(body, now, "guess"), body=body)).status == 403
    assert (await where.request("POST", "/", headers=vonage_signed(b"{}", now), body=body)).status == 403


async def test_exotels_shared_token():
    where = site("exotel", api_keys={"exotel_token": SECRET})
    assert (await ask(where, f"/?token={SECRET}")).status == 200
    basic = base64.b64encode(f"user:{SECRET}".encode()).decode()
    assert (await ask(where, headers={**FORM, "authorization": f"Basic {basic}"})).status == 200
    assert (await ask(where, "/?token=guess")).status == 403


async def test_signatures_may_be_turned_off():
    where = site("twilio", api_keys={"twilio_auth_token": SECRET}, verify_signatures=False)
    answered = await ask(where)
    assert parse_answer(answered.text).url == "ws://voice.example/telephony/ws"
    assert (await where.upgrade("/telephony/ws")).status == 101


# Without the carrier's secret the server's key is asked for


async def test_a_phone_without_a_secret_asks_for_the_servers_key():
    where = site("twilio", server_api_key="k3y", proxy_host="voice.example")
    assert (await ask(where)).status == 401
    answered = await ask(where, "/?api_key=k3y")
    path = urlsplit(parse_answer(answered.text).url).path
    assert "k3y" not in path
    assert (await where.upgrade(path)).status == 101
    assert (await where.upgrade("/telephony/ws")).status == 403
    assert (await where.upgrade("/telephony/ws?api_key=guess")).status == 403
    assert (await where.upgrade("/telephony/ws?api_key=k3y")).status == 101
    where.clock.advance(TOKEN_SECONDS + 1)
    assert (await where.upgrade(path)).status == 403


async def test_a_phone_that_is_open_on_purpose_asks_for_nothing():
    where = site("twilio", server_api_key="k3y", verify_signatures=False)
    assert (await ask(where)).status == 200
    assert (await where.upgrade("/telephony/ws")).status == 101


# Streams


async def announced(where: Site, target: str = "/", *, call: dict[str, str] = CALL) -> str:
    answered = await ask(where, target, headers=twilio_signed(target, call), form=call)
    return urlsplit(parse_answer(answered.text).url).path


async def test_an_announced_stream_is_let_in_until_its_token_expires():
    where = site("twilio", api_keys={"twilio_auth_token": SECRET}, proxy_host="voice.example")
    path = await announced(where)
    assert path.startswith("/telephony/ws/default/")
    assert SECRET not in path
    assert (await where.upgrade(path)).status == 101
    where.clock.advance(TOKEN_SECONDS - 1)
    assert (await where.upgrade(path)).status == 101
    where.clock.advance(2)
    assert (await where.upgrade(path)).status == 403


async def test_any_instance_with_the_same_secret_knows_the_stream():
    config: dict[str, Any] = {"api_keys": {"twilio_auth_token": SECRET}, "proxy_host": "voice.example"}
    path = await announced(site("twilio", **config))
    assert (await site("twilio", **config).upgrade(path)).status == 101
    other = site("twilio", api_keys={"twilio_auth_token": "another"}, proxy_host="voice.example")
    assert (await other.upgrade(path)).status == 403


async def test_a_tampered_token_or_one_of_another_agent_is_refused():
    where = site(
        "twilio",
        api_keys={"twilio_auth_token": SECRET},
        proxy_host="voice.example",
        agents={"sales": {}, "support": {}},
    )
    path = await announced(where, "/telephony/sales")
    head, _, token = path.rpartition("/")
    expires, _, seal = token.partition(".")
    assert (await where.upgrade(path)).status == 101
    tampered = [
        path.replace("/sales/", "/support/"),
        f"{head}/{int(expires) + 1000}.{seal}",
        f"{head}/{expires}.{'0' * len(seal)}",
        f"{head}/{expires}.",
        f"{head}/{expires}",
        f"{head}/%C2%B2.{seal}",
        f"{head}/{'9' * 5000}.{seal}",
        head,
        "/telephony/ws",
        f"/telephony/ws?token={token}",
    ]
    for one in tampered:
        assert (await where.upgrade(one)).status == 403, one
    assert (await where.upgrade(path.replace("/sales/", "/nobody/"))).status == 404


async def test_a_token_in_the_query_is_as_good():
    where = site("twilio", api_keys={"twilio_auth_token": SECRET}, proxy_host="voice.example")
    head, _, token = (await announced(where)).rpartition("/")
    assert (await where.upgrade(f"{head}?token={token}")).status == 101


async def test_a_signed_call_goes_to_the_agent_of_the_called_number():
    where = site(
        "twilio",
        api_keys={"twilio_auth_token": SECRET},
        proxy_host="voice.example",
        agents={"sales": {}, "support": {"numbers": ["+1 (555) 0199"]}},
    )
    assert (await announced(where)).startswith("/telephony/ws/support/")
    assert (await announced(where, call={**CALL, "To": "+15550000"})).startswith("/telephony/ws/sales/")


async def test_an_unsigned_call_goes_to_the_agent_of_the_called_number_too():
    where = site("twilio", agents={"sales": {}, "support": {"numbers": ["15550199"]}})
    plan = parse_answer((await ask(where)).text)
    assert plan.url == "ws://voice.example/telephony/ws"
    assert where.server.resources.agent_for(callee=plan.parameters["to"]).name == "support"  # type: ignore[union-attr]


async def test_a_carrier_that_signs_its_upgrade_needs_no_token():
    where = site("twilio", api_keys={"twilio_auth_token": SECRET}, proxy_host="voice.example")
    headers = {"x-twilio-signature": mac(SECRET, "wss://voice.example/telephony/ws", "sha1")}
    assert (await where.upgrade("/telephony/ws", headers=headers)).status == 101
    assert (await where.upgrade("/telephony/ws/default", headers=headers)).status == 403


async def test_an_exotel_stream_may_bring_its_shared_token_either_way():
    where = site("exotel", api_keys={"exotel_token": SECRET})
    basic = base64.b64encode(f"user:{SECRET}".encode()).decode()
    assert (await where.upgrade(f"/telephony/ws?token={SECRET}")).status == 101
    assert (await where.upgrade("/telephony/ws", headers={"authorization": f"Basic {basic}"})).status == 101
    assert (await where.upgrade("/telephony/ws")).status == 403


async def test_a_token_is_never_sealed_with_a_public_key_where_there_is_a_private_one():
    keys = {"telnyx_public_key": TELNYX_PUBLIC, "telnyx_api_key": "private"}
    where = site("telnyx", api_keys=keys)
    body, now = urlencode(CALL).encode(), where.clock.wall().timestamp()
    answered = await where.request("POST", "/", headers=telnyx_signed(body, now), body=body)
    path = urlsplit(parse_answer(answered.text).url).path
    expires, _, seal = path.rpartition("/")[2].partition(".")
    forged = hmac.new(TELNYX_PUBLIC.encode(), f"vox-stream:default:{expires}".encode(), "sha256").hexdigest()
    assert not forged.startswith(seal)
    assert (await where.upgrade(path)).status == 101
    assert (await where.upgrade(f"/telephony/ws/default/{expires}.{forged[: len(seal)]}")).status == 403


async def test_a_genesys_stream_needs_its_key():
    where = site("genesys", api_keys={"genesys_api_key": SECRET})
    assert (await where.upgrade("/telephony/ws", headers={"x-api-key": SECRET})).status == 101
    assert (await where.upgrade("/telephony/ws", headers={"x-api-key": "guess"})).status == 403


async def test_without_a_carrier_the_stream_wants_the_servers_key():
    where = Site(server_api_key="k")
    assert (await where.upgrade("/telephony/ws")).status == 401
    assert (await where.upgrade("/telephony/ws", headers={"x-api-key": "k"})).status == 101


async def test_an_unknown_agent_has_no_webhook_and_no_stream():
    where = site("twilio")
    assert (await ask(where, "/telephony/nobody")).status == 404
    assert (await where.upgrade("/telephony/ws/nobody")).status == 404
