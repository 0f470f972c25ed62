"""The address that a carrier asks when a call is put through: only those that this server has signed are answered."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.unit.agent.api.asgi import Site
from vox.agent.api.transfers import ANSWER_SECONDS, PhoneTransfers

ENVIRONMENT = {"PLIVO_AUTH_ID": "MA1", "PLIVO_AUTH_TOKEN": "tok"}


class Plivo:
    """Plivo's call control, which notes the targets."""

    can_transfer = True

    def __init__(self) -> None:
        self.targets: list[Any] = []

    async def transfer(self, call_id: str, target: Any) -> None:
        self.targets.append(target)


async def address(where: Site) -> str:
    control = Plivo()
    where.server.resources._controls["plivo"] = control  # type: ignore[assignment]
    await PhoneTransfers(where.server, "https://voice.example").transfer("plivo", "c1", "+4930123456", "+15550100")
    (target,) = control.targets
    parts = urlsplit(target.answer_url)
    assert (parts.scheme, parts.netloc) == ("https", "voice.example")
    return f"{parts.path}?{parts.query}"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_carrier_is_told_which_number_to_dial(method: str):
    where = Site(ENVIRONMENT, runner_transport="plivo")
    answered = await where.request(method, await address(where))
    assert answered.status == 200
    assert '<Dial callerId="+15550100"><Number>+4930123456</Number></Dial>' in answered.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("to=%2B4930123456", "to=%2B19005550100"),
        ("signature=", "signature=0"),
        ("&signature=", "&other="),
        ("expires=", "expires=9"),
    ],
)
async def test_others_cannot_say_which(before: str, after: str):
    where = Site(ENVIRONMENT, runner_transport="plivo")
    target = await address(where)
    assert before in target
    answered = await where.request("POST", target.replace(before, after))
    assert answered.status == 403


async def test_an_address_holds_for_a_while_only():
    where = Site(ENVIRONMENT, runner_transport="plivo")
    target = await address(where)
    where.clock.advance(ANSWER_SECONDS + 2)
    assert (await where.request("POST", target)).status == 403


async def test_other_carriers_ask_for_no_answer():
    for runner in ("plivo", "twilio"):
        where = Site(ENVIRONMENT, runner_transport=runner)
        assert (await where.request("POST", "/telephony/transfer/twilio")).status == 404
