"""Where sentences end, in every script and while the text is still being written."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.text.sentences import clause_ends, sentence_ends


def cut(text: str, language: str = "") -> list[str]:
    edges = [0, *sentence_ends(text, language), len(text)]
    return [piece for a, b in pairwise(edges) if (piece := text[a:b].strip())]


def cut_as_it_comes(text: str, language: str = "") -> list[str]:
    pieces: list[str] = []
    pending = ""
    for char in text:
        pending += char
        for end in sentence_ends(pending, language):
            pieces, pending = [*pieces, pending[:end].strip()], pending[end:]
            break
    return [piece for piece in [*pieces, pending.strip()] if piece]


CASES = [
    ("", "1. Apples\n2. Pears\n", ["1. Apples", "2. Pears"]),
    ("", "a. Apples\nb. Pears\n", ["a. Apples", "b. Pears"]),
    ("", "Two options: 1. press one 2. press two", ["Two options: 1. press one 2. press two"]),
    ("", "Two options: 1. Press one 2. Press two", ["Two options: 1. Press one 2. Press two"]),
    ("", "The office opens at 9 a.m. sharp.", ["The office opens at 9 a.m. sharp."]),
    ("", "It opens at 9 a.m. We are here.", ["It opens at 9 a.m.", "We are here."]),
    ("", "Gen. Smith called Sgt. Pepper. Fine.", ["Gen. Smith called Sgt. Pepper.", "Fine."]),
    ("", "On Jan. 5 at 5 Ave. and in the U.S. office. Ok.", ["On Jan. 5 at 5 Ave. and in the U.S. office.", "Ok."]),
    ("", "I live in the U.S. We like it.", ["I live in the U.S.", "We like it."]),
    ("", "The U.S. Army came. Yes.", ["The U.S. Army came.", "Yes."]),
    ("", "The answer is no. We go on.", ["The answer is no.", "We go on."]),
    ("", "Room no. 5 is free. No. It is not.", ["Room no. 5 is free.", "No.", "It is not."]),
    ("", "Take vitamin C. It helps. J. S. Bach wrote.", ["Take vitamin C.", "It helps.", "J. S. Bach wrote."]),
    ("", "You and I. We two.", ["You and I.", "We two."]),
    ("", "Tea, milk, etc. and more. Bread etc. We have all.", ["Tea, milk, etc. and more.", "Bread etc.", "We have all."]),
    ("", "You owe 5. Then pay. It is 2. then", ["You owe 5.", "Then pay.", "It is 2. then"]),
    ("", "Pi is 3.14 today. See example.com. Now", ["Pi is 3.14 today.", "See example.com.", "Now"]),
    ("", "hello. how are you. ok.", ["hello.", "how are you.", "ok."]),
    ("", "Das sind bzw. waren ca. 30 Euro. Gut.", ["Das sind bzw. waren ca. 30 Euro.", "Gut."]),
    ("de-DE", "Am 3. Oktober um 5. Dann z.B. am 1. Mai.", ["Am 3. Oktober um 5.", "Dann z.B. am 1. Mai."]),
    ("fr", "M. Dupont et Mme. Durand sont là. Merci.", ["M. Dupont et Mme. Durand sont là.", "Merci."]),
    ("ru", "Это ул. Ленина, д. 5 и т.д. Хорошо. Да.", ["Это ул. Ленина, д. 5 и т.д.", "Хорошо.", "Да."]),
    ("", "كيف حالك؟ أنا بخير. نعم", ["كيف حالك؟", "أنا بخير.", "نعم"]),
    ("", "آپ کیسے ہیں؟ میں ٹھیک ہوں۔ شکریہ", ["آپ کیسے ہیں؟", "میں ٹھیک ہوں۔", "شکریہ"]),
    ("", "你好！今天怎么样？很好。", ["你好！", "今天怎么样？", "很好。"]),
    ("", "「はい。」そうです。", ["「はい。」", "そうです。"]),
    ("", "नमस्ते। आप कैसे हैं? ठीक", ["नमस्ते।", "आप कैसे हैं?", "ठीक"]),
    ("", "Τι είναι αυτό; Ναι. Όχι", ["Τι είναι αυτό;", "Ναι.", "Όχι"]),
    ("", "Բարեւ։ Ինչպես եք։ Լավ", ["Բարեւ։", "Ինչպես եք։", "Լավ"]),
    ("", "ሰላም። እንዴት ነህ፧ ደህና", ["ሰላም።", "እንዴት ነህ፧", "ደህና"]),
    ("", "မင်္ဂလာပါ။ နေကောင်းလား။ ကောင်း", ["မင်္ဂလာပါ။", "နေကောင်းလား။", "ကောင်း"]),
    ("", "Wait... What?! (Really.) “Yes.” **No.** Ok then", ["Wait...", "What?!", "(Really.)", "“Yes.”", "**No.**", "Ok then"]),
    ("", "สวัสดีครับวันนี้ผมจะช่วยคุณเรื่องการจองโต๊ะ คุณต้องการจองกี่ที่", ["สวัสดีครับวันนี้ผมจะช่วยคุณเรื่องการจองโต๊ะ", "คุณต้องการจองกี่ที่"]),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text", "pieces"), CASES)
def test_sentences(language: str, text: str, pieces: list[str]):
    assert cut(text, language) == pieces
    assert cut_as_it_comes(text, language) == pieces


def test_an_end_is_told_as_soon_as_it_is_certain():
    assert list(sentence_ends("Hello.")) == []
    assert list(sentence_ends("Hello. ")) == [6]
    assert list(sentence_ends("9 a.m. ")) == []
    assert list(sentence_ends("9 a.m. W")) == [], "it may become a weekday or a verb"
    assert list(sentence_ends("9 a.m. We ")) == [6]
    assert list(sentence_ends("好。")) == [2]
    assert list(sentence_ends("「好。")) == []


def test_clauses_of_every_script():
    assert list(clause_ends("a, b; 1,000 c: d")) == [2, 5, 14]
    assert list(clause_ends("一，二、三")) == [2, 4]
    assert list(clause_ends("نعم، لا")) == [4]


@given(st.text(max_size=80), st.sampled_from(["", "en", "de", "ja", "th-TH"]))
def test_ends_lie_in_the_text_in_order_and_stay_when_more_comes(text: str, language: str):
    ends = list(sentence_ends(text, language))
    assert ends == sorted(set(ends))
    assert all(0 < end <= len(text) for end in ends)
    assert set(ends) <= set(sentence_ends(text + " So it goes.", language)) | {len(text)}
