"""The chooser over a registry: nobody is overfilled between two reports, and nobody who fits is overlooked."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.fakes.clock import FakeClock
from vox.directory.health.health_registry import HealthRegistry
from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay
from vox.directory.selection.policy import PolicyName, Request
from vox.directory.selection.selector import LOOKED_AT, RelaySelector
from vox.directory.settings import HealthCheck
from vox.errors import VoxError
from vox.runtime.metrics import Metrics

POLICIES: list[PolicyName] = ["distance", "load_aware", "measured"]
REGIONS = ["eu-west", "eu-north", "us-east"]


def relay(name: str, **change: Any) -> Relay:
    known: dict[str, Any] = {"latitude": 50.0, "longitude": 8.0, "region": "eu-west", "capacity": 100, **change}
    return Relay(
        id=name, name=name, url=f"wss://{name}.example.com", public_key="k", registered_at="", last_seen_at="",
        healthy=True, state="healthy", **known,
    )  # fmt: skip


class Fleet:
    """A chooser, its registry, and how full the relays really are."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.registry = Registry()
        metrics = Metrics()
        book = HealthRegistry(HealthCheck(enabled=False), self.registry, self.clock, metrics)
        self.chooser = RelaySelector(self.registry, book, self.clock, metrics, Random(3))
        self.there: dict[str, int] = {}
        self.beats = 0

    def add(self, name: str, **change: Any) -> None:
        self.registry.put(relay(name, **change))
        self.there[name] = 0

    def send(self, policy: PolicyName = "load_aware", **wanted: Any) -> str:
        """A client asks and connects; '' where it is told to come back."""
        request = replace(Request(50.0, 8.0, 3), **wanted)
        try:
            answer = self.chooser.choose(request, policy, explain=False)
        except VoxError as error:
            return "" if error.code == "no_relay_available" else error.code
        self.there[answer["relay"]["id"]] += 1
        return answer["relay"]["id"]

    def beat(self, name: str, *, tells_load: bool) -> None:
        known = self.registry.get(name)
        assert known is not None
        self.beats += 1
        load = {"current_connections": self.there[name]} if tells_load else {}
        self.registry.put(replace(known, last_seen_at=str(self.beats), **load))
        if tells_load:
            self.chooser.reported(name)


class NobodyIsOverfilled(RuleBasedStateMachine):
    """Clients come in bursts and leave, relays say their load now and then; nothing ever holds more than it can."""

    @initialize(capacities=st.lists(st.integers(1, 6), min_size=1, max_size=5))
    def start(self, capacities: list[int]) -> None:
        self.fleet = Fleet()
        for number, capacity in enumerate(capacities):
            name = f"r{number}"
            self.fleet.add(name, capacity=capacity, longitude=8.0 + number, region=REGIONS[number % 3])
            self.fleet.beat(name, tells_load=True)

    @rule(
        clients=st.integers(1, 12),
        policy=st.sampled_from(POLICIES),
        region=st.sampled_from([None, *REGIONS]),
        has_place=st.booleans(),
        key=st.sampled_from(["", "room"]),
    )
    def burst(self, clients: int, policy: PolicyName, region: str | None, has_place: bool, key: str) -> None:
        place = 50.0 if has_place else None
        for _ in range(clients):
            sent = self.fleet.send(policy, region=region, latitude=place, longitude=place, key=key, draw=clients)
            if not sent:
                counted = self.fleet.chooser._candidates.values()
                assert not any(one.has_room(self.fleet.clock.now()) for one in counted)

    @rule(number=st.integers(0, 4), tells_load=st.booleans())
    def heartbeat(self, number: int, tells_load: bool) -> None:
        name = f"r{number % len(self.fleet.there)}"
        self.fleet.beat(name, tells_load=tells_load)

    @rule(number=st.integers(0, 4))
    def somebody_leaves(self, number: int) -> None:
        name = f"r{number % len(self.fleet.there)}"
        self.fleet.there[name] = max(0, self.fleet.there[name] - 1)

    @rule(seconds=st.sampled_from([0.5, 15.0, 29.0]))
    def time_passes(self, seconds: float) -> None:
        """And each relay says its load once in 120 s at least: for so long assignments wait for it."""
        self.fleet.clock.advance(seconds)
        self.silent_s = getattr(self, "silent_s", 0.0) + seconds
        if self.silent_s >= 90:
            for name in self.fleet.there:
                self.fleet.beat(name, tells_load=True)
            self.silent_s = 0.0

    @invariant()
    def holds(self) -> None:
        fleet: Fleet | None = getattr(self, "fleet", None)
        for name, count in fleet.there.items() if fleet else ():
            known = fleet.registry.get(name) if fleet else None
            assert known is not None
            assert count <= known.capacity


