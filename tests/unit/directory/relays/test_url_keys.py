"""When two URLs are one relay."""

import pytest

from vox.directory.relays.url_keys import url_key

RELAY = "wss://relay.example.com/x"


@pytest.mark.parametrize(
    "written",
    [
        "wss://relay.example.com/x/",
        "wss://RELAY.example.com.:443/x",
        "https://relay.example.com/x",
        "wss://relay.example.com/x?",
        "wss://relay.example.com/x#y",
        "wss://relay.example.com/%78",
        "wss://relay.example.com/a/../x",
        "wss://relay.example.com/%2E/x/.",
        "wss://relay\u3002example.com/x",
    ],
)
def test_a_relay_is_the_same_however_its_url_is_written(written: str):
    assert url_key(written) == url_key(RELAY)


@pytest.mark.parametrize(
    "other",
    [
        "ws://relay.example.com/x",
        "wss://relay.example.com:8443/x",
        "wss://relay.example.com/X",
        "wss://relay.example.com/x?a",
        "wss://relay.example.com/%2Fx",
        "wss://relay.example.com//x",
        "wss://www.relay.example.com/x",
    ],
)
def test_another_relay_is_another(other: str):
    assert url_key(other) != url_key(RELAY)


def test_what_is_no_url_stays_as_it_is():
    assert url_key("not a url") == "not a url"
