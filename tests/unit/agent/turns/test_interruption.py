"""Which words stop the agent, by strategy."""

import pytest

from vox.agent.turns.events import BotState, TurnPolicy
from vox.agent.turns.interruption import silences, voice_holds, words_interrupt

ANY = TurnPolicy()
MIN_WORDS = TurnPolicy(min_words=2)
KEYWORDS = TurnPolicy(keywords=("hold on", "yeah"))


@pytest.mark.parametrize(
    ("policy", "text", "interrupts"),
    [
        (ANY, "no", True),
        (ANY, "Uh-huh.", False),
        (ANY, "yeah, but no", True),
        (ANY, " ", False),
        (MIN_WORDS, "no", False),
        (MIN_WORDS, "not that", True),
        (MIN_WORDS, "uh huh", False),
        (KEYWORDS, "please Hold on!", True),
        (KEYWORDS, "yeah", True),
        (KEYWORDS, "holding on", False),
        (TurnPolicy(allow_interruptions=False), "no", False),
    ],
)
def test_words_that_stop_an_agent_that_speaks(policy: TurnPolicy, text: str, interrupts: bool):
    assert words_interrupt(policy, BotState.SPEAKING, text) is interrupts


def test_before_the_answer_is_heard_any_word_counts():
    assert words_interrupt(KEYWORDS, BotState.THINKING, "uh huh")


def test_every_strategy_falls_silent_on_request_unless_nobody_may_cut_in():
    assert silences(MIN_WORDS, "Stop.")
    assert silences(KEYWORDS, "be quiet")
    assert not silences(ANY, "stop the booking")
    assert not silences(TurnPolicy(allow_interruptions=False), "stop")


def test_a_voice_alone_holds_the_agent_only_without_a_strategy():
    assert voice_holds(ANY, BotState.SPEAKING)
    assert not voice_holds(MIN_WORDS, BotState.SPEAKING)
    assert voice_holds(MIN_WORDS, BotState.THINKING)
