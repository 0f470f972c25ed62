"""The numbers of a turn: from the caller's last sound to the answer's first, and each stage's share."""

import pytest

from tests.fakes.clock import FakeClock
from vox.agent.call.turn_latency import TurnLatency
from vox.protocols.agent_events import TurnMetrics
from vox.runtime.metrics import Metrics


def times() -> tuple[TurnLatency, FakeClock, Metrics]:
    clock, metrics = FakeClock(), Metrics()
    return TurnLatency(clock, metrics), clock, metrics


def spoken_turn(turn: TurnLatency, clock: FakeClock) -> TurnMetrics:
    turn.speech_ended(0.2)
    clock.advance(0.5)
    turn.transcribed()
    turn.asked()
    clock.advance(0.3)
    turn.first_token()
    clock.advance(0.1)
    turn.first_token()
    turn.synthesis_began(10)
    clock.advance(0.05)
    turn.synthesis_began(5)
    return turn.audible()


def test_a_spoken_turn_counts_from_the_last_sound_and_names_each_stage():
    turn, clock, _ = times()
    numbers = spoken_turn(turn, clock)
    assert numbers.response_s == pytest.approx(0.2 + 0.5 + 0.3 + 0.1 + 0.05)
    assert (numbers.stt_s, numbers.llm_ttfb_s, numbers.tts_ttfb_s) == pytest.approx((0.5, 0.3, 0.05))
    assert numbers.characters == 15


def test_a_typed_turn_has_no_recogniser_and_counts_from_the_text():
    turn, clock, _ = times()
    spoken_turn(turn, clock)
    turn.typed()
    turn.transcribed()
    turn.asked()
    clock.advance(0.4)
    turn.first_token()
    turn.synthesis_began(1)
    numbers = turn.audible()
    assert (numbers.response_s, numbers.stt_s) == (pytest.approx(0.4), None)


def test_a_turn_is_counted_once_and_nothing_of_it_leaks_into_the_next():
    turn, clock, metrics = times()
    spoken_turn(turn, clock)
    turn.asked()
    clock.advance(7.0)
    turn.synthesis_began(3)
    assert turn.audible() == TurnMetrics(None, None, None, 0.0, 3)
    assert "vox_agent_response_seconds_count 1.0" in metrics.render().decode()


def test_what_nobody_asked_for_is_no_response():
    turn, clock, metrics = times()
    turn.speech_ended(0.2)
    clock.advance(30.0)
    turn.unasked()
    turn.asked()
    turn.synthesis_began(3)
    assert turn.audible().response_s is None
    assert "vox_agent_response_seconds_count" not in metrics.render().decode()


def test_a_model_that_was_never_asked_has_no_times():
    turn, _, metrics = times()
    turn.first_token()
    turn.generated()
    turn.transcribed()
    assert turn.audible() == TurnMetrics(None, None, None, None, 0)
    assert "llm_" not in metrics.render().decode()
