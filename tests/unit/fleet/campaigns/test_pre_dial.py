import json

import pytest

from vox.errors import DependencyError, UsageError
from vox.fleet.campaigns.dialling import Claim
from vox.fleet.campaigns.plans import CallPlan
from vox.fleet.campaigns.pre_dial import WebhookCheck
from vox.security.outbound import FetchResult, OutboundGuard

CLAIM = Claim(7, 1, "+12125550100", {"name": "Ann"}, 2)
PLAN = CallPlan(pre_dial_url="https://example.com/check", pre_dial_timeout_s=3)


class Guard(OutboundGuard):
    """Answers without a network."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer
        self.requests = []

    async def fetch(self, method, url, **more):
        self.requests.append((method, url, more))
        if isinstance(self.answer, Exception):
            raise self.answer
        status, body = self.answer
        return FetchResult(status, {}, body, "192.0.2.1", 0.1, url)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((200, b'{"allow": true}'), "allowed"),
        ((200, b'{"allow": true, "note": "x"}'), "allowed"),
        ((200, b'{"allow": false}'), "denied"),
        ((200, b'{"allow": "yes"}'), "failed"),
        ((200, b"{}"), "failed"),
        ((200, b"ok"), "failed"),
        ((200, b""), "failed"),
        ((204, b""), "failed"),
        ((302, b""), "failed"),
        ((500, b'{"allow": true}'), "failed"),
        (DependencyError("slow", code="fetch_timeout"), "failed"),
        (UsageError("private", code="url_refused"), "failed"),
    ],
)
async def test_only_a_clear_yes_allows_a_call(answer, expected):
    assert await WebhookCheck(Guard(answer)).ask("camp_1", PLAN, CLAIM) == expected


async def test_the_check_is_told_about_the_call_and_is_signed():
    guard = Guard((200, b'{"allow": true}'))
    check = WebhookCheck(guard, lambda body: {"x-signature": str(len(body))})
    await check.ask("camp_1", PLAN, CLAIM)
    [(method, url, more)] = guard.requests
    assert (method, url, more["deadline_s"]) == ("POST", "https://example.com/check", 3)
    assert json.loads(more["body"]) == {
        "type": "campaign.pre_dial",
        "campaign_id": "camp_1",
        "recipient_id": 7,
        "to": "+12125550100",
        "attempt": 2,
        "variables": {"name": "Ann"},
    }
    assert more["headers"]["x-signature"] == str(len(more["body"]))
