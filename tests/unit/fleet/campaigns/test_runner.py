from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from tests.unit.fleet.campaigns.harness import new_yorkers, world
from vox.errors import DependencyError
from vox.fleet.calls.contract import CallStatus
from vox.fleet.campaigns import do_not_call
from vox.fleet.campaigns.dialling import DialRound, dial_due
from vox.fleet.campaigns.rules.pacing import Allowance
from vox.fleet.campaigns.rules.states import CampaignEvent
from vox.fleet.campaigns.schemas import ListedForm
from vox.fleet.database.schema import calls
from vox.stores.leases import MemoryLeases

FAST = {"pacing": {"calls_per_s": 100, "max_concurrent": 100}}


async def test_a_campaign_calls_everybody_and_is_completed():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(5), rules=FAST)
        await bridge.tick()
        assert sorted(await bridge.dialled()) == new_yorkers(5)
        for call in await bridge.calls():
            await bridge.end(call, CallStatus.COMPLETED)
        await bridge.tick()
        assert await bridge.states(campaign) == {"reached": 5}
        assert await bridge.state(campaign) == "completed"
        assert bridge.queue.woken == 1


async def test_the_rate_the_concurrency_and_the_free_slots_each_hold():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(50), rules={"pacing": {"calls_per_s": 2, "max_concurrent": 5}})
        seen = []
        for _ in range(4):
            await bridge.tick()
            seen.append(len(await bridge.calls()))
        assert seen == [2, 4, 5, 5]
        assert bridge.limited_by(campaign) == "concurrency"
        bridge.free = 0
        for call in await bridge.calls():
            await bridge.end(call, CallStatus.COMPLETED)
        await bridge.tick()
        assert len(await bridge.calls()) == 5
        assert bridge.limited_by(campaign) == "agents"


async def test_two_campaigns_share_the_free_slots_and_the_carriers_rate():
    async with world() as bridge:
        bridge.free = 4
        for first in (0, 100):
            await bridge.campaign(new_yorkers(20, first), rules=FAST)
        await bridge.tick()
        assert len(await bridge.calls()) == 4
        bridge.free, bridge.provider_rate = 1000, 1.0
        await bridge.tick()  # the bucket begins empty
        before = len(await bridge.calls())
        await bridge.tick()
        assert len(await bridge.calls()) == before + 1


@pytest.mark.parametrize(
    ("zone", "wall", "opens"),
    [
        ("Asia/Kolkata", datetime(2026, 3, 4, 3, 29, tzinfo=UTC), datetime(2026, 3, 4, 3, 30, tzinfo=UTC)),
        (
            "America/New_York",
            datetime(2026, 3, 8, 12, 0, tzinfo=UTC),
            datetime(2026, 3, 8, 13, 0, tzinfo=UTC),
        ),  # clocks go on
        (
            "America/New_York",
            datetime(2026, 11, 1, 13, 30, tzinfo=UTC),
            datetime(2026, 11, 1, 14, 0, tzinfo=UTC),
        ),  # back
    ],
)
async def test_nobody_is_called_outside_their_hours(zone, wall, opens):
    rules = FAST | {"windows": [{"start": "09:00", "end": "17:00"}]}
    async with world(wall=wall) as bridge:
        campaign = await bridge.campaign(["+12125550100"], zone=zone, rules=rules)
        await bridge.tick()
        assert await bridge.calls() == []
        assert (await bridge.recipient(campaign))["due_at_ms"] == opens.timestamp() * 1000
        bridge.clock.advance((opens - bridge.clock.wall()).total_seconds() - 2)
        await bridge.tick()
        assert await bridge.calls() == []
        await bridge.tick()
        assert len(await bridge.calls()) == 1


