"""Addresses of users and domains of servers: one form, and nothing odd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.federation.addresses import UserAddress, parse_address, parse_domain


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com", "example.com"),
        ("example.com.", "example.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("localhost", None),
        ("", None),
        (".", None),
        ("127.0.0.1", None),
        ("2130706433", None),
        ("0x7f.1", None),
        ("[::1]", None),
        ("example.com:443", None),
        ("example.com/path", None),
        ("user@example.com", None),
        ("exam ple.com", None),
        ("example.com\n", None),
        ("a" * 64 + ".com", None),
    ],
)
def test_a_domain_has_one_form(text: str, domain: str | None):
    assert parse_domain(text) == domain


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("alice@example.com", UserAddress("alice", "example.com")),
        ("Alice@EXAMPLE.com", UserAddress("Alice", "example.com")),
        ("two words@example.com", UserAddress("two words", "example.com")),
        ("alice", None),
        ("@example.com", None),
        ("alice@", None),
        ("a@b@example.com", None),
        (" alice@example.com", None),
        ("al\u202eice@example.com", None),
        ("al\0ice@example.com", None),
        ("x" * 65 + "@example.com", None),
        ("alice@" + "x." * 200 + "com", None),
    ],
)
def test_an_address_is_a_name_and_a_domain(text: str, address: UserAddress | None):
    assert parse_address(text, 256) == address


@given(st.text(max_size=80))
def test_whatever_is_read_has_a_form_that_reads_as_itself(text: str):
    found = parse_address(text, 256)
    if found is not None:
        assert parse_address(str(found), 256) == found
