import random

import pytest

from tests.unit.directory.health.outage_simulation import HOUR_S, Simulation
from vox.directory.health.state_machine import Health, HealthPolicy, Status, step
from vox.directory.probing.schedule import after_probe


@pytest.mark.parametrize(("relays", "seed"), [(100, 1), (100, 2), (1000, 3)])
def test_a_week_of_failures_partitions_flapping_and_restarts(relays, seed):
    # While it runs it checks: nobody dead is listed past the threshold, nobody is removed or taken down while up,
    # nobody comes up while dead or held, nothing goes down while frozen.
    week = Simulation(seed, relays)
    week.run()

    assert {relay.health.status for relay in week.relays} == {Status.HEALTHY}
    # At most two falls before one that holds it down, for 21 minutes at least; then one up and one down per hold.
    hold_s = week.policy.shortest_hold_s()
    assert week.most_changes_in(hold_s) <= 5
    assert week.most_changes_in(HOUR_S) <= 5 + 2 * int(HOUR_S / hold_s)

    assert week.counts["partitions"] == week.counts["freezes"] == 4
    assert week.counts["deaths"] > relays
    assert week.counts["deaths seen"] > relays / 2
    assert week.counts["removals"] > relays / 10
    assert week.counts["returns"] == week.counts["removals"]
    assert week.counts["holds"] > 8


def test_a_relay_that_loses_half_of_its_probes_is_not_listed_and_unlisted_all_the_time():
    changes = hours = 0.0
    for seed in range(40):
        rng, policy, health, now, is_retry = random.Random(seed), HealthPolicy(), Health(Status.HEALTHY), 0.0, False
        while now < 24 * HOUR_S:
            failure = "lost" if rng.random() < 0.5 else None
            plan = after_probe("relay", now, failure, policy, rng, is_retry=is_retry)
            before = health
            health, _ = step(health, plan.observation, now, policy)
            changes += before.is_up != health.is_up
            now, is_retry = plan.at, plan.is_retry
        hours += now / HOUR_S
    assert 0.1 < changes / hours <= 2.0
