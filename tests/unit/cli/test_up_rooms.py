import json
from pathlib import Path
from typing import Any

import pytest

from vox.cli import up
from vox.cli.up_plan import Choices, http_address
from vox.cli.up_rooms import KEY_FILE, media_key, relay_settings
from vox.cli.up_wiring import Wiring
from vox.errors import UsageError
from vox.security.room_tokens import RoomKey

KEY = RoomKey("k", "s" * 32)


def parts(*names: str) -> list[up.Part]:
    return [part for part in up.PARTS if part.name in names]


def test_the_key_is_made_once_and_kept_for_its_owner_only(tmp_path: Path):
    made = media_key({}, tmp_path / "new")
    assert len(made.secret) == 64
    assert media_key({}, tmp_path / "new") == made
    assert (tmp_path / "new" / KEY_FILE).stat().st_mode & 0o077 == 0


def test_a_key_of_the_environment_goes_first(tmp_path: Path):
    given = {"VOX_MEDIA_KEY": "mine", "VOX_MEDIA_SECRET": "x" * 32}
    assert media_key(given, tmp_path) == RoomKey("mine", "x" * 32)
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense"])
def test_a_broken_key_file_is_said_with_the_remedy(tmp_path: Path, text: str):
    (tmp_path / KEY_FILE).write_text(text)
    with pytest.raises(UsageError, match="remove the file") as caught:
        media_key({}, tmp_path)
    assert caught.value.code == "media_key_unusable"


def test_all_parts_are_told_of_each_other(tmp_path: Path):
    choices = up.wired(parts("agent", "relay", "chat"), Choices({}, tmp_path))
    rooms = choices.rooms
    assert rooms is not None
    assert (rooms.relay, rooms.chat, rooms.agent) == (
        "http://127.0.0.1:7880",
        "http://127.0.0.1:8000",
        "http://127.0.0.1:8080",
    )
    relay = relay_settings(choices).settings
    assert relay.secrets() == {rooms.key.key: rooms.key.secret}
    assert relay.webhooks.urls == ["http://127.0.0.1:8000/api/v1/voice/webhook"]
    assert relay.bind_host == "127.0.0.1"
    chat = up._chat_settings(choices).settings
    assert chat.media_url == "ws://127.0.0.1:7880"
    assert chat.media_key == rooms.key.key
    assert (chat.media_agent_url, chat.agent_url) == ("http://127.0.0.1:8080", "http://127.0.0.1:8080")
    agent = up._agent_settings(choices).settings
    assert agent.media_key == rooms.key.key
    assert agent.rooms_chat_url == "http://127.0.0.1:8000"


def test_networks_are_left_to_the_environment_where_the_parts_are_not_on_loopback(tmp_path: Path):
    environment = {"VOX_MEDIA_NETWORKS": "10.77.0.0/16", "VOX_RELAY_WEBHOOK_ALLOWED_PRIVATE": "10.77.0.0/16"}
    choices = up.wired(parts("agent", "relay", "chat"), Choices(environment, tmp_path, host="10.77.0.10"))
    assert up._agent_settings(choices).settings.media_networks == ["10.77.0.0/16"]
    assert relay_settings(choices).settings.webhooks.allowed_private == ["10.77.0.0/16"]


def test_without_a_relay_the_others_know_of_none(tmp_path: Path):
    choices = up.wired(parts("agent", "chat"), Choices({}, tmp_path))
    assert choices.rooms is None
    assert not up._chat_settings(choices).settings.media_key
    assert not (tmp_path / KEY_FILE).exists()


def test_another_media_server_of_the_environment_stays(tmp_path: Path):
    environment = {"VOX_MEDIA_URL": "wss://media.example", "VOX_MEDIA_KEY": "mine", "VOX_MEDIA_SECRET": "x" * 32}
    choices = up.wired(parts("relay", "chat"), Choices(environment, tmp_path))
    assert up._chat_settings(choices).settings.media_url == "wss://media.example"


@pytest.mark.parametrize(
    ("url", "is_own"),
    [
        ("", True),
        ("ws://127.0.0.1:7880", True),
        ("http://localhost:7880/", True),
        ("wss://127.0.0.1:7880", False),
        ("ws://127.0.0.1:7881", False),
        ("wss://other.example", False),
    ],
)
def test_the_relay_of_this_process_is_known_by_its_address(url: str, is_own: bool):
    voices: Any = object()
    rooms = Wiring(KEY, "http://127.0.0.1:7880", "", "", is_local=True, voices=voices)
    assert (rooms.find_relay(url) is voices) is is_own
    rooms.voices = None
    assert rooms.find_relay(url) is None


def test_addresses_are_those_that_this_machine_reaches():
    assert http_address("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert http_address("::1", 80) == "http://[::1]:80"


def test_the_secret_is_in_no_file_but_its_own(tmp_path: Path):
    key = media_key({}, tmp_path)
    assert json.loads((tmp_path / KEY_FILE).read_text()) == {"key": key.key, "secret": key.secret}
    assert key.secret not in repr(key)
