"""Cutting streamed text into pieces worth speaking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.agent.call.sentences import SentenceSplitter


def cut(*deltas: str, max_characters: int = 300) -> list[str]:
    splitter = SentenceSplitter(max_characters=max_characters)
    return [piece for delta in deltas for piece in splitter.push(delta)] + splitter.flush()


def test_a_sentence_comes_out_as_soon_as_its_end_is_certain():
    splitter = SentenceSplitter()
    assert splitter.push("We are open.") == []  # "open.com" could follow
    assert splitter.push(" Until") == ["We are open."]
    assert splitter.flush() == ["Until"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Yes! Really? Sure.", ["Yes!", "Really?", "Sure."]),
        ("Dr. Smith is at 3.50 today. Good.", ["Dr. Smith is at 3.50 today.", "Good."]),
        ("That is e.g. tea. And J. Doe came. Fine", ["That is e.g. tea.", "And J. Doe came.", "Fine"]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("first line\nsecond line", ["first line", "second line"]),
        ("はい。そうです。", ["はい。", "そうです。"]),
        ("   ", []),
        ("... ok", ["...", "ok"]),
    ],
)
def test_what_ends_a_sentence(text: str, pieces: list[str]):
    assert cut(text) == pieces


def test_only_the_first_piece_of_a_stream_may_end_at_a_comma():
    text = "Well, that is a good question indeed, and the answer is long, as always. Next, then, comes this, too."
    assert cut(*text) == [
        "Well, that is a good question indeed,",
        "and the answer is long, as always.",
        "Next, then, comes this, too.",
    ]


def test_a_flood_without_marks_is_cut_at_a_space():
    pieces = cut("word " * 200, max_characters=50)
    assert max(map(len, pieces)) <= 50
    assert " ".join(pieces) == ("word " * 200).strip()


@pytest.mark.parametrize("mark", [". ", ", ", "! Yes. "])
def test_a_flood_whose_mark_comes_in_the_same_breath_is_cut_all_the_same(mark: str):
    pieces = cut("word " * 200 + "end" + mark + "more", max_characters=50)
    assert max(map(len, pieces)) <= 50  # a vendor's synthesiser takes only so much at once
    assert " ".join(pieces) == ("word " * 200 + "end" + mark + "more")


def test_a_word_longer_than_the_limit_is_still_cut():
    assert [len(piece) for piece in cut("x" * 700)] == [300, 300, 100]


@pytest.mark.parametrize(
    ("text", "spoken", "rest"),
    [
        ("well then, we are op", ["well then,"], ["we are op"]),
        ("we are op", ["we are"], ["op"]),
        ("open", [], ["open"]),
        ("", [], []),
    ],
)
def test_what_is_there_of_a_sentence_can_be_released_up_to_a_whole_word(text: str, spoken: list[str], rest: list[str]):
    splitter = SentenceSplitter()
    splitter.push(text)
    assert splitter.release() == spoken
    assert splitter.flush() == rest


@given(st.text(alphabet="ab .,!?\n…\"'", max_size=400), st.lists(st.integers(1, 30), min_size=1))
def test_the_pieces_are_the_text_however_it_is_split(text: str, sizes: list[int]):
    deltas: list[str] = []
    rest = text
    while rest:
        for size in sizes:
            deltas.append(rest[:size])
            rest = rest[size:]
    pieces = cut(*deltas)
    assert "".join("".join(piece.split()) for piece in pieces) == "".join(text.split())
    assert all(piece == piece.strip() and piece for piece in pieces)
