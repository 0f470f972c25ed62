"""What clients may send: enough for any microphone and any carrier, and no more than a server can spare."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from vox.agent.transports.ingress_limit import (
    AUDIO_PER_S,
    BURST_S,
    CONNECTION_S,
    EVENT_S,
    OPEN_S,
    REFILL_PER_CALL,
    RESERVE_PER_CALL,
    IngressBudget,
    NetworkReserves,
)

TWILIO_BYTES = 280
MULAW = 8000


def real_time(budget: IngressBudget, clock: FakeClock, messages: int) -> bool:
    """Whether a carrier's audio is taken as fast as it is spoken."""
    for _ in range(messages):
        clock.advance(0.02)
        if not budget.take_message(TWILIO_BYTES, clock.now()):
            return False
    return True


def drain(budget: IngressBudget, clock: FakeClock) -> float:
    """Takes all that is left at once; returns how much it was."""
    taken = 0.0
    while budget.take(0.01, clock.now()):
        taken += 0.01
    return taken


def test_the_budget_is_enough_for_any_microphone_and_refills():
    budget, now = IngressBudget(0.0), 0.0
    for _ in range(20_000):  # stereo at 48 kHz as base64, 50 messages a second, for minutes
        now += 0.02
        assert budget.take_message(5120, now)
        assert budget.take(0.02 / AUDIO_PER_S, now)
    assert not budget.take(BURST_S + 0.1, now)
    assert budget.take(1.0, now + 60)


def test_the_budget_never_grows_beyond_its_burst():
    budget = IngressBudget(0.0)
    assert budget.take(BURST_S, 1e6)
    assert not budget.take(0.1, 1e6)


def test_six_hundred_calls_of_one_carriers_address_are_never_throttled():
    clock = FakeClock()
    reserves = NetworkReserves(clock)
    calls: list[IngressBudget] = []
    with_blocks = [reserves.connection("203.0.113.7") for _ in range(600)]
    for number, block in enumerate(with_blocks):
        budget = block.__enter__()
        assert budget.take(OPEN_S, clock.now())
        budget.expect_audio(MULAW)
        calls.append(budget)
        if number % 2:
            clock.advance(0.02)  # a hundred new calls a second, while the others talk
            assert all(call.take_message(TWILIO_BYTES, clock.now()) for call in calls)
    for _ in range(100):
        clock.advance(0.02)
        assert all(call.take_message(TWILIO_BYTES, clock.now()) for call in calls)
    for block in with_blocks:
        block.__exit__(None, None, None)
    assert reserves.refusals == 0


def test_a_call_catches_up_after_a_stall_of_its_network():
    clock = FakeClock()
    with NetworkReserves(clock).connection("203.0.113.7") as budget:
        budget.expect_audio(MULAW)
        assert real_time(budget, clock, 1000)
        clock.advance(5.0)
        assert all(budget.take_message(TWILIO_BYTES, clock.now()) for _ in range(250))


def test_connecting_again_renews_nothing():
    clock = FakeClock()
    reserves, taken = NetworkReserves(clock), 0.0
    for _ in range(100):
        with reserves.connection("203.0.113.7") as budget:
            taken += drain(budget, clock)
    assert taken <= BURST_S + RESERVE_PER_CALL
    assert reserves.refusals == 100
    with reserves.connection("203.0.113.8") as other:
        assert drain(other, clock) > BURST_S - 0.1
    clock.advance(BURST_S)
    with reserves.connection("203.0.113.7") as budget:
        assert drain(budget, clock) > BURST_S - 0.1


def test_a_call_in_real_time_goes_on_while_its_neighbour_floods():
    clock = FakeClock()
    reserves = NetworkReserves(clock)
    with reserves.connection("203.0.113.7") as calm, reserves.connection("203.0.113.7") as flood:
        calm.expect_audio(MULAW)
        assert real_time(calm, clock, 100)
        for _ in range(100):
            drain(flood, clock)
            assert real_time(calm, clock, 5)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 7), st.floats(0.001, 3)), max_size=300))
def test_a_network_gets_no_more_than_its_calls_have_earned(spending: list[tuple[float, int, float]]):
    clock = FakeClock()
    reserves, taken, elapsed = NetworkReserves(clock), 0.0, 0.0
    blocks = [reserves.connection("203.0.113.7") for _ in range(8)]
    budgets = [block.__enter__() for block in blocks]
    for pause, which, seconds in spending:
        clock.advance(pause)
        elapsed += pause
        taken += seconds if budgets[which].take(seconds, clock.now()) else 0.0
    earned = elapsed * (8 + 1 + 8 * REFILL_PER_CALL)
    assert taken <= BURST_S + 8 * (RESERVE_PER_CALL + CONNECTION_S) + earned + 1e-6
    for block in blocks:
        block.__exit__(None, None, None)


def test_networks_that_left_are_forgotten_once_their_reserve_is_full_or_there_are_too_many():
    clock = FakeClock()
    reserves = NetworkReserves(clock, max_idle=10)
    for number in range(100):
        with reserves.connection(f"198.51.100.{number}") as budget:
            drain(budget, clock)
    assert len(reserves._idle) == 10
    clock.advance(60)
    with reserves.connection("203.0.113.7"):
        pass
    assert len(reserves._idle) == 0


def test_keys_and_marks_are_bounded_by_their_number():
    budget = IngressBudget(0.0)
    taken = sum(budget.take_message(60, 0.0) and budget.take(EVENT_S, 0.0) for _ in range(1000))
    assert 50 <= taken <= BURST_S / EVENT_S
