"""The audio of one utterance: bounded, and aware of speech that goes on."""

from vox.providers.stt._utterance import Utterance

LOUD = b"\x00\x20\x00\xe0" * 160  # 20 ms at 16 kHz
HISS = b"\x20\x00\xe0\xff" * 160


def spoken(*parts: bytes) -> Utterance:
    utterance = Utterance(16_000, 10.0)
    for part in parts:
        utterance.push(part)
    return utterance


def test_without_a_pause_the_caller_speaks():
    assert spoken(LOUD).has_resumed()


def test_silence_behind_a_pause_is_no_speech():
    utterance = spoken(*[LOUD] * 20, *[HISS] * 10)
    utterance.pause()
    for _ in range(50):
        utterance.push(HISS)
    assert not utterance.has_resumed(check_all=True)


def test_speech_behind_a_pause_is_heard_within_a_tenth_of_a_second():
    utterance = spoken(*[LOUD] * 20)
    utterance.pause()
    for _ in range(10):
        utterance.push(HISS)
    for _ in range(5):
        assert not utterance.has_resumed()
        utterance.push(LOUD)
    assert utterance.has_resumed()


def test_the_last_piece_counts_at_the_end():
    utterance = spoken(*[LOUD] * 20)
    utterance.pause()
    utterance.push(LOUD)
    assert not utterance.has_resumed()
    assert utterance.has_resumed(check_all=True)


def test_another_pause_begins_anew():
    utterance = spoken(*[LOUD] * 20)
    utterance.pause()
    utterance.push(LOUD * 5)
    assert utterance.has_resumed()
    utterance.pause()
    assert not utterance.has_resumed(check_all=True)


def test_what_is_too_long_is_cut():
    utterance = Utterance(16_000, 0.03)
    assert utterance.push(LOUD) == 640
    assert utterance.push(LOUD) == 320
    assert utterance.push(LOUD) == 0
    assert utterance.is_full
    assert len(utterance.audio) == 960
