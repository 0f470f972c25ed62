"""What a carrier is told whose stream is over: another worker's stream, or the end of the call."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.contract.fleet.bridge.harness import World, world
from tests.time_limits import time_limit
from vox.clients.carrier_simulator.behaviour import Behaviour
from vox.protocols import fleet as wire
from vox.protocols.media_stream import RESUME_PARAMETER

RESULT = {"transcript": [], "disconnected_by": "error", "stream_id": "first"}


@asynccontextmanager
async def talking(folder: Path, carrier: str = "twilio") -> AsyncGenerator[tuple[World, str]]:
    """A call whose first stream runs, at a worker whose calls can go on with other streams."""
    async with world(folder, Behaviour(), carrier=carrier) as bridge:
        bridge.worker.is_resumable = True
        call_id = await bridge.place(provider=carrier)
        await bridge.shop.until(lambda: bridge.shop.talks and bridge.shop.talks[0].started is not None)
        bridge.worker.say(wire.Progress(call_id, wire.STARTED, {"class": "outbound"}))
        yield bridge, call_id


def close_stream(bridge: World, number: int = 0) -> None:
    socket = bridge.shop.talks[number].socket
    assert socket is not None
    socket.close(1000, "over")


def brought(bridge: World, number: int) -> str:
    """What a stream says of resuming."""
    started = bridge.shop.talks[number].started
    assert started is not None
    return started.parameters.get(RESUME_PARAMETER, "")


@pytest.mark.parametrize("carrier", ["twilio", "plivo"])
async def test_a_call_that_is_handed_over_gets_another_slot_and_stream(tmp_path: Path, carrier: str):
    async with talking(tmp_path, carrier) as (bridge, call_id):
        bridge.worker.say(wire.Ended(call_id, wire.HANDED_OVER))
        close_stream(bridge)
        await bridge.shop.until(lambda: len(bridge.shop.talks) > 1 and bridge.shop.talks[1].started is not None)
        assert [brought(bridge, number) for number in (0, 1)] == ["0", "1"]
        assert [offer.call_id for offer in bridge.worker.offers] == [call_id] * 2
        assert len(bridge.dialled()) == 1


async def test_the_workers_word_is_waited_for_and_a_call_that_it_has_ended_is_ended(tmp_path: Path):
    async with talking(tmp_path) as (bridge, call_id):
        close_stream(bridge)  # the carrier asks before the worker has told
        bridge.worker.say(wire.Ended(call_id, "bot", RESULT | {"reason": "agent_ended"}))
        shown = await bridge.until(call_id)
        assert (shown["status"], len(bridge.worker.offers), len(bridge.shop.talks)) == ("completed", 1, 1)


async def test_a_call_whose_stream_broke_goes_on_although_its_first_worker_has_reported(tmp_path: Path):
    async with talking(tmp_path) as (bridge, call_id):
        bridge.worker.say(wire.Ended(call_id, "error", RESULT | {"reason": wire.LINE_LOST}))
        close_stream(bridge)
        await bridge.shop.until(lambda: len(bridge.shop.talks) > 1 and bridge.shop.talks[1].started is not None)
        bridge.worker.say(wire.Ended(call_id, "bot", RESULT | {"stream_id": "second", "reason": "agent_ended"}))
        close_stream(bridge, 1)
        shown = await bridge.until(call_id)
        assert (shown["status"], len(shown["results"])) == ("completed", 2)


async def test_without_a_slot_anywhere_the_call_ends(tmp_path: Path):
    async with talking(tmp_path) as (bridge, call_id):
        bridge.worker.slots = 0
        bridge.worker.say(wire.Ended(call_id, wire.HANDED_OVER))
        close_stream(bridge)
        assert (await bridge.until(call_id))["status"] == "completed"
        assert len(bridge.shop.talks) == 1


async def test_workers_without_a_store_of_calls_get_no_second_question(tmp_path: Path):
    async with world(tmp_path, Behaviour()) as bridge:
        call_id = await bridge.place()
        await bridge.shop.until(lambda: bridge.shop.talks and bridge.shop.talks[0].started is not None)
        assert brought(bridge, 0) == ""
        close_stream(bridge)
        await bridge.until(call_id)
        verbs = [one.details["verbs"] for one in bridge.dialled()[0].record.events if one.kind == "document"]
        assert verbs == [["Stream"]]


async def test_only_the_carrier_with_the_attempts_own_address_is_answered(tmp_path: Path):
    async with talking(tmp_path) as (bridge, _):
        async with time_limit():
            document = next(one for one in bridge.dialled()[0].record.events if one.kind == "document")
        asked = urlsplit(document.details["url"])
        for query in ("", asked.query.replace("proof=", "proof=0"), asked.query):
            address = f"{bridge.bridge.address}{asked.path.replace('answer', 'resume')}?{query}"
            reply = await bridge.http.post(address, data={"CallSid": "x"})
            assert reply.status_code == 403, (query, reply.text)
