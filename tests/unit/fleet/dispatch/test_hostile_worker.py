"""A worker that says anything its messages allow: the bridge goes on, and another worker's calls are not touched."""

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.fakes.fleet_worker import FakeWorker
from tests.unit.fleet.dispatch.harness import Listener
from vox.fleet.dispatch.dispatcher import FleetDispatcher
from vox.fleet.dispatch.registry import Worker
from vox.protocols import fleet as wire
from vox.runtime.metrics import Metrics

IDS = st.sampled_from(["call_1", "call_2", "offer_1", "rsv_1"])
COUNTS = st.integers(0, 1_000_000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
DATA = st.dictionaries(st.sampled_from(["class", "since_ms", "x"]), JSON, max_size=3)
CALLS = st.lists(st.builds(wire.RunningCall, IDS, st.sampled_from(["inbound", "outbound"]), COUNTS), max_size=3)
MESSAGES = st.one_of(
    st.builds(wire.Register, st.just("w-2"), COUNTS, calls=CALLS),
    st.builds(
        wire.Status,
        COUNTS,
        COUNTS,
        COUNTS,
        COUNTS,
        st.text(max_size=10) | st.sampled_from(["ready", "full", "draining"]),
        load=st.floats(0, 1000),
        free_outbound=st.none() | COUNTS,
        next_free_s=st.none() | st.floats(0, 1e6),
    ),
    st.builds(wire.Accept, IDS, IDS, st.just("token"), st.text(max_size=10)),
    st.builds(wire.Busy, IDS, st.floats(0, 1e6)),
    st.builds(wire.Ended, IDS, st.text(max_size=10), DATA),
    st.builds(wire.Progress, IDS, st.sampled_from(["started", "x"]), DATA),
)


class Link:
    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, message: wire.BridgeMessage) -> None:
        self.sent.append(wire.read_bridge(wire.write(message)))

    def close(self, refused: wire.Refused) -> None:
        self.sent.append(refused)


@given(st.lists(MESSAGES, max_size=15))
def test_a_worker_may_say_what_it_likes(messages):
    clock = FakeClock()
    dispatcher = FleetDispatcher(Listener(), clock, Random(1), Metrics())
    honest_link, hostile_link = Link(), Link()
    honest = dispatcher.connect(FakeWorker("w-1").registration(), honest_link, None)
    hostile = dispatcher.connect(FakeWorker("w-2").registration(), hostile_link, ["w-2"])
    assert isinstance(honest, Worker)
    assert isinstance(hostile, Worker)
    dispatcher.receive(honest, honest_link, FakeWorker("w-1").status())
    call = wire.RunningCall("call_0", "outbound", 1)
    dispatcher.receive(
        honest, honest_link, wire.Progress("call_0", wire.STARTED, {"class": call.call_class, "since_ms": 1})
    )
    for message in messages:
        decoded = wire.read_worker(wire.write(message))
        assert decoded is not None
        dispatcher.receive(hostile, hostile_link, decoded)
        clock.advance(0.1)
    assert dispatcher.registry.worker_of("call_0") is honest
    assert list(honest.calls) == ["call_0"]
    assert hostile.free("inbound") >= 0
    assert honest.takes_calls
    assert dispatcher.fleet().workers[0].worker_id == "w-1"
