from hypothesis import given
from hypothesis import strategies as st

from vox.security.tokens import digest, matches, mint


def test_a_token_carries_its_prefix_and_384_random_bits():
    token = mint("vox_sess_")
    assert token.text.startswith("vox_sess_")
    assert len(token.text) == len("vox_sess_") + 64


def test_two_tokens_differ():
    assert mint("a_").text != mint("a_").text


def test_what_is_stored_is_a_digest_and_not_the_token():
    token = mint("vox_sess_")
    assert token.digest == digest(token.text)
    assert token.text not in token.digest
    assert len(token.digest) == 64


def test_a_token_does_not_show_in_a_repr():
    token = mint("vox_sess_")
    assert token.text not in repr(token)


def test_the_digest_is_the_originals():
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.text(), st.text())
def test_only_the_same_text_matches(one: str, other: str):
    assert matches(one, digest(one))
    assert matches(other, digest(one)) == (one == other)


def test_text_that_is_no_unicode_has_a_digest_too():
    assert len(digest("\ud800")) == 64
