import json
from pathlib import Path

import pytest

from vox.errors import UsageError
from vox.relay.settings import load

SECRET = "0123456789abcdef0123456789abcdef"


def refused(environment: dict[str, str], **overrides: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load(None, environment, overrides)
    return caught.value


def test_without_a_key_nobody_could_come_in():
    error = refused({})
    assert error.code == "relay_keys_missing"
    assert "VOX_RELAY_API_KEY" in error.hint


def test_the_variables_of_sdks_are_taken_too():
    settings = load(None, {"LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": SECRET}).settings
    assert settings.secrets() == {"k": SECRET}
    assert SECRET not in repr(settings)


def test_a_short_secret_is_refused_without_being_shown():
    error = refused({"VOX_RELAY_API_KEY": "k", "VOX_RELAY_API_SECRET": "swordfish"})
    assert error.code == "invalid_setting"
    assert "swordfish" not in str(error)


def test_dev_listens_on_loopback_unless_told_otherwise():
    loaded = load(None, {}, {"dev": True})
    assert loaded.settings.bind_host == "127.0.0.1"
    assert loaded.settings.media_host == "127.0.0.1"
    assert loaded.settings.secrets() == {"devkey": "secret"}
    assert not loaded.warnings
    opened = load(None, {}, {"dev": True, "listen.host": "0.0.0.0"})
    assert opened.settings.bind_host == "0.0.0.0"
    assert "everyone" in opened.warnings[0]


def test_keys_come_from_the_file(tmp_path: Path):
    file = tmp_path / "relay.json"
    file.write_text(json.dumps({"keys": {"a": SECRET}, "webhooks": {"api_key": "b"}}))
    with pytest.raises(UsageError) as caught:
        load(file, {})
    assert "webhooks.api_key" in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"turn.urls": ["turn:a:3478"]}, "turn.secret"),
        ({"turn.urls": ["a:3478"]}, "turn:HOST"),
        ({"directory.url": "https://directory.example"}, "listen.public_url"),
        ({"listen.tls_cert_file": "cert.pem"}, "go together"),
        ({"media.public_addresses": ["relay.example.com"]}, "public_addresses"),
        ({"webhooks.urls": ["ftp://a"]}, "https://HOST"),
    ],
)
def test_what_cannot_work_is_named(overrides: dict[str, object], said: str):
    error = refused({}, dev=True, **overrides)
    assert error.code == "invalid_setting"
    assert said in str(error)
