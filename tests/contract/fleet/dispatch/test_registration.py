"""Workers and a bridge over real sockets: registration, offers, restarts of either side, and who is refused."""

import asyncio
from collections.abc import Callable

import pytest

from tests.contract.fleet.dispatch.harness import FLEET_TOKEN, Bridge, Peer, peers
from tests.fakes.fleet_worker import FakeWorker
from tests.time_limits import time_limit
from tests.unit.fleet.dispatch.harness import placement
from vox.errors import UsageError
from vox.fleet.dispatch.contract import Busy, HangUp, Inject, Placed, Transfer
from vox.http.websocket import UpgradeRefusedError, open_socket
from vox.protocols import fleet as wire


async def until(holds: Callable[[], object]) -> None:
    """Returns when something holds."""
    async with time_limit():
        while not holds():  # noqa: ASYNC110  both sides are real
            await asyncio.sleep(0.01)


def ready(bridge: Bridge, count: int) -> Callable[[], bool]:
    return lambda: sum(one.state == wire.READY for one in bridge.dispatcher.fleet().workers) == count


@pytest.fixture
async def bridge():
    async with time_limit(), Bridge().serving() as serving:
        yield serving


async def placed(bridge: Bridge, call_id: str) -> Placed:
    found = await bridge.dispatcher.place(placement(call_id))
    assert isinstance(found, Placed), found
    return found


async def test_a_call_from_its_offer_to_its_end(bridge):
    async with peers(bridge, FakeWorker("w-1", url="http://127.0.0.1:8001", region="eu-west")) as [peer]:
        await until(ready(bridge, 1))
        found = await placed(bridge, "call_1")
        assert found.token == f"token-{found.reservation_id}"
        peer.start(found.reservation_id)
        await until(lambda: ("progress", "call_1", "started") in bridge.listener.heard)
        await until(lambda: bridge.dispatcher.fleet().active == 1)
        for command in (Transfer("+15551234567"), Inject("Hello"), HangUp()):
            await bridge.dispatcher.command("call_1", command)
        await until(lambda: len(peer.worker.commands) == 3)
        assert peer.worker.commands == [
            ("transfer", "call_1", "+15551234567"),
            ("inject", "call_1", "Hello"),
            ("hang_up", "call_1"),
        ]
        peer.end("call_1")
        await until(lambda: ("ended", "call_1", "completed") in bridge.listener.heard)
        await until(lambda: not peer.registration.unrecorded)
        [view] = bridge.dispatcher.fleet().workers
        assert (view.url, view.region, view.is_stale) == ("http://127.0.0.1:8001", "eu-west", False)
        assert b"vox_worker_bridges_connected 1.0" in peer.metrics.render()
    await until(lambda: not bridge.dispatcher.fleet().workers)


async def test_two_hundred_calls_at_once_are_all_answered_in_time_and_no_worker_passes_its_limit(bridge):
    workers = [FakeWorker(f"w-{number}", limit=30, inbound_reserve=5) for number in range(4)]
    async with peers(bridge, *workers):
        await until(ready(bridge, 4))
        found = await asyncio.gather(*(bridge.dispatcher.place(placement(f"call_{n}")) for n in range(200)))
        placed_calls = [one for one in found if isinstance(one, Placed)]
        assert 100 - bridge.timed_out <= len(placed_calls) <= 100
        assert all(one.retry_after_s > 0 for one in found if isinstance(one, Busy))
        assert max(worker.most for worker in workers) <= 25
        assert len({one.reservation_id for one in placed_calls}) == len(placed_calls)


async def test_a_slot_that_is_released_is_free_again(bridge):
    async with peers(bridge, FakeWorker("w-1", limit=1)) as [peer]:
        await until(ready(bridge, 1))
        first = await placed(bridge, "call_1")
        await bridge.dispatcher.release(first)
        second = await placed(bridge, "call_2")
        assert list(peer.worker.reserved) == [second.reservation_id]
        assert peer.worker.released == [first.reservation_id]


