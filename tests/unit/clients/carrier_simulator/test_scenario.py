from vox.clients.carrier_simulator.behaviour import Behaviour, Outcome
from vox.clients.carrier_simulator.scenario import Rule, Scenario

BUSY, REJECTED, DEFAULT = Behaviour(outcome=Outcome.BUSY), Behaviour(outcome=Outcome.REJECT), Behaviour(ring_s=9.0)


def test_the_first_rule_that_fits_decides_and_the_default_where_none_does():
    scenario = Scenario([Rule("+1555010?", BUSY), Rule("+1555*", REJECTED)], DEFAULT)
    assert scenario.behaviour_of("+15550101") is BUSY
    assert scenario.behaviour_of("+15550111") is REJECTED
    assert scenario.behaviour_of("+4930123456") is DEFAULT
    assert scenario.behaviours() == [DEFAULT, BUSY, REJECTED]
