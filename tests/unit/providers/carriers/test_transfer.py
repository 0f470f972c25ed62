"""Calls are put through in each carrier's words, and refused in ours where a carrier cannot."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError, UsageError
from vox.providers.carriers import exotel, genesys, plivo, telnyx, twilio, vonage
from vox.providers.carriers.contract import TransferTarget
from vox.providers.contract import Deps

SECRETS = {
    "twilio_account_sid": "AC1",
    "twilio_auth_token": "tok",
    "telnyx_api_key": "KEY1",
    "plivo_auth_id": "MA1",
    "plivo_auth_token": "tok",
    "vonage_application_id": "app-1",
}
NUMBER = TransferTarget("+4930123456", answer_url="https://vox.example/telephony/transfer/plivo?to=x")
ABLE = [twilio, telnyx, plivo, vonage]
KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Vendor:
    """A REST API that notes what it was asked and answers as told."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.requests: list[httpx2.Request] = []
        self.hangs = False

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        return httpx2.Response(self.status)

    async def transfer(
        self, driver: Any, target: TransferTarget, *, keys: dict[str, str] | None = None
    ) -> httpx2.Request:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(self)) as http:
            secrets = {**SECRETS, "vonage_private_key": PEM} if keys is None else keys
            deps = Deps(clock=FakeClock(), http=http, api_keys=secrets)
            await driver.create(driver.Config(), deps).transfer("call/1", target)
        return self.requests[-1]


async def test_twilio_gets_markup_that_dials():
    request = await Vendor().transfer(twilio, TransferTarget("+4930123456", caller_id="+15550100"))
    assert request.method == "POST"
    assert request.url.raw_path == b"/2010-04-01/Accounts/AC1/Calls/call%2F1.json"
    twiml = parse_qs(request.content.decode())["Twiml"][0]
    assert twiml.endswith('<Response><Dial callerId="+15550100"><Number>+4930123456</Number></Dial></Response>')


async def test_a_sip_address_has_its_own_element_and_cannot_add_markup():
    request = await Vendor().transfer(twilio, TransferTarget("sip:a@b.example?x=<Hangup/>"))
    twiml = parse_qs(request.content.decode())["Twiml"][0]
    assert "<Dial><Sip>sip:a@b.example?x=&lt;Hangup/&gt;</Sip></Dial>" in twiml


async def test_telnyx_gets_the_transfer_action():
    request = await Vendor().transfer(telnyx, TransferTarget("+4930123456", caller_id="+15550100"))
    assert request.url.raw_path == b"/v2/calls/call%2F1/actions/transfer"
    assert json.loads(request.content) == {"to": "+4930123456", "from": "+15550100"}
    request = await Vendor().transfer(telnyx, NUMBER)
    assert json.loads(request.content) == {"to": "+4930123456"}


async def test_plivo_is_sent_to_markup_that_dials():
    request = await Vendor(202).transfer(plivo, NUMBER)
    assert (request.method, request.url.raw_path) == ("POST", b"/v1/Account/MA1/Call/call%2F1/")
    assert json.loads(request.content) == {"legs": "aleg", "aleg_url": NUMBER.answer_url, "aleg_method": "POST"}
    answer = plivo.transfer_answer(TransferTarget("+4930123456", caller_id="+15550100"))
    assert b'<Dial callerId="+15550100"><Number>+4930123456</Number></Dial>' in answer.body


@pytest.mark.parametrize("key", [PEM, PEM.replace("\n", "\\n")])
async def test_vonage_gets_an_ncco_and_a_token_signed_with_the_applications_key(key: str):
    keys = {"vonage_application_id": "app-1", "vonage_private_key": key}
    request = await Vendor(204).transfer(vonage, TransferTarget("+4930123456", caller_id="+15550100"), keys=keys)
    assert (request.method, str(request.url)) == ("PUT", "https://api.nexmo.com/v1/calls/call%2F1")
    connect = {"action": "connect", "endpoint": [{"type": "phone", "number": "4930123456"}], "from": "15550100"}
    assert json.loads(request.content) == {"action": "transfer", "destination": {"type": "ncco", "ncco": [connect]}}
    head, claims, signature = request.headers["authorization"].removeprefix("Bearer ").split(".")
    said = json.loads(decoded(claims))
    assert (said["application_id"], said["exp"] - said["iat"]) == ("app-1", 60)
    KEY.public_key().verify(decoded(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def test_an_unusable_key_is_told_without_the_key():
    keys = {"vonage_application_id": "app-1", "vonage_private_key": "hunter2"}
    with pytest.raises(UsageError, match="private key is unusable") as refused:
        await Vendor().transfer(vonage, NUMBER, keys=keys)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("driver", ABLE)
@pytest.mark.parametrize(("status", "is_retryable"), [(400, False), (401, False), (429, True), (503, True)])
async def test_a_refusal_is_an_error_without_secrets(driver: Any, status: int, is_retryable: bool):
    with pytest.raises(DependencyError, match=str(status)) as refused:
        await Vendor(status).transfer(driver, NUMBER)
    assert (refused.value.code, refused.value.retryable) == ("transfer_failed", is_retryable)
    assert not {"tok", "KEY1", "AC1", "MA1"} & set(str(refused.value).split())


@pytest.mark.usefixtures("virtual_loop")
@pytest.mark.parametrize("driver", ABLE)
async def test_a_carrier_that_never_answers_is_given_up(driver: Any):
    vendor = Vendor()
    vendor.hangs = True
    with pytest.raises(DependencyError, match="did not answer"):
        await vendor.transfer(driver, NUMBER)


@pytest.mark.parametrize("driver", [*ABLE, exotel, genesys])
async def test_without_credentials_or_an_api_nothing_is_sent_and_the_remedy_is_told(driver: Any):
    vendor = Vendor()
    with pytest.raises(UsageError) as refused:
        await vendor.transfer(driver, NUMBER, keys={})
    assert (refused.value.code, bool(refused.value.hint)) == ("transfer_unavailable", True)
    assert vendor.requests == []