async def test_a_drain_from_the_bridge_reaches_the_worker(bridge):
    async with peers(bridge, FakeWorker("w-1")) as [peer]:
        await until(ready(bridge, 1))
        await bridge.dispatcher.drain("w-1", 90.0)
        await until(lambda: bridge.dispatcher.fleet().workers[0].state == wire.DRAINING)
        assert peer.worker.drains == [90.0]
        found = await bridge.dispatcher.place(placement("call_1"))
        assert isinstance(found, Busy)
        assert found.reason == "DRAINING"


async def test_a_bridge_that_restarts_finds_the_calls_and_hears_of_those_that_ended_meanwhile():
    bridge = Bridge()
    async with time_limit():
        async with bridge.serving():
            stack = peers(bridge, FakeWorker("w-1", limit=3))
            [peer] = await stack.__aenter__()
            await until(ready(bridge, 1))
            for number in range(2):
                peer.start((await placed(bridge, f"call_{number}")).reservation_id)
            await until(lambda: bridge.dispatcher.fleet().active == 2)
        peer.end("call_0")
        async with bridge.serving():
            await until(ready(bridge, 1))
            await until(lambda: ("ended", "call_0", "completed") in bridge.listener.heard)
            assert bridge.listener.heard[0] == ("registered", "w-1", ["call_1"])
            assert bridge.dispatcher.fleet().active == 1
            await bridge.dispatcher.command("call_1", HangUp())
            await until(lambda: peer.worker.commands == [("hang_up", "call_1")])
            with pytest.raises(UsageError):
                await bridge.dispatcher.command("call_0", HangUp())
            await stack.__aexit__(None, None, None)


async def test_an_end_that_was_not_recorded_is_sent_again(bridge):
    peer = Peer(FakeWorker("w-1"), [bridge.url], resend_s=0.1)
    async with peer.registration.running():
        await until(ready(bridge, 1))
        peer.start((await placed(bridge, "call_1")).reservation_id)
        bridge.listener.failing = ["ended", "ended"]
        peer.end("call_1")
        await until(lambda: not peer.registration.unrecorded)
        assert bridge.listener.failing == []
        assert ("ended", "call_1", "completed") in bridge.listener.heard


async def test_a_worker_that_stops_waits_until_its_last_call_is_recorded(bridge):
    async with peers(bridge, FakeWorker("w-1")) as [peer]:
        await until(ready(bridge, 1))
        peer.start((await placed(bridge, "call_1")).reservation_id)
        peer.end("call_1")
    assert ("ended", "call_1", "completed") in bridge.listener.heard


async def test_a_worker_is_registered_with_every_bridge_that_it_is_given():
    first, second = Bridge(), Bridge()
    async with time_limit(), first.serving(), second.serving():
        peer = Peer(FakeWorker("w-1", limit=2), [first.url, second.url])
        async with peer.registration.running():
            await until(ready(first, 1))
            await until(ready(second, 1))
            peer.start((await placed(first, "call_1")).reservation_id)
            await until(lambda: second.dispatcher.fleet().active == 1)
            await second.dispatcher.command("call_1", HangUp())
            await until(lambda: peer.worker.commands == [("hang_up", "call_1")])
            await placed(second, "call_2")
            await until(lambda: first.dispatcher.fleet().reserved == 1)
            assert isinstance(await first.dispatcher.place(placement("call_3")), Busy)
            assert peer.worker.most == 2
            peer.end("call_1")
            for bridge in (first, second):
                await until(lambda bridge=bridge: ("ended", "call_1", "completed") in bridge.listener.heard)


@pytest.mark.parametrize("token", ["wrong", ""])
async def test_a_wrong_token_is_refused_before_the_upgrade_with_the_remedy(bridge, token):
    headers = [("Authorization", f"Bearer {token}")] if token else []
    with pytest.raises(UpgradeRefusedError) as raised:
        await open_socket(bridge.url.replace("http", "ws") + wire.CONNECT_PATH, Recorder(), headers=headers)
    assert raised.value.status == 401
    assert b"VOX_WORKER_TOKEN" in raised.value.body


