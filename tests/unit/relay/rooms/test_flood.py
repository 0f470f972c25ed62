from vox.relay.rooms.flood import Allowance


def test_a_burst_and_then_the_rate():
    allowance = Allowance(2.0, 5, now=0.0)
    assert [allowance.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    assert [allowance.take(1.0) for _ in range(3)] == [True, True, False]
    assert [allowance.take(1_000.0) for _ in range(6)] == [True] * 5 + [False]
