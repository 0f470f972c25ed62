"""Results of calls: on the disk before they are sent, and off it only once they are confirmed."""

import asyncio

import httpx2
import msgspec
import pytest

from tests.fakes.clock import FakeClock
from tests.time_limits import time_limit
from tests.unit.fleet.worker.bridge import PlayedBridge
from vox.errors import DependencyError
from vox.fleet.worker import results as module
from vox.fleet.worker.results import Results
from vox.runtime.metrics import Metrics
from vox.security.outbound import OutboundGuard

RESULT = {"call_id": "call_1", "transcript": [{"role": "bot", "content": "Hi"}]}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", (0.0,))


async def _private(host, port):
    del host, port
    return ["10.0.0.1"]


def spool(folder, bridge, metrics=None):
    return Results(
        folder,
        bridge.http,
        "http://bridge",
        secret="s",
        guard=OutboundGuard(resolver=_private),
        metrics=metrics or Metrics(),
        clock=FakeClock(),
    )


async def until(condition):
    """Lets the other tasks run until something has happened."""
    while not condition():  # noqa: ASYNC110  threads and tasks bring it about
        await asyncio.sleep(0)


async def until_sent(results):
    running = asyncio.create_task(results.run())
    async with time_limit():
        await until(lambda: results.waiting)
        await until(lambda: not results.waiting)
    running.cancel()


async def test_a_result_goes_to_the_bridge_and_off_the_disk(tmp_path):
    bridge = PlayedBridge(results={"ok": True})
    results = spool(tmp_path / "w", bridge)
    await results.keep("call_1", RESULT)
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["call_1.json"]
    await until_sent(results)
    (request,) = bridge.requests
    assert request.url == "http://bridge/v1/results"
    assert request.headers["x-voxcore-secret"] == "s"
    assert request.headers["idempotency-key"] == "call_1"
    assert msgspec.json.decode(request.content) == RESULT
    assert list((tmp_path / "w").glob("*.json")) == []


async def test_a_bridge_that_is_away_gets_it_later(tmp_path):
    answers = [httpx2.ConnectError("away"), httpx2.Response(500), httpx2.Response(401), httpx2.Response(204)]
    bridge, metrics = PlayedBridge(results=answers), Metrics()
    results = spool(tmp_path, bridge, metrics)
    await results.keep("call_1", RESULT)
    await until_sent(results)
    assert len(bridge.requests) == 4
    text = metrics.render().decode()
    assert 'vox_worker_results_total{outcome="unreachable"} 1.0' in text
    assert 'vox_worker_results_total{outcome="retried"} 2.0' in text
    assert 'vox_worker_results_total{outcome="confirmed"} 1.0' in text
    assert "vox_worker_results_waiting 0.0" in text


async def test_what_a_worker_that_died_has_left_is_sent_at_its_next_start(tmp_path):
    await spool(tmp_path, PlayedBridge()).keep("call_1", RESULT)
    (tmp_path / "call_2.part").write_text("half of a resul")
    bridge = PlayedBridge(results={})
    await until_sent(spool(tmp_path, bridge))
    assert [msgspec.json.decode(request.content) for request in bridge.requests] == [RESULT]


async def test_what_is_refused_for_good_is_kept_aside_and_holds_up_nothing(tmp_path):
    bridge = PlayedBridge(results=[httpx2.Response(422), httpx2.Response(204)])
    results = spool(tmp_path, bridge)
    await results.keep("call_1", RESULT)
    await results.keep("call_2", RESULT)
    await until_sent(results)
    assert len(list((tmp_path / "refused").iterdir())) == 1
    assert list(tmp_path.glob("*.json")) == []


async def test_one_address_that_is_away_does_not_hold_up_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", (1000.0,))
    bridge = PlayedBridge(dead=[httpx2.ConnectError("away")], results={})
    results = spool(tmp_path, bridge)
    await results.keep("call_1", RESULT, "http://bridge/dead")
    running = asyncio.create_task(results.run())
    async with time_limit():
        await until(lambda: bridge.requests)
        for number in range(2, 6):
            await results.keep(f"call_{number}", RESULT)
        await until(lambda: results.waiting == 1)
    running.cancel()
    assert [request.url.path for request in bridge.requests].count("/dead") == 1


async def test_a_file_that_is_no_result_is_kept_aside(tmp_path):
    (tmp_path / "call_1.json").write_text("{")
    await until_sent(spool(tmp_path, PlayedBridge()))
    assert [path.name for path in (tmp_path / "refused").iterdir()] == ["call_1.json"]


async def test_another_address_is_reached_through_the_guard_only_and_gets_no_secret(tmp_path):
    bridge = PlayedBridge(results={})
    results = spool(tmp_path, bridge)
    await results.keep("call_1", RESULT, "http://169.254.169.254/latest")
    await results.flush(5.0)
    assert bridge.requests == []
    assert results.waiting == 1, "it is tried again, and named in the log"


async def test_an_address_that_only_begins_like_the_bridges_is_another(tmp_path):
    bridge = PlayedBridge(results={})
    results = spool(tmp_path, bridge)
    await results.keep("call_1", RESULT, "http://bridge.evil.invalid/results")
    await results.flush(5.0)
    assert bridge.requests == []


async def test_a_call_whose_id_is_a_path_stays_in_the_folder(tmp_path):
    bridge = PlayedBridge(results={})
    results = spool(tmp_path / "w", bridge)
    await results.keep("../../etc/x", RESULT)
    (file,) = (tmp_path / "w").iterdir()
    assert file.name.removesuffix(".json").isalnum()
    await until_sent(results)
    assert len(bridge.requests) == 1


async def test_a_disk_that_refuses_is_said(tmp_path):
    (tmp_path / "w").write_text("a file where the folder should be")
    with pytest.raises(DependencyError) as caught:
        await spool(tmp_path / "w", PlayedBridge()).keep("call_1", RESULT)
    assert caught.value.code == "results_unwritable"
