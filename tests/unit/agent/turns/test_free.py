"""When the caller's side of a conversation is free for another caller."""

import pytest

from vox.agent.turns.events import SpeechBegan, SpeechEnded, TextArrived, TurnPolicy, VoiceBegan, VoiceEnded
from vox.agent.turns.machine import TurnMachine


def test_from_the_first_voice_to_the_text_the_turn_is_taken():
    machine = TurnMachine(TurnPolicy(turn_stop_s=0.5))
    assert machine.is_free
    for event, now in ((VoiceBegan(), 0.0), (SpeechBegan(), 0.2), (VoiceEnded(), 1.0), (SpeechEnded(), 1.2)):
        machine.handle(event, now)
        assert not machine.is_free
    machine.handle_timeout(1.8)
    assert not machine.is_free
    machine.handle(TextArrived("hello"), 2.0)
    assert machine.is_free


@pytest.mark.parametrize("lasts_s", [0.1, 0.3])
def test_a_voice_that_becomes_no_speech_gives_the_turn_back(lasts_s):
    machine = TurnMachine(TurnPolicy())
    machine.handle(VoiceBegan(), 0.0)
    machine.handle(VoiceEnded(), lasts_s)
    assert machine.is_free
