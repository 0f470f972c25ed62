import pytest

from vox.chat.api.validation import validate_length, validate_text
from vox.chat.errors import Refusal


def limits(name: str) -> int:
    return {"longest": 3, "shortest": 2}[name]


@pytest.mark.parametrize("text", [None, "ab", "abc", "éé", "中文字"])
def test_texts_within_the_limits_pass(text: str | None):
    validate_length(limits, "name", text, "longest", "shortest")


@pytest.mark.parametrize("text", ["", "a", "abcd", "a\0b"])
def test_others_are_refused_and_named(text: str):
    with pytest.raises(Refusal, match=r"body\.name") as refusal:
        validate_length(limits, "name", text, "longest", "shortest")
    assert (refusal.value.wire_code, refusal.value.status) == ("VALIDATION_ERROR", 422)


def test_a_nul_is_refused_wherever_it_stands():
    validate_text("x", None)
    with pytest.raises(Refusal):
        validate_text("x", "\0")
