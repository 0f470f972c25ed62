"""Vouchers: right in every point, or nothing."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.federation import vouchers
from vox.security.http_signatures import new_key_pair, sign_bytes

KEYS, OTHER = new_key_pair(), new_key_pair()
NOW = 1_700_000_000.0
USER = "alice@red.example"


def read(text: str, *, now_s: float = NOW, user: str = USER, domain: str = "blue.example") -> object:
    return vouchers.read(
        text, public_keys=[OTHER.public, KEYS.public], user_address=user, own_domain=domain, now_s=now_s
    )


def issued(**other: object) -> str:
    given: dict[str, object] = {
        "user_address": USER,
        "target_domain": "blue.example",
        "now_s": NOW,
        "nonce": "n" * 16,
        **other,
    }
    return vouchers.issue(KEYS.private, **given)  # type: ignore[arg-type]


def test_a_voucher_is_read_with_any_key_of_its_server():
    assert isinstance(read(issued()), vouchers.Voucher)


@pytest.mark.parametrize("now_s", [NOW - 301, NOW + 601])
def test_it_has_a_time(now_s: float):
    assert read(issued(), now_s=now_s) is None


def test_it_is_for_one_user_and_one_server():
    assert read(issued(), user="bob@red.example") is None
    assert read(issued(), domain="green.example") is None


def test_a_long_life_and_wrong_fields_are_refused():
    for said in (
        b'{"user_address":"alice@red.example","target_domain":"blue.example","issued_at":0,"expires_at":1e12,"nonce":"nnnnnnnn"}',
        b'{"user_address":"alice@red.example"}',
        b"[" * 2000,
        b"null",
    ):
        text = f"{base64.b64encode(said).decode()}.{sign_bytes(KEYS.private, said)}"
        assert read(text) is None


@given(st.text(max_size=100))
def test_any_text_is_read_without_an_error(text: str):
    assert read(text) is None
    assert read(issued() + text) is None or not text
