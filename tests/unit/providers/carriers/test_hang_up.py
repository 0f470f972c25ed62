import asyncio
import base64
from urllib.parse import parse_qs

import httpx2
import pytest
from pydantic import ValidationError

from tests.fakes.clock import FakeClock
from vox.errors import DependencyError
from vox.providers.carriers import exotel, genesys, plivo, telnyx, twilio, vonage
from vox.providers.contract import Deps


class Vendor:
    """A REST API that notes what it was asked and answers as told."""

    def __init__(self, status=200):
        self.status = status
        self.requests = []
        self.hangs = False

    async def __call__(self, request):
        self.requests.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        return httpx2.Response(self.status)

    def client(self):
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self))


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


TWILIO = twilio.Credentials("AC1", "tok")
CONTROLS = [
    pytest.param(lambda http, **kw: twilio.Control(http, TWILIO, **kw), id="twilio"),
    pytest.param(lambda http, **kw: telnyx.Control(http, telnyx.Credentials("KEY1"), **kw), id="telnyx"),
    pytest.param(lambda http, **kw: plivo.Control(http, plivo.Credentials("MA1", "tok"), **kw), id="plivo"),
]


async def test_twilio_completes_the_call():
    vendor = Vendor()
    async with vendor.client() as http:
        assert await twilio.Control(http, TWILIO).hang_up("CA1")
    (request,) = vendor.requests
    assert (request.method, str(request.url)) == (
        "POST",
        "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls/CA1.json",
    )
    assert parse_qs(request.content.decode()) == {"Status": ["completed"]}
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["authorization"] == basic("AC1", "tok")


@pytest.mark.parametrize(
    ("edge", "region", "host"),
    [
        ("", "", "api.twilio.com"),
        ("", "ie1", "api.ie1.twilio.com"),
        ("dublin", "ie1", "api.dublin.ie1.twilio.com"),
        ("dublin", "", "api.dublin.us1.twilio.com"),
    ],
)
async def test_twilio_has_hosts_for_regions_and_edges(edge, region, host):
    vendor = Vendor()
    async with vendor.client() as http:
        await twilio.Control(http, TWILIO, edge=edge, region=region).hang_up("CA1")
    assert vendor.requests[0].url.host == host


async def test_telnyx_hangs_up_by_call_control_id():
    vendor = Vendor()
    async with vendor.client() as http:
        assert await telnyx.Control(http, telnyx.Credentials("KEY1")).hang_up("v3:abc")
    (request,) = vendor.requests
    assert request.method == "POST"
    assert request.url.raw_path == b"/v2/calls/v3%3Aabc/actions/hangup"
    assert request.url.host == "api.telnyx.com"
    assert request.content == b"{}"
    assert request.headers["authorization"] == "Bearer KEY1"


async def test_plivo_deletes_the_call():
    vendor = Vendor(204)
    async with vendor.client() as http:
        assert await plivo.Control(http, plivo.Credentials("MA1", "tok")).hang_up("c-1")
    (request,) = vendor.requests
    assert (request.method, str(request.url)) == ("DELETE", "https://api.plivo.com/v1/Account/MA1/Call/c-1/")
    assert request.headers["authorization"] == basic("MA1", "tok")


@pytest.mark.parametrize("make", CONTROLS)
async def test_a_call_is_hung_up_once(make):
    vendor = Vendor()
    async with vendor.client() as http:
        control = make(http)
        results = await asyncio.gather(*(control.hang_up("c-1") for _ in range(3)), control.hang_up("c-2"))
    assert results == [True, False, False, True]
    assert len(vendor.requests) == 2


@pytest.mark.parametrize("make", CONTROLS)
async def test_a_call_that_is_over_counts_as_ended(make):
    vendor = Vendor(404)
    async with vendor.client() as http:
        assert await make(http).hang_up("c-1")


@pytest.mark.parametrize("make", CONTROLS)
@pytest.mark.parametrize(("status", "is_retryable"), [(401, False), (429, True), (500, True)])
async def test_a_refusal_is_reported_and_may_be_tried_again(make, status, is_retryable):
    vendor = Vendor(status)
    async with vendor.client() as http:
        control = make(http)
        with pytest.raises(DependencyError) as caught:
            await control.hang_up("c-1")
        assert (caught.value.code, caught.value.retryable) == ("hang_up_failed", is_retryable)
        assert not {"tok", "KEY1"} & set(str(caught.value).split())
        vendor.status = 200
        assert await control.hang_up("c-1")


@pytest.mark.usefixtures("virtual_loop")
@pytest.mark.parametrize("make", CONTROLS)
async def test_a_vendor_that_never_answers_is_given_up(make):
    vendor = Vendor()
    vendor.hangs = True
    async with vendor.client() as http:
        with pytest.raises(DependencyError) as caught:
            await make(http, timeout_s=3).hang_up("c-1")
    assert caught.value.retryable


@pytest.mark.parametrize("make", CONTROLS)
async def test_an_id_cannot_reach_another_path(make):
    vendor = Vendor()
    async with vendor.client() as http:
        await make(http).hang_up("../../Accounts?x=1#y")
    assert b"..%2F..%2FAccounts%3Fx%3D1%23y" in vendor.requests[0].url.raw_path
    assert vendor.requests[0].url.query == b""


@pytest.mark.parametrize(
    "make",
    [
        lambda http: twilio.Control(http, twilio.Credentials("AC1", "")),
        lambda http: twilio.Control(http, twilio.Credentials("", "tok")),
        lambda http: telnyx.Control(http, telnyx.Credentials("")),
        lambda http: plivo.Control(http, plivo.Credentials("MA1", "")),
    ],
)
async def test_without_full_credentials_nothing_is_sent(make):
    vendor = Vendor()
    async with vendor.client() as http:
        control = make(http)
        assert not control.can_hang_up
        assert not await control.hang_up("c-1")
    assert vendor.requests == []


async def test_without_a_call_id_nothing_is_sent():
    vendor = Vendor()
    async with vendor.client() as http:
        assert not await twilio.Control(http, TWILIO).hang_up("")
    assert vendor.requests == []


@pytest.mark.parametrize("driver", [exotel, vonage, genesys])
async def test_some_carriers_have_no_such_api(driver):
    async with Vendor().client() as http:
        control = driver.create(driver.Config(), Deps(clock=FakeClock(), http=http))
        assert not control.can_hang_up
        assert not await control.hang_up("c-1")


@pytest.mark.parametrize(
    ("driver", "keys"),
    [
        (twilio, {"twilio_account_sid": "AC1", "twilio_auth_token": "tok"}),
        (telnyx, {"telnyx_api_key": "KEY1"}),
        (plivo, {"plivo_auth_id": "MA1", "plivo_auth_token": "tok"}),
    ],
)
async def test_credentials_come_from_the_configuration_or_the_environment(driver, keys):
    variables = {name.upper(): value for name, value in keys.items()}
    async with Vendor().client() as http:
        for api_keys, environment in ((keys, {}), ({}, variables)):
            deps = Deps(clock=FakeClock(), http=http, api_keys=api_keys, environment=environment)
            assert driver.create(driver.Config(), deps).can_hang_up
        assert not driver.create(driver.Config(), Deps(clock=FakeClock(), http=http)).can_hang_up


def test_credentials_do_not_show_in_logs():
    assert "tok" not in repr(TWILIO) + repr(plivo.Credentials("MA1", "tok"))
    assert "KEY1" not in repr(telnyx.Credentials("KEY1"))


def test_a_region_cannot_name_another_host():
    with pytest.raises(ValidationError):
        twilio.Config(region="evil.example.com/")
