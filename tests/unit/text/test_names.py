import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.text.names import is_reserved, is_visible, name_key, problem_with_name, stored_name, without_unshown


@pytest.mark.parametrize(
    "name",
    [
        "Zoë", "O'Brien", "Việt Nam", "שָׁלוֹם", "हिन्दी", "علی\u200cرضا", "क्\u200dष", "👨\u200d👩\u200d👧 family", "❤\ufe0f", "葛\U000e0100城",
        "1\ufe0f\u20e3st", "@home", "a-b_c.d",
    ],
)  # fmt: skip
def test_names_of_every_script_are_usable(name: str):
    assert problem_with_name(stored_name(name)) == ""


@pytest.mark.parametrize(
    "name",
    [
        "", "   ", "\u200b", "\u3164", "\u2800", "\u0301", "\u115f", "\u202enimda", "bob\ufe0f", "bo\u200db", "a\nb", "a\x7fb", "\u2066x\u2069",
        "a" + "\u0301" * 5, "a \u0301b", "\ue000", "x\ufeff", "so\u00adft", "a\U000e0041",
    ],
)  # fmt: skip
def test_names_that_show_nothing_or_hide_something_are_not(name: str):
    assert problem_with_name(stored_name(name))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoë", unicodedata.normalize("NFD", "Zoë")), ("bob", " bob "), ("bob", "Bob"), ("bob", "ｂｏｂ"), ("bob", "bob\ufe0f"),
        ("coco", "сосо"), ("BOB", "ВОВ"), ("nick", "niсk"), ("Straße", "STRASSE"), ("a b", "a\u3000 b"), ("ﬁsh", "fish"),
        ("NIKO", "ΝΙΚΟ"), ("علیرضا", "علی\u200cرضا"),
    ],
)  # fmt: skip
def test_names_that_look_the_same_have_one_key(one: str, other: str):
    assert name_key(stored_name(one)) == name_key(stored_name(other))


@pytest.mark.parametrize(("one", "other"), [("bob", "rob"), ("Zoë", "Zoe"), ("か", "が"), ("a1", "al")])
def test_names_that_differ_have_two(one: str, other: str):
    assert name_key(one) != name_key(other)


def test_mentions_of_all_members_are_reserved():
    assert [name for name in ("@everyone", "Everyone", "＠here", "@еveryone", "everyone2", "there") if is_reserved(name)] == [
        "@everyone", "Everyone", "＠here", "@еveryone",
    ]  # fmt: skip


def test_joiners_stay_only_where_they_make_a_difference():
    family = "👨\u200d👩\u200d👧.png"
    assert without_unshown(family) == family
    assert without_unshown("می\u200cخواهم") == "می\u200cخواهم"
    assert without_unshown("a\u200db\u202egnp.exe\u200c") == "abgnp.exe"


def test_a_text_is_visible_by_its_letters_marks_and_emoji_only():
    assert [text for text in ("a", ".", "👍", "é", "", "  ", " a", "\u200b", "\u3164", " \n\t", "\u0301", "\u2800") if is_visible(text)] == [
        "a", ".", "👍", "é", " a",
    ]  # fmt: skip


@given(st.text(st.characters(max_codepoint=0x100)))
def test_plain_text_is_visible_as_any_other_is(text: str):
    assert is_visible(text) == any(unicodedata.category(each)[0] not in "ZCM" for each in text)


@given(st.text())
def test_storing_and_keys_settle_at_once(text: str):
    stored = stored_name(text)
    assert stored_name(stored) == stored
    assert name_key(stored) == name_key(text)
    assert name_key(name_key(text)) == name_key(text)
    if problem_with_name(stored) == "":
        assert is_visible(stored)
