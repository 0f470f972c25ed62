"""Words come with the audio in which they begin, and speech has an end."""

from hypothesis import given
from hypothesis import strategies as st

from vox.providers.tts._assembly import MAX_SPEECH_S, SpeechAssembly
from vox.providers.tts.contract import SpeechChunk, SpokenWord

RATE = 1000


def word(at_s: float) -> SpokenWord:
    return SpokenWord(0, 1, at_s)


def test_a_word_waits_for_its_audio():
    assembly = SpeechAssembly(RATE)
    assert assembly.add(bytes(200), [word(0.0), word(0.15)]) == SpeechChunk(bytes(200), (word(0.0),))
    assert assembly.add(bytes(200)) == SpeechChunk(bytes(200), (word(0.15),))


def test_words_without_audio_wait_or_come_alone():
    assembly = SpeechAssembly(RATE)
    assert assembly.add(b"", [word(0.05)]) is None
    assert assembly.add(bytes(200)) == SpeechChunk(bytes(200), (word(0.05),))
    assert assembly.add(b"", [word(0.08)]) == SpeechChunk(b"", (word(0.08),)), "it is late, and sounds already"


def test_the_end_brings_every_word_that_is_left():
    assembly = SpeechAssembly(RATE)
    assembly.add(bytes(200), [word(5.0)])
    assert assembly.finish() == SpeechChunk(b"", (word(5.0),))
    assert assembly.finish() is None


def test_speech_without_end_is_cut():
    assembly = SpeechAssembly(RATE)
    second = bytes(2 * RATE)
    total = 0
    while not assembly.is_full:
        chunk = assembly.add(second + b"\0\0")
        assert chunk is not None
        total += len(chunk.pcm)
    assert total == MAX_SPEECH_S * 2 * RATE


@given(st.lists(st.tuples(st.integers(0, 50), st.lists(st.floats(0, 1), max_size=3)), max_size=10))
def test_no_audio_and_no_word_is_lost(pieces):
    assembly = SpeechAssembly(100)
    chunks = [assembly.add(bytes(size * 2), [word(at_s) for at_s in times]) for size, times in pieces]
    chunks.append(assembly.finish())
    kept = [chunk for chunk in chunks if chunk is not None]
    assert sum(len(chunk.pcm) for chunk in kept) == sum(size * 2 for size, _ in pieces)
    assert sorted(each.at_s for chunk in kept for each in chunk.words) == sorted(
        at_s for _, ts in pieces for at_s in ts
    )
