"""Who can reach an agent, and which doors are named or keep it from starting."""

from typing import Any

import pytest

from vox.agent.config.doors import CARRIER_SECRETS, PHONE_RUNNERS, Doors, bind_host
from vox.errors import UsageError


def doors(**changed: Any) -> Doors:
    given: dict[str, Any] = {
        "host": "",
        "proxy_host": "",
        "has_key": False,
        "runner": "",
        "verifies_signatures": True,
        "api_keys": {},
        "environment": {},
    }
    return Doors(**{**given, **changed})


@pytest.mark.parametrize(
    ("host", "has_key", "listens_on"),
    [("", False, "127.0.0.1"), ("", True, ""), ("0.0.0.0", False, "0.0.0.0"), ("10.0.0.1", True, "10.0.0.1")],
)
def test_without_a_key_an_agent_is_on_loopback_unless_it_is_told_otherwise(host: str, has_key: bool, listens_on: str):
    assert bind_host(host, has_key=has_key) == listens_on


def test_every_phone_runner_has_a_secret():
    assert set(CARRIER_SECRETS) == PHONE_RUNNERS


@pytest.mark.parametrize("runner", sorted(PHONE_RUNNERS))
@pytest.mark.parametrize("reach", [{"host": "0.0.0.0"}, {"proxy_host": "voice.example"}])
def test_a_phone_that_anyone_may_call_does_not_start(runner: str, reach: dict[str, Any]):
    with pytest.raises(UsageError, match=CARRIER_SECRETS[runner][1]) as caught:
        doors(runner=runner, **reach).check()
    assert caught.value.code == "invalid_setting"


@pytest.mark.parametrize(
    "lock",
    [
        {"api_keys": {"twilio_auth_token": "x"}},
        {"environment": {"TWILIO_AUTH_TOKEN": "x"}},
        {"has_key": True},
        {"verifies_signatures": False},
        {"host": "127.0.0.2", "proxy_host": ""},
    ],
)
def test_a_phone_that_is_locked_or_local_or_open_on_purpose_starts(lock: dict[str, Any]):
    doors(**{"runner": "twilio", "host": "0.0.0.0", **lock}).check()


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({}, ["127.0.0.1 only"]),
        ({"host": "127.0.0.1"}, []),
        ({"host": "0.0.0.0"}, ["over /ws"]),
        ({"has_key": True}, []),
        ({"host": "::1", "runner": "twilio"}, ["TWILIO_AUTH_TOKEN is not set: anyone on this machine"]),
        ({"has_key": True, "runner": "twilio"}, ["must bring server_api_key"]),
        ({"has_key": True, "runner": "twilio", "api_keys": {"twilio_auth_token": "x"}}, []),
        ({"has_key": True, "runner": "twilio", "verifies_signatures": False}, ["verify_signatures is false"]),
        (
            {"has_key": True, "runner": "telnyx", "environment": {"TELNYX_API_KEY": "x"}},
            ["must bring server_api_key", "telnyx_api_key is set without telnyx_public_key"],
        ),
        ({"has_key": True, "runner": "telnyx", "api_keys": {"telnyx_api_key": "x", "telnyx_public_key": "y"}}, []),
    ],
)
def test_each_open_door_is_named_with_its_lock(config: dict[str, Any], names: list[str]):
    warnings = doors(**config).warnings()
    assert len(warnings) == len(names)
    assert all(name in warning for name, warning in zip(names, warnings, strict=True))
