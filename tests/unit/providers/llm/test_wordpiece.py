"""BERT's word pieces, as its reference tokenizer cuts them."""

import pytest

from vox.providers.llm._wordpiece import WordPieces

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "can", "i", "park", "##ing", "##s", "?", "'", "cafe", "停"]
PIECES = WordPieces(VOCABULARY)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Can I parking?", ["can", "i", "park", "##ing", "?"]),
        ("CAFÉ parks", ["cafe", "park", "##s"]),
        ("can't", ["can", "'", "[UNK]"]),
        ("停 停停", ["停", "停", "停"]),
        ("unknown can", ["[UNK]", "can"]),
        ("\u200bcan\u0000", ["can"]),
        ("", []),
    ],
)
def test_words_are_cut_into_the_longest_pieces(text, pieces):
    assert [VOCABULARY[number] for number in PIECES.encode(text, 64)] == ["[CLS]", *pieces, "[SEP]"]


def test_a_long_text_is_cut_and_still_ends():
    encoded = PIECES.encode("can " * 100, 10)
    assert len(encoded) == 10
    assert VOCABULARY[encoded[-1]] == "[SEP]"


def test_a_vocabulary_without_its_marks_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("can\ni\n")
    with pytest.raises(ValueError, match=r"\[UNK\], \[CLS\], \[SEP\]"):
        WordPieces.read(tmp_path / "vocab.txt")