async def test_a_week_of_virtual_time_never_dials_outside_the_window():
    zones = ["Asia/Kolkata", "America/New_York", "Pacific/Auckland", "Europe/Berlin"]
    rules = FAST | {"retry": {"max_attempts": 20, "max_per_day": 20}}
    async with world(wall=datetime(2026, 3, 27, tzinfo=UTC)) as bridge:  # Berlin changes its clocks on the 29th
        ids = [await bridge.campaign(["+12125550100"], zone=zone, rules=rules, tenant=zone) for zone in zones]
        for _ in range(7 * 24):
            await bridge.tick(3600)
            for call in await bridge.open_calls():
                await bridge.end(call, CallStatus.BUSY)
        dialled = 0
        for campaign, zone in zip(ids, zones, strict=True):
            for entry in await bridge.campaigns.entries(campaign, limit=500, after=0, recipient_id=0):
                if entry["entry"]["verdict"] == "dial":
                    local = datetime.fromtimestamp(entry["entry"]["at_ms"] / 1000, ZoneInfo(zone))
                    assert 8 <= local.hour < 21, f"{local} in {zone}"
                    dialled += 1
        assert dialled == 4 * 20


async def test_a_bad_zone_is_not_dialled():
    async with world() as bridge:
        campaign = await bridge.campaign(["+12125550100"], rules=FAST)
        await bridge.database.write(
            lambda connection: connection.exec_driver_sql("UPDATE bridge_campaign_recipients SET zones = 'Mars/Base'")
        )
        await bridge.tick()
        assert await bridge.calls() == []
        assert await bridge.states(campaign) == {"not_callable": 1}


@pytest.mark.parametrize("scope", ["global", "tenant", "campaign"])
async def test_a_number_on_a_list_is_not_dialled(scope):
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(2), rules=FAST, tenant="acme")
        owner = {"global": "", "tenant": "acme", "campaign": campaign}[scope]
        await bridge.campaigns.list_numbers(ListedForm(["+1 212 555 0000"], scope, owner))
        await bridge.tick()
        assert await bridge.dialled() == ["+12125550001"]
        assert (await bridge.states(campaign))["do_not_call"] == 1


async def test_a_number_that_is_listed_between_claim_and_dial_is_not_dialled():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(1), rules=FAST, pre_dial_url="https://example.com/check")

        async def list_it():
            await bridge.campaigns.list_numbers(ListedForm(new_yorkers(1)))

        bridge.check.before = list_it
        await bridge.tick()
        assert bridge.check.asked == new_yorkers(1)
        assert await bridge.calls() == []
        assert await bridge.states(campaign) == {"do_not_call": 1}


async def test_another_tenants_list_does_not_hold():
    async with world() as bridge:
        await bridge.campaign(new_yorkers(1), rules=FAST, tenant="acme")
        await bridge.campaigns.list_numbers(ListedForm(new_yorkers(1), "tenant", "other"))
        await bridge.tick()
        assert len(await bridge.calls()) == 1


async def test_outcomes_lead_to_retries_and_the_cap_ends_them():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(1), rules=FAST | {"retry": {"max_attempts": 2}})
        await bridge.tick()
        await bridge.end((await bridge.calls())[0], CallStatus.BUSY)
        assert (await bridge.recipient(campaign))["due_at_ms"] == bridge.clock.unix_ms() + 300_000
        await bridge.tick(299)
        assert len(await bridge.calls()) == 1
        await bridge.tick(1)
        assert len(await bridge.calls()) == 2
        await bridge.end((await bridge.calls())[1], CallStatus.NO_ANSWER)
        assert await bridge.states(campaign) == {"exhausted": 1}


async def test_caps_count_all_campaigns_of_a_tenant():
    async with world() as bridge:
        first = await bridge.campaign(new_yorkers(1), rules=FAST | {"retry": {"max_per_day": 1}}, tenant="acme")
        await bridge.tick()
        second = await bridge.campaign(new_yorkers(1), rules=FAST | {"retry": {"max_per_day": 1}}, tenant="acme")
        await bridge.tick()
        assert (await bridge.recipient(second))["state"] == "pending"
        await bridge.end((await bridge.calls())[0], CallStatus.COMPLETED)
        await bridge.tick(120)
        assert len(await bridge.calls()) == 1
        await bridge.tick(24 * 3600)
        assert len(await bridge.calls()) == 2
        assert await bridge.state(first) == "completed"


