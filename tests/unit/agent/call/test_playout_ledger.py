"""What the caller has heard, told from the position in the audio."""

from hypothesis import given
from hypothesis import strategies as st

from vox.agent.call.playout_ledger import CHARACTERS_PER_SECOND, PlayoutLedger
from vox.agent.call.speakable import Speakable
from vox.providers.tts.contract import SpokenWord

RATE = 8000


def words_of(text: str, seconds_each: float) -> tuple[SpokenWord, ...]:
    words: list[SpokenWord] = []
    start = 0
    for number, word in enumerate(text.split()):
        start = text.index(word, start)
        words.append(SpokenWord(start, start + len(word), number * seconds_each))
        start += len(word)
    return tuple(words)


def ledger_of(*texts: str, timed: bool = True) -> PlayoutLedger:
    ledger = PlayoutLedger(RATE)
    for text in texts:
        ledger.begin(Speakable.plain(text))
        ledger.audio(len(text.split()) * RATE // 2, words_of(text, 0.5) if timed else ())
        ledger.complete()
    return ledger


def test_a_word_counts_once_the_next_one_begins():
    ledger = ledger_of("we are open daily")
    heard = [ledger.heard(int(seconds * RATE)) for seconds in (0, 0.4, 0.6, 1.1, 1.9, 2.0)]
    assert heard == ["", "", "we", "we are", "we are open", "we are open daily"]


def test_sentences_follow_each_other():
    ledger = ledger_of("one two.", "three four.")
    assert ledger.heard(int(1.6 * RATE)) == "one two. three"
    parts = ledger.at(int(1.6 * RATE))
    assert [(part.spoken, part.remaining) for part in parts] == [("one two.", ""), ("three", "four.")]


def test_without_times_words_are_spread_by_length_and_only_whole_ones_count():
    ledger = ledger_of("aaaa bbbb cccc dddd", timed=False)
    assert ledger.heard(RATE) == "aaaa bbbb"
    assert ledger.heard(RATE - RATE // 4) == "aaaa"


def test_a_sentence_cut_off_in_synthesis_is_estimated_by_the_speed_of_speech():
    ledger = PlayoutLedger(RATE)
    ledger.begin(Speakable.plain("word " * 20))
    ledger.audio(RATE * 2)
    assert len(ledger.heard(RATE)) <= CHARACTERS_PER_SECOND
    assert ledger.heard(RATE).split() == ["word"] * 3


def test_a_sentence_that_broke_off_is_not_heard_in_what_follows_it():
    ledger = PlayoutLedger(RATE)
    ledger.begin(Speakable.plain("a sentence that has no audio"))
    ledger.begin(Speakable.plain("sorry"))
    ledger.audio(RATE)
    ledger.complete()
    assert ledger.heard(ledger.written + 1) == "sorry"


def test_a_word_whose_time_has_not_come_is_not_heard():
    ledger = PlayoutLedger(RATE)
    ledger.begin(Speakable.plain("one two"))
    ledger.audio(RATE, (SpokenWord(0, 3, 0.25), SpokenWord(4, 7, 0.75)))
    assert ledger.heard(RATE // 5) == ""
    assert ledger.heard(RATE) == "one"


def test_a_position_at_the_end_of_a_word_hears_that_word_whole():
    ledger = PlayoutLedger(RATE)
    ledger.begin(Speakable.plain("aaaa bbbb\ncccc"))
    ledger.audio(1400)
    ledger.complete()
    assert [ledger.heard(position) for position in (390, 400, 890, 900, 1000, 1400)] == [
        "",
        "aaaa",
        "aaaa",
        "aaaa bbbb",
        "aaaa bbbb",
        "aaaa bbbb\ncccc",
    ]


def test_positions_count_wire_bytes_so_words_follow_the_rate():
    ledger = PlayoutLedger(48_000)
    ledger.begin(Speakable.plain("one two"))
    ledger.audio(48_000, words_of("one two", 0.5))
    ledger.complete()
    assert ledger.heard(24_001) == "one"


@given(
    texts=st.lists(st.lists(st.text("abc", min_size=1, max_size=8), min_size=1, max_size=6), min_size=1, max_size=4),
    timed=st.booleans(),
    positions=st.lists(st.integers(0, 200_000), min_size=2, max_size=2),
)
def test_heard_grows_with_the_position_and_is_a_prefix_in_whole_words(
    texts: list[list[str]], timed: bool, positions: list[int]
):
    sentences = [" ".join(words) for words in texts]
    ledger = ledger_of(*sentences, timed=timed)
    early, late = (ledger.heard(position).split() for position in sorted(positions))
    everything = " ".join(sentences).split()
    assert late[: len(early)] == early
    assert everything[: len(late)] == late
    assert ledger.heard(ledger.written).split() == everything
    assert ledger.heard(0) == ""
