"""How espeak's long texts are cut, and its word events read."""

from hypothesis import given
from hypothesis import strategies as st

from vox.providers.tts.espeak import PIECE, WordFinder, pieces


@given(st.text(alphabet="ab é\n", max_size=3 * PIECE))
def test_every_word_is_in_one_piece(text):
    cut = list(pieces(text))
    assert all(0 < end - start <= PIECE for start, end in cut)
    assert "".join("".join(text[start:end].split()) for start, end in cut) == "".join(text.split())
    assert [start for start, _ in cut] == sorted(start for start, _ in cut)


def test_words_stay_whole():
    text = "word " * 200
    assert all(text[start:end].split() == ["word"] * len(text[start:end].split()) for start, end in pieces(text))


def test_a_word_begins_with_its_first_event():
    text = "It's 42, é o'clock"
    finder = WordFinder(text, start=100, samples_before=1000, rate=1000)
    events = [(0, 0), (2, 50), (5, 100), (6, 150), (9, 200), (11, 300), (13, 350)]
    words = [word for position, sample in events if (word := finder.at(position, sample))]
    assert [(text[word.start - 100 : word.end - 100], word.at_s) for word in words] == [
        ("It's", 1.0),
        ("42,", 1.1),
        ("é", 1.2),
        ("o'clock", 1.3),
    ]


def test_events_outside_any_word_are_nobodys():
    finder = WordFinder("a  b", start=0, samples_before=0, rate=1000)
    assert finder.at(-1, 0) is None
    assert finder.at(2, 0) is None
    assert finder.at(99, 0) is None
    assert finder.at(3, 5) is not None