async def test_failures_open_the_breaker_and_one_call_tries_again():
    async with world() as bridge:
        rules = {"pacing": {"calls_per_s": 5, "max_concurrent": 100}}
        campaign = await bridge.campaign(new_yorkers(60), rules=rules)
        await bridge.tick()
        for call in await bridge.open_calls():
            await bridge.end(call, CallStatus.FAILED, is_retryable=True)
        await bridge.tick()
        assert len(await bridge.calls()) == 5
        assert bridge.limited_by(campaign) == "breaker_campaign"
        for _ in range(5):
            await bridge.tick(11)
        await bridge.tick(6)
        assert len(await bridge.open_calls()) == 1
        await bridge.tick()
        assert len(await bridge.open_calls()) == 1
        await bridge.end((await bridge.open_calls())[0], CallStatus.COMPLETED)
        await bridge.tick()
        assert len(await bridge.open_calls()) == 5


async def test_a_caller_id_that_fails_is_passed_over_and_the_others_go_on():
    async with world() as bridge:
        callers = ["+12125559000", "+12125559001"]
        rules = {"pacing": {"calls_per_s": 10, "max_concurrent": 100}, "breaker": {"min_outcomes": 5, "share": 0.6}}
        await bridge.campaign(new_yorkers(60), rules=rules, caller_ids=callers)
        for _ in range(2):
            await bridge.tick()
            for call in await bridge.open_calls():
                shown = await bridge.database.read(
                    lambda connection, call=call: connection.execute(
                        select(calls.c.from_number).where(calls.c.id == call)
                    ).scalar_one()
                )
                is_blocked = shown == callers[0]
                await bridge.end(call, CallStatus.FAILED if is_blocked else CallStatus.COMPLETED)
        await bridge.tick()
        shown = await bridge.database.read(
            lambda connection: (
                connection.exec_driver_sql("SELECT from_number FROM bridge_calls WHERE status = 'queued'")
                .scalars()
                .all()
            )
        )
        assert set(shown) == {callers[1]}


async def test_the_operators_check_allows_denies_and_fails_closed():
    async with world() as bridge:
        numbers = new_yorkers(3)
        campaign = await bridge.campaign(numbers, rules=FAST, pre_dial_url="https://example.com/check")
        bridge.check.answers = {numbers[1]: "denied", numbers[2]: "failed"}
        await bridge.tick()
        assert await bridge.dialled() == [numbers[0]]
        assert await bridge.states(campaign) == {"in_call": 1, "not_callable": 1, "pending": 1}
        await bridge.tick(61)
        assert bridge.check.asked.count(numbers[2]) == 2


async def test_pausing_takes_waiting_calls_back_and_lets_the_others_end():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(2), rules=FAST)
        await bridge.tick()
        ringing, waiting = await bridge.calls()
        await bridge.becomes(ringing, CallStatus.RINGING)
        await bridge.campaigns.change_state(campaign, CampaignEvent.PAUSE)
        assert await bridge.calls(CallStatus.CANCELED) == [waiting]
        await bridge.tick()
        assert await bridge.state(campaign) == "pausing"
        assert await bridge.states(campaign) == {"in_call": 1, "pending": 1}
        await bridge.end(ringing, CallStatus.COMPLETED)
        await bridge.tick()
        assert await bridge.state(campaign) == "paused"
        await bridge.campaigns.change_state(campaign, CampaignEvent.RESUME)
        await bridge.tick()
        await bridge.tick()
        assert len(await bridge.open_calls()) == 1
        assert (await bridge.recipient(campaign))["attempts"] == 1


