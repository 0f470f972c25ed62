"""Recovery codes as they are made and typed."""

import re

from hypothesis import given
from hypothesis import strategies as st

from vox.chat.identity.recovery_codes import new_codes, normalised


def test_codes_have_the_documented_form():
    codes = new_codes()
    assert len(set(codes)) == 8
    assert all(re.fullmatch("[A-Z0-9]{4}-[A-Z0-9]{4}", code) for code in codes)
    assert [normalised(code) for code in codes] == codes


def test_how_a_code_is_typed_does_not_matter():
    for typed in ("ab12-cd34", "AB12CD34", " ab12 cd34\n", "A-B-1-2 c d 3 4"):
        assert normalised(typed) == "AB12-CD34"


@given(st.text(max_size=20))
def test_what_cannot_be_a_code_is_none(text: str):
    found = normalised(text)
    assert found is None or re.fullmatch("[A-Z0-9]{4}-[A-Z0-9]{4}", found)
    assert normalised("") is None
    assert normalised("ÄB12-CD34") is None
