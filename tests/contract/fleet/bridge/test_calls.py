"""Outbound calls from the request to the outcome, over the simulated carriers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.contract.fleet.bridge.harness import FROM, TO, World, webhooks_at, world
from tests.time_limits import time_limit
from vox.clients.carrier_simulator.behaviour import AnsweredBy, ApiFault, Behaviour, CallbackFaults, Outcome
from vox.protocols import fleet as wire

CARRIERS = ("twilio", "telnyx", "plivo", "exotel")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_call_is_placed_answered_talked_on_and_told_of(tmp_path: Path, carrier: str):
    async with world(tmp_path, Behaviour(hangs_up_after_s=1.0), carrier=carrier) as bridge:
        call_id = await bridge.place(
            provider=carrier, webhook_url=f"{bridge.shop.url}/status/events", metadata={"order": "7"}
        )
        await bridge.shop.until(lambda: bridge.shop.talks and bridge.shop.talks[0].started is not None)
        bridge.worker.say(wire.Progress(call_id, wire.STARTED, {"class": "outbound"}))
        shown = await bridge.until(call_id)
        await bridge.shop.until(
            lambda: webhooks_at(bridge.shop) and webhooks_at(bridge.shop)[-1]["type"] == "call.completed"
        )
        assert (shown["status"], shown["attempt"], shown["worker_id"]) == ("completed", 1, "worker-1")
        assert shown["dialed_at_ms"] <= shown["answered_at_ms"] <= shown["ended_at_ms"]
        (offer,) = bridge.worker.offers
        assert (offer.call_id, offer.call_class, offer.bot_id) == (call_id, "outbound", "helper")
        assert (offer.metadata["to"], offer.metadata["from"]) == (TO, FROM)
        talk = bridge.shop.talks[0]
        brought = dict(talk.started.parameters) if talk.started is not None else {}
        assert brought.get("token", talk.hook.url) in {"tok1", talk.hook.url}
        assert "tok1" in (brought.get("token", "") + talk.hook.url)
        events = webhooks_at(bridge.shop)
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
        assert events[-1]["call"]["metadata"] == {"order": "7"}
        assert len(bridge.dialled()) == 1


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_calls_that_are_not_answered_end_as_the_carrier_says(tmp_path: Path, carrier: str):
    ends = {"+15550000001": Outcome.BUSY, "+15550000002": Outcome.NO_ANSWER, "+15550000003": Outcome.FAIL}
    numbers = {number: Behaviour(outcome=outcome) for number, outcome in ends.items()}
    async with world(tmp_path, numbers=numbers, carrier=carrier) as bridge:
        placed = [await bridge.place(to=number, provider=carrier, ring_timeout=15) for number in ends]
        shown = [(await bridge.until(call_id))["status"] for call_id in placed]
        assert shown[0] in {"busy", "rejected"}
        assert shown[1] == "no_answer"
        assert shown[2] in {"failed", "no_answer"}
        assert not bridge.shop.talks


@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "plivo"])
async def test_calls_that_were_dialled_without_an_answer_to_us_are_not_dialled_again(tmp_path: Path, carrier: str):
    faults = {
        "+15550000001": ApiFault.TIMEOUT_AFTER_DIALLING,
        "+15550000002": ApiFault.ERROR_AFTER_DIALLING,
    }
    numbers = {number: Behaviour(api=fault, api_delay_s=0.2, hangs_up_after_s=0.5) for number, fault in faults.items()}
    async with world(tmp_path, numbers=numbers, carrier=carrier) as bridge:
        placed = [await bridge.place(to=number, provider=carrier, max_attempts=5) for number in faults]
        for call_id in placed:
            shown = await bridge.until(call_id)
            assert shown["status"] == "completed", shown
            assert len(shown["attempts"]) == 1
        assert len(bridge.dialled()) == 2


@pytest.mark.parametrize("carrier", ["twilio", "plivo"])
async def test_a_call_whose_callbacks_are_all_lost_is_found_at_the_carrier(tmp_path: Path, carrier: str):
    behaviour = Behaviour(
        api=ApiFault.TIMEOUT_AFTER_DIALLING,
        api_delay_s=0.1,
        callbacks=CallbackFaults(copies=0),
        hangs_up_after_s=0.3,
    )
    async with world(tmp_path, behaviour, carrier=carrier) as bridge:
        call_id = await bridge.place(provider=carrier)
        await until_ended_at_the_carrier(bridge)
        await bridge.check_now()
        shown = await bridge.until(call_id)
        assert shown["status"] in {"completed", "no_answer"}, shown
        assert len(bridge.dialled()) == 1


async def test_a_live_call_is_found_by_our_tag_and_hung_up(tmp_path: Path):
    behaviour = Behaviour(api=ApiFault.TIMEOUT_AFTER_DIALLING, api_delay_s=0.1, callbacks=CallbackFaults(copies=0))
    async with world(tmp_path, behaviour, carrier="telnyx") as bridge:
        call_id = await bridge.place(provider="telnyx")
        await bridge.shop.until(lambda: bridge.shop.talks and bridge.shop.talks[0].started is not None)
        await bridge.shown_in_metrics('result="found"')
        shown = await bridge.until(call_id, "dialing", "ringing", "answered")
        assert shown["carrier_call_id"] == bridge.dialled()[0].record.call_id
        assert (await bridge.post(f"/v1/calls/{call_id}/hang_up")).status_code == 200
        await until_ended_at_the_carrier(bridge)
        assert (await bridge.until(call_id))["status"] in {"completed", "canceled"}


async def test_an_attempt_that_the_carrier_does_not_know_is_over_after_two_ring_times_and_another_may_follow(
    tmp_path: Path,
):
    behaviour = Behaviour(api=ApiFault.TIMEOUT_BEFORE_DIALLING, api_delay_s=0.1)
    async with world(tmp_path, behaviour, speed=60.0) as bridge:
        call_id = await bridge.place(ring_timeout=15, max_attempts=2, webhook_url=f"{bridge.shop.url}/status/events")
        shown = await bridge.until(call_id)
        assert (shown["status"], shown["reason"]) == ("failed", "outcome_unknown")
        first, second = shown["attempts"]
        assert first["ended_at_ms"] - first["started_at_ms"] > 2 * 15_000
        assert second["started_at_ms"] - first["ended_at_ms"] >= 60_000
        assert not bridge.dialled()
        await bridge.shop.until(lambda: "call.failed" in types_of(webhooks_at(bridge.shop)))
        assert types_of(webhooks_at(bridge.shop)).count("call.uncertain") == 2


async def until_ended_at_the_carrier(bridge: World) -> None:
    async with time_limit():
        while not bridge.dialled():  # noqa: ASYNC110  the simulator has no event for it
            await asyncio.sleep(0.02)
        await bridge.dialled()[0].is_finished.wait()


@pytest.mark.parametrize(
    "faults",
    [
        CallbackFaults(copies=3),
        CallbackFaults(is_reversed=True),
        CallbackFaults(copies=2, is_reversed=True),
        CallbackFaults(delay_s=0.3, copies=2),
    ],
)
@pytest.mark.parametrize("outcome", [Outcome.ANSWER, Outcome.BUSY])
async def test_late_doubled_and_reordered_callbacks_give_one_outcome(
    tmp_path: Path, faults: CallbackFaults, outcome: Outcome
):
    behaviour = Behaviour(outcome=outcome, callbacks=faults, hangs_up_after_s=0.3)
    async with world(tmp_path, behaviour) as bridge:
        call_id = await bridge.place(webhook_url=f"{bridge.shop.url}/status/events")
        shown = await bridge.until(call_id)
        await until_ended_at_the_carrier(bridge)
        final = "completed" if outcome is Outcome.ANSWER else "busy"
        await bridge.shop.until(lambda: f"call.{final}" in types_of(webhooks_at(bridge.shop)))
        assert shown["status"] == final
        assert types_of(webhooks_at(bridge.shop)).count(f"call.{final}") == 1
        assert (await bridge.call(call_id))["status"] == final


def types_of(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


async def test_a_machine_is_hung_up_on_where_the_caller_wants_that(tmp_path: Path):
    async with world(tmp_path, Behaviour(answered_by=AnsweredBy.MACHINE)) as bridge:
        shown = await bridge.until(await bridge.place(amd="detect", on_machine="hang_up"))
        assert (shown["status"], shown["answered_by"]) == ("voicemail", "machine")


async def test_a_machine_that_the_worker_has_heard_is_hung_up_on_too_and_a_failed_transfer_is_in_the_log(
    tmp_path: Path,
):
    async with world(tmp_path, Behaviour()) as bridge:
        call_id = await bridge.place(on_machine="hang_up")
        await bridge.shop.until(lambda: bridge.shop.talks and bridge.shop.talks[0].started is not None)
        bridge.worker.say(wire.Progress(call_id, wire.STARTED, {"class": "outbound"}))
        bridge.worker.say(wire.Progress(call_id, "transfer_failed", {"code": "transfer_unavailable"}))
        await bridge.until(call_id, "in_progress")
        bridge.worker.say(wire.Progress(call_id, "answered", {"answered_by": "machine"}))
        shown = await bridge.until(call_id)
        assert (shown["status"], shown["answered_by"]) == ("voicemail", "machine")
        assert {"code": "transfer_unavailable"} in [event["data"] for event in shown["events"]]


async def test_a_machine_gets_the_message_where_the_caller_wants_that(tmp_path: Path):
    async with world(tmp_path, Behaviour(answered_by=AnsweredBy.MACHINE, hangs_up_after_s=2.0)) as bridge:
        call_id = await bridge.place(on_machine="leave_message", variables={"voicemail_message": "Call us back."})
        await bridge.shop.until(lambda: bridge.shop.talks and bridge.shop.talks[0].started is not None)
        bridge.worker.say(wire.Progress(call_id, wire.STARTED, {"class": "outbound"}))
        shown = await bridge.until(call_id)
        assert shown["status"] == "voicemail"
        assert any(isinstance(one, wire.Inject) and "Call us back." in one.text for one in bridge.worker.commands)


async def test_a_carrier_that_says_too_many_is_asked_again_and_the_attempt_counts_once(tmp_path: Path):
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.2)) as bridge:
        await bridge.simulator.add_rule(TO, Behaviour(api=ApiFault.RATE_LIMIT))
        call_id = await bridge.place()
        await bridge.shown_in_metrics('result="rate_limited"')
        await bridge.simulator.add_rule(TO, Behaviour(hangs_up_after_s=0.2))
        shown = await bridge.until(call_id)
        assert (shown["status"], shown["attempt"]) == ("completed", 1)


async def test_no_slot_at_a_worker_leaves_the_call_waiting_and_undialled(tmp_path: Path):
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.2), slots=0) as bridge:
        call_id = await bridge.place()
        await bridge.shown_in_metrics("AT_CAPACITY")
        assert (await bridge.call(call_id))["status"] == "queued"
        assert not bridge.dialled()
        bridge.worker.slots = 5
        assert (await bridge.until(call_id))["status"] == "completed"


async def test_a_result_of_a_worker_is_kept_and_shown(tmp_path: Path):
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.5)) as bridge:
        call_id = await bridge.place()
        await bridge.until(call_id, "answered", "in_progress")
        result = {"session_id": "s1", "bot_id": "helper", "disconnected_by": "customer", "transcript": []}
        for _ in range(2):
            bridge.worker.say(wire.Ended(call_id, "customer", result))
        shown = await bridge.until(call_id)
        assert [one["session_id"] for one in shown["results"]] == ["s1"]
        assert (shown["bot_outcome"], shown["disconnected_by"]) == ("customer", "customer")