async def test_cancelling_ends_it_for_all_who_were_not_called():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(3), rules={"pacing": {"calls_per_s": 1}})
        await bridge.tick()
        await bridge.becomes((await bridge.calls())[0], CallStatus.RINGING)
        await bridge.campaigns.change_state(campaign, CampaignEvent.CANCEL)
        await bridge.end((await bridge.calls())[0], CallStatus.BUSY)
        await bridge.tick(10)
        assert len(await bridge.calls()) == 1
        assert await bridge.states(campaign) == {"canceled": 3}


async def test_a_schedule_starts_and_an_expiry_ends_it():
    async with world() as bridge:
        now = bridge.clock.unix_ms()
        campaign = await bridge.campaign(
            new_yorkers(2),
            start=False,
            rules={"pacing": {"calls_per_s": 1}},
            starts_at_ms=now + 60_000,
            expires_at_ms=now + 120_000,
        )
        await bridge.campaigns.change_state(campaign, CampaignEvent.SCHEDULE)
        await bridge.tick(59)
        assert await bridge.state(campaign) == "scheduled"
        await bridge.tick(1)
        await bridge.tick(1)
        assert len(await bridge.calls()) == 1
        await bridge.tick(60)
        assert await bridge.state(campaign) == "expired"
        assert (await bridge.states(campaign))["expired"] == 1


async def test_a_call_that_expired_in_the_queue_is_no_attempt():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(1), rules=FAST)
        await bridge.tick()
        await bridge.end((await bridge.calls())[0], CallStatus.EXPIRED)
        assert (await bridge.recipient(campaign))["attempts"] == 0
        await bridge.tick(61)
        assert len(await bridge.calls()) == 2


async def test_nothing_is_dialled_while_the_fleet_is_unknown_and_it_says_so():
    async with world() as bridge:
        bridge.free = None
        campaign = await bridge.campaign(new_yorkers(1), rules=FAST)
        await bridge.tick()
        assert await bridge.calls() == []
        shown = (await bridge.campaigns.get(campaign))["dialling"]["suspended"]
        assert shown["reason"].startswith("fleet_unknown")
        bridge.free = 1
        await bridge.tick()
        await bridge.tick()
        assert len(await bridge.calls()) == 1
        assert bridge.runner.suspension is None


async def test_leases_that_cannot_be_read_suspend_all_campaigns_until_they_can():
    class Away(MemoryLeases):
        async def acquire(self, names, holder, ttl_s):
            raise DependencyError("Redis does not answer", code="redis_failed", retryable=True)

    async with world() as bridge:
        await bridge.campaign(new_yorkers(1), rules=FAST)
        kept, bridge.runner._parts = bridge.runner._parts, replace(bridge.runner._parts, leases=Away(bridge.clock))
        for _ in range(300):
            await bridge.tick()
        assert await bridge.calls() == []
        assert bridge.suspended_for == "redis_failed: Redis does not answer"
        bridge.runner._parts = kept
        await bridge.tick()
        await bridge.tick()
        assert len(await bridge.calls()) == 1


async def test_of_two_bridges_one_dials_for_a_campaign_and_the_other_takes_over():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(4), rules={"pacing": {"calls_per_s": 1}})
        other = bridge.another_runner("bridge-2")
        await bridge.tick()
        await bridge.tick(runner=other)
        assert len(await bridge.calls()) == 1
        assert other.limit_of(campaign) is None
        await bridge.tick(20, runner=other)  # the first one is gone
        await bridge.tick(runner=other)
        assert len(await bridge.calls()) == 2


async def test_a_bridge_that_was_paused_dials_nothing_with_its_old_lease():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(4), rules=FAST)
        now = bridge.clock.unix_ms()
        for token, is_current in ((2, True), (1, False)):
            old = DialRound(campaign, token, now, Allowance(1, "rate"))
            result = await bridge.database.write(lambda connection, old=old: dial_due(connection, bridge.queue, old))
            assert result.is_current is is_current
        assert len(await bridge.calls()) == 1


