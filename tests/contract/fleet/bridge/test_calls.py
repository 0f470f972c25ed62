"""Outbound calls from the request to the outcome, over the simulated carriers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.contract.fleet.bridge.harness import FROM, TO, webhooks_at, world
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
@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [
        (Outcome.BUSY, {"busy", "rejected"}),
        (Outcome.NO_ANSWER, {"no_answer"}),
        (Outcome.FAIL, {"failed", "no_answer"}),
    ],
)
async def test_a_call_that_is_not_answered_ends_as_the_carrier_says(
    tmp_path: Path, carrier: str, outcome: Outcome, statuses: set[str]
):
    async with world(tmp_path, Behaviour(outcome=outcome), carrier=carrier) as bridge:
        shown = await bridge.until(await bridge.place(provider=carrier, ring_timeout=15))
        assert shown["status"] in statuses, shown
        assert not bridge.shop.talks


@pytest.mark.parametrize("carrier", ("twilio", "telnyx", "plivo"))
@pytest.mark.parametrize("fault", [ApiFault.TIMEOUT_AFTER_DIALLING, ApiFault.ERROR_AFTER_DIALLING])
async def test_a_call_that_was_dialled_without_an_answer_to_us_is_not_dialled_again(
    tmp_path: Path, carrier: str, fault: ApiFault
):
    behaviour = Behaviour(api=fault, api_delay_s=0.2, hangs_up_after_s=0.5)
    async with world(tmp_path, behaviour, carrier=carrier) as bridge:
        shown = await bridge.until(await bridge.place(provider=carrier, max_attempts=5))
        assert shown["status"] == "completed", shown
        assert len(bridge.dialled()) == 1
        assert len(shown["attempts"]) == 1


@pytest.mark.parametrize("carrier", ("twilio", "telnyx", "plivo", "exotel"))
async def test_a_call_whose_callbacks_are_all_lost_is_found_at_the_carrier(tmp_path: Path, carrier: str):
    behaviour = Behaviour(
        api=ApiFault.TIMEOUT_AFTER_DIALLING,
        api_delay_s=0.1,
        callbacks=CallbackFaults(copies=0),
        hangs_up_after_s=0.3,
    )
    async with world(tmp_path, behaviour, carrier=carrier) as bridge:
        call_id = await bridge.place(provider=carrier)
        await bridge.until(call_id, "uncertain", "dialing", "ringing", "answered", "in_progress", "completed")
        await until_carrier_knows_its_end(bridge.dialled)
        await bridge.check_now()
        shown = await bridge.until(call_id)
        assert shown["status"] in {"completed", "no_answer"}, shown
        assert len(bridge.dialled()) == 1


async def until_carrier_knows_its_end(dialled) -> None:
    async with asyncio.timeout(60):
        while not dialled():
            await asyncio.sleep(0.02)
        await dialled()[0].is_finished.wait()


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
        await until_carrier_knows_its_end(bridge.dialled)
        final = "completed" if outcome is Outcome.ANSWER else "busy"
        await bridge.shop.until(lambda: f"call.{final}" in types_of(webhooks_at(bridge.shop)))
        assert shown["status"] == final
        assert types_of(webhooks_at(bridge.shop)).count(f"call.{final}") == 1
        assert (await bridge.call(call_id))["status"] == final


def types_of(events: Sequence[dict]) -> list[str]:
    return [event["type"] for event in events]


async def test_a_machine_is_hung_up_on_where_the_caller_wants_that(tmp_path: Path):
    async with world(tmp_path, Behaviour(answered_by=AnsweredBy.MACHINE)) as bridge:
        shown = await bridge.until(await bridge.place(amd="detect", on_machine="hang_up"))
        assert (shown["status"], shown["answered_by"]) == ("voicemail", "machine")


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
        bridge.simulator.add_rule(TO, Behaviour(api=ApiFault.RATE_LIMIT))
        call_id = await bridge.place()
        async with asyncio.timeout(60):
            while bridge.bridge.metrics.render().find(b'result="rate_limited"') < 0:
                await asyncio.sleep(0.02)
        bridge.simulator.add_rule(TO, Behaviour(hangs_up_after_s=0.2))
        shown = await bridge.until(call_id)
        assert (shown["status"], shown["attempt"]) == ("completed", 1)


async def test_no_slot_at_a_worker_leaves_the_call_waiting_and_undialled(tmp_path: Path):
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.2), slots=0) as bridge:
        call_id = await bridge.place()
        async with asyncio.timeout(60):
            while b"AT_CAPACITY" not in bridge.bridge.metrics.render():
                await asyncio.sleep(0.02)
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
