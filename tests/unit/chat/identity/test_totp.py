"""One-time passwords by the vectors of RFC 6238, and which step a code is taken for."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.identity.totp import STEP_S, as_text, code_at, from_text, matching_step, new_secret, uri

SECRET = b"12345678901234567890"
NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("unix_s", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_vectors_of_the_standard(unix_s: int, code: str):
    assert code_at(SECRET, unix_s // STEP_S) == code
    assert matching_step(SECRET, code, unix_s, after=None) == unix_s // STEP_S


@given(offset=st.integers(-5, 5), used=st.integers(-5, 5) | st.none())
def test_a_code_is_taken_one_step_off_and_only_after_the_last_one(offset: int, used: int | None):
    step = NOW // STEP_S
    after = None if used is None else step + used
    code = code_at(SECRET, step + offset)
    is_due = abs(offset) <= 1 and (used is None or offset > used)
    assert matching_step(SECRET, code, NOW, after=after) == (step + offset if is_due else None)


@given(st.text(max_size=12))
def test_what_is_no_code_matches_nothing(text: str):
    found = matching_step(SECRET, text, NOW, after=None)
    assert found is None or "".join(text.split()) == code_at(SECRET, found)


def test_digits_of_other_scripts_and_blanks():
    code = code_at(SECRET, NOW // STEP_S)
    assert matching_step(SECRET, f" {code[:3]} {code[3:]} ", NOW, after=None) is not None
    assert matching_step(SECRET, "".join(chr(0x0660 + int(digit)) for digit in code), NOW, after=None) is None


@given(st.binary(min_size=1, max_size=64))
def test_a_secret_as_text_comes_back(secret: bytes):
    assert from_text(as_text(secret)) == secret
    assert from_text(as_text(secret).lower()) == secret


def test_the_address_for_applications():
    parts = urlsplit(uri(SECRET, "ada & co"))
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/Vox%3Aada%20%26%20co")
    assert parse_qs(parts.query) == {
        "secret": [as_text(SECRET)], "issuer": ["Vox"], "algorithm": ["SHA1"], "digits": ["6"], "period": ["30"],
    }  # fmt: skip
    assert len({new_secret() for _ in range(3)}) == 3
