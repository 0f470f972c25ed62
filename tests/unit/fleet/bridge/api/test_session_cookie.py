"""Which requests may use the cookie of the operator's pages."""

import pytest

from vox.fleet.bridge.api.session_cookie import NAME, is_from_own_page, session_token, set_cookie


@pytest.mark.parametrize(
    ("cookies", "token"),
    [
        (f"{NAME}=vbs_1", "vbs_1"),
        (f"a=b; {NAME}=vbs_1; c=d", "vbs_1"),
        (f"x{NAME}=vbs_1", ""),
        ("", ""),
        (";;=;", ""),
        (NAME, ""),
    ],
)
def test_the_token_is_found_among_other_cookies(cookies, token):
    assert session_token(cookies) == token


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://b.example", "host": "b.example"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "https://b.example", "host": "b.example"}, True),
        ({"origin": "https://b.example", "host": "b.example:443"}, True),
        ({"origin": "http://127.0.0.1:8100", "host": "127.0.0.1:8100"}, True),
        ({"origin": "http://127.0.0.1:3000", "host": "127.0.0.1:8100"}, False),
        ({"origin": "https://evil.example", "host": "b.example"}, False),
        ({"origin": "null", "host": "b.example"}, False),
        ({"origin": "https://b.example:x", "host": "b.example:x"}, False),
        ({"host": "b.example"}, False),
        ({}, False),
    ],
)
def test_a_change_has_to_come_from_the_bridges_own_pages(headers, is_own):
    assert is_from_own_page(headers) is is_own


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites():
    assert set_cookie("vbs_1", 60, is_secure=True) == (
        f"{NAME}=vbs_1; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"
    )
    assert set_cookie("", 60, is_secure=False) == f"{NAME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