async def test_a_claim_that_has_passed_to_another_bridge_is_not_dialled():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(1), rules=FAST, pre_dial_url="https://example.com/check")

        async def claim_again():
            await bridge.database.write(
                lambda connection: connection.exec_driver_sql("UPDATE bridge_campaign_recipients SET fence = fence + 1")
            )

        bridge.check.before = claim_again
        await bridge.tick()
        assert await bridge.calls() == []
        bridge.check.before = None
        await bridge.tick(61)
        assert len(await bridge.calls()) == 1
        assert await bridge.states(campaign) == {"in_call": 1}


async def test_every_decision_is_explained_and_the_record_shows_a_change():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(3), rules=FAST)
        await bridge.campaigns.list_numbers(ListedForm(new_yorkers(1)))
        await bridge.tick()
        [explained] = await bridge.campaigns.explain((await bridge.calls())[0])
        assert explained["is_same"]
        assert explained["is_intact"]
        assert explained["repeated"] == {"verdict": "dial", "reason": "due", "not_before_ms": 0}
        entries = await bridge.campaigns.entries(campaign, limit=10, after=0, recipient_id=0)
        assert [one["entry"]["reason"] for one in entries] == ["do_not_call_global", "due", "due"]
        await bridge.database.write(
            lambda connection: connection.exec_driver_sql(
                "UPDATE bridge_dial_ledger SET reason = 'due', verdict = 'dial' WHERE number = 1"
            )
        )
        changed = await bridge.campaigns.entries(campaign, limit=10, after=0, recipient_id=0)
        assert [(one["is_same"], one["is_intact"]) for one in changed] == [(False, False), (True, True), (True, True)]


async def test_an_opt_out_in_a_call_holds_at_once_and_for_the_tenant():
    async with world() as bridge:
        await bridge.campaign(new_yorkers(1), rules=FAST, tenant="acme")
        await bridge.tick()
        [call] = await bridge.calls()
        await bridge.campaigns.on_progress(call, "transcript", {"role": "user", "text": "Hello there"})
        assert (await bridge.campaigns.listed("+12125550000", "acme", ""))["scopes"] == []
        await bridge.campaigns.on_progress(call, "transcript", {"role": "user", "text": "Please stop calling me!"})
        assert (await bridge.campaigns.listed("+12125550000", "acme", ""))["scopes"] == ["tenant"]
        await bridge.end(call, CallStatus.BUSY)
        await bridge.tick(301)
        assert len(await bridge.calls()) == 1


async def test_a_key_opts_out_too():
    async with world() as bridge:
        await bridge.campaign(new_yorkers(1), rules=FAST)
        await bridge.tick()
        [call] = await bridge.calls()
        await bridge.campaigns.on_progress(call, "digits", {"digits": "1"})
        assert (await bridge.campaigns.listed("+12125550000", "", ""))["scopes"] == []
        await bridge.campaigns.on_progress(call, "digits", {"digits": "9"})
        assert (await bridge.campaigns.listed("+12125550000", "", ""))["scopes"] == ["tenant"]


async def test_a_number_that_is_listed_while_the_call_waits_for_a_slot_is_stopped_before_the_carrier_is_asked():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(1), rules=FAST)
        await bridge.tick()
        [call] = await bridge.calls()
        [gate] = bridge.queue.gates
        assert await bridge.database.write(lambda connection: gate(connection, call)) == ""
        await bridge.campaigns.list_numbers(ListedForm(new_yorkers(1)))
        reason = await bridge.database.write(lambda connection: gate(connection, call))
        assert reason == "do_not_call_global"
        await bridge.end(call, CallStatus.CANCELED, reason=reason)
        assert await bridge.states(campaign) == {"do_not_call": 1}
        explained = await bridge.campaigns.explain(call)
        assert [one["entry"]["reason"] for one in explained] == ["due", "do_not_call_global"]
        assert all(one["is_same"] and one["is_intact"] for one in explained)


def test_the_lists_keep_no_number():
    assert "12125550000" not in do_not_call.number_digest("+12125550000")
    assert do_not_call.listed_form("A" * 64) == "a" * 64
