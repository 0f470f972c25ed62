import pytest

from vox.http.cors import Origins, is_origin_allowed

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


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "may"),
    [
        ("https://chat.example.com", "chat.example.com", (), True),
        ("https://chat.example.com", "chat.example.com:443", (), True),
        ("http://chat.example.com:8000", "chat.example.com:8000", (), True),
        ("http://chat.example.com", "chat.example.com:8000", (), False),
        ("https://evil.example", "chat.example.com", (), False),
        ("https://chat.example.com.evil.example", "chat.example.com", (), False),
        ("https://public.example", "10.0.0.5:8000", (), True),
        ("null", "chat.example.com", (), False),
        ("file://", "chat.example.com", (), True),
        ("https://chat.example.com", "chat.example.com", ("https://second.example",), True),
        ("https://second.example", "chat.example.com", ("https://second.example",), True),
        ("https://evil.example", "chat.example.com", ("*",), True),
        ("app://x", "chat.example.com", ("https://second.example",), False),
        (None, "chat.example.com", (), True),
    ],
)
def test_a_server_s_own_pages_may_connect_and_foreign_ones_only_where_listed(origin, host, allowed, may):
    assert Origins(allowed).may_connect(scope(origin, host=host), ("public.example",)) is may


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


def test_any_origin_may_be_allowed():
    origins = Origins(("*",))
    assert origins.may_connect(scope("https://evil.example"))
    assert (
        dict(origins.headers(scope("https://evil.example")))[b"access-control-allow-origin"] == b"https://evil.example"
    )


def test_options_without_a_requested_method_is_no_preflight():
    assert not Origins((PAGE,)).is_preflight(scope(PAGE, "OPTIONS"))
    assert not Origins((PAGE,)).is_preflight(scope(PAGE, "GET", access_control_request_method="PATCH"))


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        ("", "voice.example", True),  # a program
        ("https://voice.example", "voice.example", True),
        ("http://voice.example:3000", "voice.example:8080", True),
        ("https://VOICE.example", "voice.example", True),
        ("http://localhost:5173", "voice.example", True),
        ("http://127.0.0.1", "voice.example", True),
        ("http://[::1]:3000", "voice.example", True),
        ("http://[2001:db8::1]:3000", "[2001:db8::1]:8080", True),
        (PAGE, "voice.example", True),
        ("https://evil.example", "voice.example", False),
        ("https://voice.example.evil.example", "voice.example", False),
        ("https://evil.example/voice.example", "voice.example", False),
        ("https://voice.example@evil.example", "voice.example", False),
        ("https://localhost.evil.example", "voice.example", False),
        ("null", "voice.example", False),
        ("null", "", False),
        ("file://", "", False),
        ("https://[", "voice.example", False),
        ("https://[", "[", False),
    ],
)
def test_a_page_of_this_server_this_machine_or_the_list_may_call(origin, host, may):
    assert is_origin_allowed(origin, host, (PAGE,)) is may


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        ("", "evil.example:8080", True),  # a program
        ("http://evil.example:8080", "evil.example:8080", False),  # a name pointed at this machine
        ("http://localhost:8080", "localhost:8080", True),
        ("http://localhost:8080", "127.0.0.1:8080", True),
        ("http://localhost:5173", "localhost:8080", True),
        ("http://localhost.evil.example", "localhost:8080", False),
        ("http://localhost", "localhost", True),
        ("https://localhost", "localhost:443", True),
        ("http://192.0.2.7:8080", "192.0.2.7:8080", True),  # an address cannot be pointed elsewhere
        ("http://192.0.2.7:3000", "192.0.2.7:8080", False),
        ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080", True),
        ("https://voice.example", "voice.example", True),
        ("https://Voice.Example", "voice.example:8443", True),
        ("https://voice.example", "evil.example", False),
        ("https://voice.example:99999", "voice.example:99999", False),
        (PAGE, "localhost:8080", True),
        ("null", "localhost:8080", False),
    ],
)
def test_without_a_key_the_host_header_proves_nothing(origin, host, may):
    assert is_origin_allowed(origin, host, (PAGE,), own_names={"voice.example"}) is may


def test_a_star_allows_every_page():
    assert is_origin_allowed("https://evil.example", "voice.example", ("*",))
    assert is_origin_allowed("null", "voice.example", ("*",))
