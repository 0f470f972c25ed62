import base64
import hashlib
import hmac

import pytest
from pydantic import ValidationError

from vox.agent.config.settings import AgentSettings
from vox.agent.config.webrtc import IceServerSetting, as_browser_object, ice_servers, port_range, time_limited
from vox.media.webrtc.contract import IceServer

TURN = {"urls": "turn:turn.example:3478"}


def servers(*given: object, secret: str = "") -> list[IceServer]:
    configured = [IceServerSetting.model_validate(one) for one in given]
    return list(ice_servers(configured, turn_secret=secret, ttl_s=600, unix_s=1000, name="vox_1"))


def test_a_url_is_a_server():
    assert servers("stun:stun.example") == [IceServer(("stun:stun.example",))]


def test_a_password_of_the_file_is_passed_on_and_not_shown():
    setting = {"urls": ["turn:a.example", "turns:a.example:443?transport=tcp"], "username": "u", "credential": "secret"}
    (one,) = servers(setting, secret="other")
    assert (one.username, one.credential) == ("u", "secret")
    assert "secret" not in repr(one)
    assert "secret" not in repr(IceServerSetting.model_validate(setting))


def test_a_shared_secret_makes_credentials_that_expire():
    (turn, stun) = servers(TURN, "stun:s.example", secret="shared")
    assert turn.username == "1600:vox_1"
    expected = hmac.new(b"shared", b"1600:vox_1", hashlib.sha1).digest()
    assert base64.b64decode(turn.credential) == expected
    assert (turn.username, turn.credential) == time_limited("shared", 1600, "vox_1")
    assert stun == IceServer(("stun:s.example",))


def test_without_a_setting_there_is_a_public_server_and_with_an_empty_one_none():
    assert ice_servers(None, turn_secret="", ttl_s=1, unix_s=1, name="")[0].urls == ("stun:stun.l.google.com:19302",)
    assert servers() == []


def test_browsers_get_credentials_only_where_there_are_some():
    assert as_browser_object(IceServer(("stun:a",))) == {"urls": ["stun:a"]}
    full = {"urls": ["turn:a"], "username": "u", "credential": "c"}
    assert as_browser_object(IceServer(("turn:a",), "u", "c")) == full


@pytest.mark.parametrize(
    "url", ["http://a", "stun:", "turn:a b", "turn:a?transport=sctp", "turn:a/b", "javascript:1", "turn:a\r\nx"]
)
def test_what_is_no_server_is_refused_with_the_form_to_write(url: str):
    with pytest.raises(ValidationError, match="turn:HOST:PORT"):
        AgentSettings.model_validate({"webrtc_ice_servers": [url]})


@pytest.mark.parametrize("entry", [{"urls": []}, {"username": "u"}, 5])
def test_a_server_has_an_address(entry: object):
    with pytest.raises(ValidationError):
        AgentSettings.model_validate({"webrtc_ice_servers": [entry]})


def test_ports():
    assert port_range("") is None
    assert port_range("40000-40099") == range(40_000, 40_100)
    assert port_range("40000 - 40099") == range(40_000, 40_100)


@pytest.mark.parametrize("text", ["40000", "40000-", "a-b", "50000-40000", "80-443", "40000-70000", "40000-40005"])
def test_ports_that_are_none_are_refused_with_the_form_to_write(text: str):
    with pytest.raises(ValidationError, match="webrtc_udp_ports"):
        AgentSettings.model_validate({"webrtc_udp_ports": text})


def test_a_public_address_is_an_ipv4_address():
    assert AgentSettings.model_validate({"webrtc_public_address": "203.0.113.9"}).webrtc_public_address == "203.0.113.9"
    with pytest.raises(ValidationError, match="webrtc_public_address"):
        AgentSettings.model_validate({"webrtc_public_address": "agent.example"})


@pytest.mark.parametrize(
    ("config", "has_webrtc"),
    [
        ({}, False),
        ({"transport": "websocket"}, False),
        ({"transport": "smallwebrtc"}, True),
        ({"transport": "both"}, True),
        ({"runner_transport": "webrtc"}, True),
        ({"runner_transport": "twilio", "transport": "both"}, True),
    ],
)
def test_which_configurations_take_webrtc_calls(config: dict[str, str], has_webrtc: bool):
    assert AgentSettings.model_validate(config).has_webrtc is has_webrtc
