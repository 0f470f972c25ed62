"""What one connection may send: enough for any microphone, and no more than a server can spare."""

from vox.agent.transports.ingress_limit import BURST_BYTES, BYTES_PER_SECOND, MESSAGE_BYTES, IngressBudget


def test_the_allowance_is_enough_for_any_microphone_and_refills():
    allowance = IngressBudget(0.0)
    now = 0.0
    for _ in range(20_000):  # stereo at 48 kHz as base64, 50 messages a second, for minutes
        now += 0.02
        assert allowance.spend(5120, now)
    assert allowance.spend(BURST_BYTES - MESSAGE_BYTES - 1, now)
    assert not allowance.spend(1 << 20, now)
    now += 60.0
    assert allowance.spend(1 << 20, now)


def test_the_allowance_never_grows_beyond_its_burst():
    allowance = IngressBudget(0.0)
    assert allowance.spend(1, 1e6)
    assert not allowance.spend(BURST_BYTES + BYTES_PER_SECOND, 1e6)
