import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.providers.flows.sound_alikes import alike


def readings(text: str) -> list[str]:
    return [" ".join(words) for words in alike(tuple(text.split()))]


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("4 2", "for 2"),
        ("four two", "for two"),
        ("to the afternoon", "two in the afternoon"),
        ("to in the afternoon", "two in the afternoon"),
        ("too", "two"),
        ("for people", "four people"),
        ("several thirty in the evening", "seven thirty in the evening"),
        ("ate o'clock", "eight o'clock"),
        ("hey 30 in the evening", "eight 30 in the evening"),
        ("won afternoon", "one in the afternoon"),
        ("at tin", "at ten"),
    ],
)
def test_a_value_is_read_out_of_what_sounds_like_it(heard: str, meant: str):
    assert meant in readings(heard)


@pytest.mark.parametrize(
    "heard",
    [
        "",
        "i do not want to",
        "hey there",
        "for my mother",
        "several people told me",
        "table for friends",
        "that one is mine too i think",
        "seven thirty",
        "parking",
        "in the afternoon",
    ],
)
def test_words_that_are_more_than_a_value_keep_their_spelling(heard: str):
    assert readings(heard) == []


@given(
    st.lists(
        st.sampled_from(["to", "4", "2", "the", "in", "afternoon", "people", "several", "want", "thirty", ""]),
        max_size=8,
    )
)
def test_no_reading_is_the_one_that_was_heard(words: list[str]):
    assert tuple(words) not in list(alike(tuple(words)))
