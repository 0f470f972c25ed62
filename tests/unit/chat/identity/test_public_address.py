"""What the settings say about the public address, and which passkeys belong there."""

import pytest

from vox.chat.config.runtime_config import Config
from vox.chat.config.settings import ChatSettings
from vox.chat.identity.public_address import RelyingParty, public_origin, relying_party


def config(**given: str) -> Config:
    return Config(ChatSettings.model_validate(given))


@pytest.mark.parametrize(
    ("gateway", "origin", "party"),
    [
        ("ws://localhost:8000/gateway", None, None),
        ("wss://chat.example.com/gateway", "https://chat.example.com", "chat.example.com"),
        ("wss://Chat.Example.com:8443/gateway", "https://chat.example.com:8443", "chat.example.com"),
        ("ws://localhost:9000/gateway", "http://localhost:9000", "localhost"),
        ("ws://chat.example.com/gateway", "http://chat.example.com", None),
        ("wss://192.0.2.7/gateway", "https://192.0.2.7", None),
        ("wss://[2001:db8::1]/gateway", "https://[2001:db8::1]", None),
        ("https://chat.example.com/gateway", None, None),
        ("nonsense", None, None),
    ],
)
def test_the_public_address(gateway: str, origin: str | None, party: str | None):
    settings = config(gateway_url=gateway)
    assert public_origin(settings) == origin
    expected = None if party is None else RelyingParty(party, (str(origin),))
    assert relying_party(settings) == expected


def test_given_values_win():
    public = {"gateway_url": "wss://chat.example.com/gateway"}
    assert relying_party(config(webauthn_rp_id="Example.com", **public)) == RelyingParty(
        "example.com", ("https://example.com",)
    )
    only_origin = config(webauthn_origin="https://app.example.com/, https://b.example.com", **public)
    assert relying_party(only_origin) == RelyingParty(
        "app.example.com", ("https://app.example.com", "https://b.example.com")
    )
