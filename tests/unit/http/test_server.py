"""What a server says about itself before anything listens; the rest is in tests/e2e/test_runtime_serving.py."""

import pytest

from vox.http.server import Server


async def _nothing(_scope: object, _receive: object, _send: object) -> None:
    return None


@pytest.mark.parametrize(
    ("host", "tls", "expected"),
    [
        ("", False, "http://localhost:8080"),
        ("0.0.0.0", False, "http://localhost:8080"),
        ("::", False, "http://localhost:8080"),
        ("::1", False, "http://[::1]:8080"),
        ("fd00::7", True, "https://[fd00::7]:8080"),
        ("voice.example", True, "https://voice.example:8080"),
    ],
)
def test_an_address_can_be_opened_as_it_is_shown(host: str, tls: bool, expected: str):
    cert, key = ("cert.pem", "key.pem") if tls else (None, None)
    assert Server(_nothing, host, 8080, tls_cert=cert, tls_key=key).address == expected
