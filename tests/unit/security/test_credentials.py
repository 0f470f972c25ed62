import pytest

from vox.security.credentials import api_key, parse_authorization


@pytest.mark.parametrize(
    ("value", "scheme", "token"),
    [
        ("Bearer abc", "Bearer", "abc"),
        ("bearer   abc  ", "bearer", "abc"),
        ("Basic dTpw", "Basic", "dTpw"),
        ("Bearer a b", "Bearer", "a b"),
        ("Bearer", "Bearer", ""),
        ("Bearer ", "Bearer", ""),
        ("", "", ""),
    ],
)
def test_an_authorization_header_is_scheme_and_credentials(value, scheme, token):
    assert parse_authorization(value) == (scheme, token)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, ""),
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "BEARER abc"}, "abc"),
        ({"authorization": "Basic abc"}, ""),
        ({"authorization": "abc"}, ""),
        ({"authorization": "Bearer"}, ""),
        ({"x-api-key": "abc"}, "abc"),
        ({"x-api-key": " abc "}, "abc"),
        ({"x-api-key": "  "}, ""),
        ({"authorization": "Bearer first", "x-api-key": "second"}, "first"),
        ({"authorization": "Basic first", "x-api-key": "second"}, "second"),
        ({"cookie": "key=abc", "x-token": "abc"}, ""),
    ],
)
def test_the_key_is_in_one_of_two_headers(headers, key):
    assert api_key(headers) == key


def test_the_caller_chooses_which_header_counts_first_and_at_all():
    headers = {"authorization": "Bearer first", "x-api-key": "second"}
    assert api_key(headers, names=("x-api-key", "authorization")) == "second"
    assert api_key(headers, names=("x-token",)) == ""
