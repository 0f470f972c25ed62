"""The totals of the fleet: those of the workers that answer, or the bridge's."""

from typing import Any

import httpx2
import pytest

from tests.fakes.clock import FakeClock
from tests.unit.fleet.worker.played_calls import PlayedCalls, played_worker
from vox.fleet.worker.fleet_totals import FleetTotals
from vox.fleet.worker.siblings import Siblings

HEALTH = {"worker_calls": 2, "worker_max": 5, "worker_pid": 7}
OURS = {**HEALTH, "reserved": 1, "limit": 4, "state": "ready", "generation": 9, "worker_id": "w-2"}


def totals_of(
    answers: dict[int, Any], ports: list[int], *, bridge_url: str = ""
) -> tuple[FleetTotals, Any, FakeClock, list[str]]:
    """Totals of a worker of 3, beside workers that answer by port; what has no answer cannot be reached."""
    asked: list[str] = []

    def answer(request):
        asked.append(str(request.url))
        given = answers.get(request.url.port)
        if given is None:
            raise httpx2.ConnectError("refused")
        return given if isinstance(given, httpx2.Response) else httpx2.Response(200, json=given)

    clock = FakeClock()
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    worker = played_worker(clock, PlayedCalls(3), max_concurrent_calls=3)
    return FleetTotals(worker, Siblings(http, ports, clock), http, bridge_url), worker, clock, asked


async def test_the_workers_that_answer_count_and_the_others_are_named():
    totals, worker, _, _ = totals_of({8002: OURS}, [8002, 8003])
    worker.calls.begin("call_1")
    worker.reserve("call_2", "inbound")
    report = await totals.report()
    assert (report["fleet_calls"], report["fleet_max"], report["fleet_available"]) == (3, 8, 2)
    assert [one["port"] for one in report["workers"]] == [8001, 8002, 8003]
    assert report["workers"][2] == {"port": 8003, "status": "unreachable"}
    assert report["workers"][1]["available"] == 1
    assert (report["source"], report["stale"]) == ("siblings", True)
    now = totals.now()
    assert (now.calls, now.capacity, now.available, now.is_stale) == (3, 8, 2, True)


async def test_a_worker_of_voxcore_itself_counts_too():
    totals, *_ = totals_of({8002: HEALTH}, [8002])
    report = await totals.report()
    assert (report["fleet_calls"], report["fleet_max"], report["fleet_available"], report["stale"]) == (2, 8, 6, False)


async def test_a_draining_worker_has_no_slot_to_offer():
    totals, *_ = totals_of({8002: {**OURS, "state": "draining"}}, [8002])
    assert (await totals.report())["fleet_available"] == 3


@pytest.mark.parametrize(
    "answer",
    [httpx2.Response(500), httpx2.Response(200, content=b"<html>"), httpx2.Response(200, json={"worker_calls": "x"})],
)
async def test_something_else_at_a_port_is_no_worker(answer):
    totals, *_ = totals_of({8002: answer}, [8002])
    assert (await totals.report())["workers"][1] == {"port": 8002, "status": "unreachable"}


async def test_siblings_are_asked_once_a_second_at_most():
    totals, _, clock, asked = totals_of({8002: OURS}, [8002])
    await totals.report()
    await totals.report()
    assert len(asked) == 1
    clock.advance(1.5)
    await totals.report()
    assert len(asked) == 2


async def test_a_bridge_knows_the_whole_fleet_and_one_that_is_away_makes_the_numbers_stale():
    fleet = {"status": "ok", "fleet_calls": 40, "fleet_max": 100, "fleet_available": 60, "workers": [], "servers": []}
    answers: dict[int, Any] = {8100: fleet, 8002: OURS}
    totals, _, clock, _ = totals_of(answers, [8002], bridge_url="http://bridge:8100")
    report = await totals.report()
    assert (report["fleet_calls"], report["source"], report["stale"]) == (40, "bridge", False)
    assert totals.now().available == 60
    answers[8100] = None
    clock.advance(2)
    report = await totals.report()
    assert (report["fleet_calls"], report["source"], report["stale"]) == (2, "siblings", True)


async def test_a_bridge_that_asks_hears_of_this_server_only():
    known = {"fleet_calls": 40, "fleet_max": 80, "fleet_available": 40}
    totals, *_, asked = totals_of({8002: OURS, 8100: known}, [8002], bridge_url="http://127.0.0.1:8100")
    assert (await totals.report())["fleet_max"] == 80
    asked.clear()
    report = await totals.report(is_server_only=True)
    assert (report["fleet_max"], report["source"]) == (8, "siblings")
    assert not [url for url in asked if ":8100" in url], "the bridge's numbers of this server come from here"