NobodyIsOverfilled.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestNobodyIsOverfilled = NobodyIsOverfilled.TestCase


@pytest.mark.parametrize("policy", POLICIES)
def test_a_full_fleet_sends_clients_away_and_takes_them_again_after_a_report(policy: PolicyName):
    fleet = Fleet()
    fleet.add("a", capacity=3)
    assert [fleet.send(policy) for _ in range(5)] == ["a", "a", "a", "", ""]
    fleet.beat("a", tells_load=False)
    assert fleet.send(policy) == ""
    fleet.there["a"] = 2
    fleet.beat("a", tells_load=True)
    assert fleet.send(policy) == "a"


def test_a_relay_that_never_says_its_load_is_not_full_for_ever():
    fleet = Fleet()
    fleet.add("a", capacity=1)
    assert (fleet.send(), fleet.send()) == ("a", "")
    fleet.clock.advance(41)
    assert fleet.send() == "a"


def test_where_the_nearest_are_full_the_farthest_still_serves():
    fleet = Fleet()
    for number in range(LOOKED_AT + 50):
        fleet.add(f"full{number}", capacity=1, longitude=8.0 + number / 1000)
    fleet.add("far", latitude=-50.0, longitude=-170.0, capacity=500)
    sent = [fleet.send("distance") for _ in range(LOOKED_AT + 60)]
    assert "" not in sent
    assert sent.count("far") == 10


@pytest.mark.parametrize("place", [50.0, None])
def test_a_rare_feature_is_found_among_many_relays(place: float | None):
    fleet = Fleet()
    for number in range(LOOKED_AT * 2):
        fleet.add(f"plain{number}", longitude=8.0 + number / 1000, features=("video",))
    fleet.add("rare", latitude=-50.0, longitude=-170.0, features=("video", "record"))
    wanted = frozenset({"video", "record"})
    assert fleet.send(features=wanted, latitude=place, longitude=place) == "rare"
    assert fleet.send(features=frozenset({"nobody-has-it"}), latitude=place, longitude=place) == ""


def test_a_region_of_one_still_gets_something_to_fall_back_on():
    fleet = Fleet()
    fleet.add("here", region="us-east")
    fleet.add("group", region="us-west", longitude=90.0)
    fleet.add("near", region="eu-west")
    answer = fleet.chooser.choose(Request(50.0, 8.0, 3, region="us-east"), "distance", explain=False)
    assert [answer["relay"]["id"], *(one["id"] for one in answer["fallbacks"])] == ["here", "group", "near"]
    assert answer["relaxed"] == "no"


def test_relays_that_move_change_regions_or_leave_are_followed():
    fleet = Fleet()
    for number in range(LOOKED_AT + 1):
        fleet.add(f"r{number}")
    for number in range(LOOKED_AT):
        fleet.registry.drop(f"r{number}")
    assert fleet.send(region="eu-west") == f"r{LOOKED_AT}"
    fleet.add(f"r{LOOKED_AT}", region="us-east")
    assert fleet.send(region="eu-west", latitude=None, longitude=None) == f"r{LOOKED_AT}"
    fleet.registry.drop(f"r{LOOKED_AT}")
    assert fleet.send() == ""
    assert fleet.chooser._groups == {}
