from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from vox.fleet.campaigns.rules.decision import DAY_MS, DialInputs, DialRules, OpenBreaker, decide
from vox.fleet.campaigns.rules.retry import RetryRules
from vox.fleet.campaigns.rules.windows import CallingHours, Window

NOON = int(datetime(2026, 3, 4, 12, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 1000
DUE = DialInputs(
    at_ms=NOON,
    campaign_state="running",
    zones=("America/New_York",),
    region="US",
    caller_id="+12125550100",
    provider="twilio",
    allowed=1,
)


RULES = DialRules()


def decided(rules=RULES, **changes):
    found = decide(rules, msgspec.structs.replace(DUE, **changes))
    return found.verdict, found.reason, found.not_before_ms - NOON if found.not_before_ms else 0


def test_a_recipient_that_nothing_forbids_is_dialled():
    assert decided() == ("dial", "due", 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"campaign_state": "paused"}, ("later", "campaign_not_running", 0)),
        ({"expires_at_ms": NOON}, ("never", "campaign_expired", 0)),
        ({"do_not_call": ("tenant",)}, ("never", "do_not_call_tenant", 0)),
        ({"attempts": 3}, ("never", "max_attempts", 0)),
        ({"zones": ()}, ("never", "unknown_zone", 0)),
        ({"zones": ("Mars/Base",)}, ("never", "unknown_zone", 0)),
        ({"at_ms": NOON - 5 * 3_600_000}, ("later", "outside_window", -4 * 3_600_000)),
        ({"is_in_call": True}, ("later", "already_in_call", 60_000)),
        ({"last_day": (NOON - 7000, NOON - 5000)}, ("later", "max_per_day", DAY_MS - 7000)),
        ({"last_day": (NOON - DAY_MS, NOON - 5000)}, ("dial", "due", 0)),
        ({"breakers": (OpenBreaker("caller_id", NOON + 9),)}, ("later", "breaker_caller_id", 9)),
        ({"allowed": 0, "limited_by": "rate"}, ("later", "pacing_rate", 0)),
    ],
)
def test_what_forbids_the_call_is_named(changes, expected):
    assert decided(**changes) == expected


def test_a_do_not_call_list_decides_before_everything_that_only_delays():
    assert decided(do_not_call=("global",), allowed=0, zones=(), is_in_call=True)[1] == "do_not_call_global"


def test_a_cap_per_contact_counts_all_campaigns():
    rules = DialRules(retry=RetryRules(max_per_contact=4))
    assert decided(rules, last_30_days=3)[0] == "dial"
    assert decided(rules, last_30_days=4)[1] == "max_per_contact"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("not_asked", ("ask", "pre_dial", 0)),
        ("allowed", ("dial", "due", 0)),
        ("denied", ("never", "pre_dial_denied", 0)),
        ("failed", ("later", "pre_dial_failed", 60_000)),  # closed: no answer is no permission
    ],
)
def test_the_operators_check_has_to_allow_the_call(answer, expected):
    assert decided(DialRules(is_checked=True), pre_dial=answer) == expected


def test_a_decision_can_be_repeated_from_its_record():
    rules = DialRules(is_checked=True)
    inputs = msgspec.structs.replace(DUE, breakers=(OpenBreaker("provider", NOON + 5),), last_day=(NOON - 9,))
    read_rules = msgspec.json.decode(msgspec.json.encode(rules), type=DialRules)
    read_inputs = msgspec.json.decode(msgspec.json.encode(inputs), type=DialInputs)
    assert decide(read_rules, read_inputs) == decide(rules, inputs)


def test_a_recipient_whose_hours_never_come_is_given_up():
    hours = CallingHours((Window(tuple(range(7)), 22 * 60, 23 * 60),))  # the law of the region ends at 21:00
    assert decided(DialRules(hours)) == ("never", "window_never_opens", 0)
