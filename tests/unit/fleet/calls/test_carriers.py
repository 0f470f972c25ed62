import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from vox.errors import UsageError
from vox.fleet.calls.carriers import CarrierLimits, Carriers, DialRate


def test_a_second_worth_of_calls_may_begin_at_once_and_then_one_by_one():
    rate = DialRate(2.0)
    assert [rate.take(10.0) for _ in range(3)] == [True, True, False]
    assert rate.wait_s(10.0) == pytest.approx(0.5)
    assert rate.take(10.5)
    assert not rate.take(10.5)


def test_a_slow_rate_lets_one_call_begin():
    rate = DialRate(0.1)
    assert rate.take(0.0)
    assert rate.wait_s(1.0) == pytest.approx(9.0)


def test_a_token_that_is_given_back_is_there_again():
    rate = DialRate(1.0)
    assert rate.take(0.0)
    rate.give_back()
    assert rate.take(0.0)


def test_a_carrier_that_refuses_gets_no_calls_for_a_while():
    rate = DialRate(10.0)
    rate.close(0.0, 3.0)
    assert rate.wait_s(1.0) == pytest.approx(2.0)
    assert rate.take(3.0)


def test_two_bridges_share_a_rate():
    rate = DialRate(2.0)
    rate.share(2)
    taken = sum(rate.take(at / 100) for at in range(1, 1001))
    assert taken == pytest.approx(2 + 10, abs=1)


@given(st.floats(0.1, 50), st.lists(st.floats(0, 0.5), max_size=200))
def test_never_more_than_the_rate_and_what_was_saved(per_s: float, pauses: list[float]):
    rate, now, taken = DialRate(per_s), 0.0, 0
    for pause in pauses:
        now += pause
        taken += rate.take(now)
    assert taken <= max(per_s, 1.0) + per_s * now + 1e-6


def test_a_carrier_is_made_once_and_unknown_ones_are_refused():
    made: list[str] = []
    carriers = Carriers({"plivo": CarrierLimits(5.0)}, made.append, FakeClock())  # pyright: ignore[reportArgumentType]  no dialler needed
    assert carriers.get("plivo") is carriers.get("plivo")
    assert made == ["plivo"]
    assert carriers.get("plivo").limits.calls_per_second == 5.0
    with pytest.raises(UsageError) as refused:
        carriers.get("smoke-signals")
    assert refused.value.code == "provider_unknown"
