import pytest

from vox.http.cors import Origins

PAGE = "https://chat.example.com"


def scope(origin: str | None = None, method: str = "GET", **headers: str):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"method": method, "headers": [*raw, *([(b"origin", origin.encode())] if origin else [])]}


def test_without_origins_nothing_is_sent_or_refused():
    origins = Origins(())
    assert not origins.is_on
    assert origins.may_connect(scope("https://evil.example"))


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        (PAGE, True),
        (PAGE.upper(), True),
        (None, True),
        ("https://evil.example", False),
        (PAGE + ".evil", False),
        ("null", False),
    ],
)
def test_only_named_origins_may_call(origin, may):
    origins = Origins((PAGE + "/",))
    asked = scope(origin)
    assert origins.may_connect(asked) is may
    allowed = dict(origins.headers(asked)).get(b"access-control-allow-origin")
    assert allowed == (origin.encode() if may and origin else None)


def test_a_preflight_names_methods_and_headers_and_never_credentials():
    origins = Origins((PAGE,))
    asked = scope(PAGE, "OPTIONS", access_control_request_method="PATCH")
    assert origins.is_preflight(asked)
    headers = dict(origins.headers(asked))
    assert b"PATCH" in headers[b"access-control-allow-methods"]
    assert b"authorization" in headers[b"access-control-allow-headers"]
    assert b"access-control-allow-credentials" not in headers
    assert headers[b"vary"] == b"origin"


def test_a_foreign_preflight_gets_no_permission():
    origins = Origins((PAGE,))
    asked = scope("https://evil.example", "OPTIONS", access_control_request_method="PATCH")
    assert dict(origins.headers(asked)) == {b"vary": b"origin"}
