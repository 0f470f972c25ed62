"""Signatures of requests between servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.federation import signing
from vox.chat.federation.signing import BadSignature, Identity
from vox.security.http_signatures import KeyPair, new_key_pair

KEYS = new_key_pair()
ME = Identity("red.example", KEYS.private)
NOW = 1_700_000_000
PATH = "/api/v1/federation/relay/message?x=1"


def signed(body: bytes = b"{}", **other: object) -> dict[str, str]:
    given: dict[str, object] = {"destination": "blue.example", "now_s": NOW, "nonce": "n" * 20, **other}
    return signing.sign(ME, "POST", PATH, body, **given)  # type: ignore[arg-type]


def check(
    headers: dict[str, str], body: bytes = b"{}", *, method: str = "POST", path: str = PATH, keys: KeyPair = KEYS
) -> signing.Spent:
    claim = signing.read_claim(headers, NOW)
    return signing.verify(
        claim, method, path, body, headers, public_key=keys.public, own_domain="blue.example", now_s=NOW
    )


def test_a_signature_is_right_and_names_what_it_used_up():
    spent = check(signed())
    assert spent.name == "n:" + "n" * 20
    assert spent.besides is not None


def test_two_requests_with_one_body_in_one_second_differ_by_their_nonce():
    first, second = check(signed(nonce="a" * 20)), check(signed(nonce="b" * 20))
    assert first.name != second.name
    assert first.besides == second.besides


def test_the_originals_signature_alone_is_what_it_used_up():
    bare = {name: value for name, value in signed().items() if name.startswith("x-vox")}
    assert check(bare) == signing.Spent(check(signed()).besides or "")


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{ }"},
        {"method": "GET"},
        {"path": "/api/v1/federation/relay/message"},
        {"path": "/api/v1/federation/relay/typing?x=1"},
        {"keys": new_key_pair()},
    ],
    ids=["body", "method", "query", "path", "key"],
)
def test_a_signature_is_for_one_request_only(change: dict[str, object]):
    with pytest.raises(BadSignature) as caught:
        check(signed(), **change)  # type: ignore[arg-type]
    assert caught.value.code == "FED_AUTH_FAILED"


def test_a_signature_is_for_one_server_only():
    with pytest.raises(BadSignature):
        check(signed(destination="green.example"))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "VALIDATION_ERROR"),
        ({"x-vox-origin": "a", "x-vox-signature": "b"}, "FED_MISSING_TIMESTAMP"),
        ({"x-vox-origin": "a", "x-vox-signature": "b", "x-vox-timestamp": "now"}, "FED_MISSING_TIMESTAMP"),
        ({"x-vox-origin": "a", "x-vox-signature": "b", "x-vox-timestamp": str(NOW - 301)}, "FED_TIMESTAMP_EXPIRED"),
        ({"x-vox-origin": "a", "x-vox-signature": "b", "x-vox-timestamp": str(NOW + 301)}, "FED_TIMESTAMP_EXPIRED"),
    ],
)
def test_headers_are_refused_by_name(headers: dict[str, str], code: str):
    with pytest.raises(BadSignature) as caught:
        signing.read_claim(headers, NOW)
    assert caught.value.code == code


NAMES = sorted(signed())


@given(st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(max_codepoint=255), max_size=40), max_size=6))
def test_no_header_raises_anything_else(changed: dict[str, str]):
    headers = {**signed(), **changed}
    try:
        check(headers)
    except BadSignature:
        return
    assert all(headers[name] == value for name, value in signed().items() if name != "x-vox-origin")