async def test_while_the_tokens_cannot_be_looked_up_a_worker_is_told_to_come_later(bridge):
    bridge.tokens.is_away = True
    headers = [("Authorization", f"Bearer {FLEET_TOKEN}")]
    with pytest.raises(UpgradeRefusedError) as raised:
        await open_socket(bridge.url.replace("http", "ws") + wire.CONNECT_PATH, Recorder(), headers=headers)
    assert (raised.value.status, raised.value.retryable) == (503, True)


class Recorder:
    """A worker's listener that writes by hand."""

    def __init__(self) -> None:
        self.received_messages: list[wire.BridgeMessage | None] = []
        self.code: int | None = None

    def opened(self, socket) -> None:
        self.socket = socket

    def received(self, message: str | bytes) -> None:
        self.received_messages.append(wire.read_bridge(message))

    def closed(self, code: int, reason: str) -> None:
        self.code = code


async def by_hand(bridge: Bridge, *messages: str, token: str = FLEET_TOKEN) -> Recorder:
    recorder = Recorder()
    headers = [("Authorization", f"Bearer {token}")]
    socket = await open_socket(bridge.url.replace("http", "ws") + wire.CONNECT_PATH, recorder, headers=headers)
    for message in messages:
        socket.send(message)
    return recorder


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (['{"type":"status","active":0,"reserved":0,"max":1,"limit":1,"state":"ready"}'], "malformed_message"),
        (["not json"], "malformed_message"),
        (['{"type":"register","worker_id":"W 1","generation":1}'], "malformed_message"),
        ([wire.write(wire.Register("w-2", 1))], "wrong_worker"),
        ([wire.write(wire.Register("w-1", 1)), '{"type":"busy"}'], "malformed_message"),
    ],
)
async def test_a_worker_that_may_not_come_in_hears_why(messages, code):
    async with time_limit(), Bridge({"token-1": ("w-1",)}).serving() as bridge:
        recorder = await by_hand(bridge, *messages, token="token-1")
        await until(lambda: recorder.code is not None)
        assert recorder.code == 1008
        refused = recorder.received_messages[-1]
        assert isinstance(refused, wire.Refused)
        assert refused.code == code
        await until(lambda: not [one for one in bridge.dispatcher.fleet().workers if one.worker_id == "w-2"])


async def test_a_connection_that_says_nothing_is_closed():
    async with time_limit(), Bridge(register_deadline_s=0.1).serving() as bridge:
        recorder = await by_hand(bridge)
        await until(lambda: recorder.code is not None)
        assert recorder.code == 1008


async def test_an_unknown_message_changes_nothing(bridge):
    recorder = await by_hand(bridge, wire.write(wire.Register("w-1", 1)), '{"type":"teleport"}')
    await until(lambda: recorder.received_messages)
    recorder.socket.send(wire.write(FakeWorker("w-1").status()))
    await until(ready(bridge, 1))


async def test_a_newer_process_takes_the_place_of_an_older_one_that_is_then_refused(bridge):
    async with peers(bridge, FakeWorker("w-1", generation=1)) as [older]:
        await until(ready(bridge, 1))
        async with peers(bridge, FakeWorker("w-1", generation=2)) as [newer]:
            await until(lambda: older.worker.drains)
            await until(lambda: bridge.dispatcher.fleet().available == 10)
            await placed(bridge, "call_1")
            assert len(newer.worker.offers) == 1
            recorder = await by_hand(bridge, wire.write(wire.Register("w-1", 1)))
            await until(lambda: recorder.code is not None)
            assert isinstance(refused := recorder.received_messages[-1], wire.Refused)
            assert refused.code == "stale_generation"
