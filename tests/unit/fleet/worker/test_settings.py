"""The settings of a worker: the documented names, and values that are none."""

import pytest

from vox.errors import UsageError
from vox.fleet.worker.settings import load, port_list, worker_id


def test_the_documented_variables():
    settings = load({"MAX_CONCURRENT_CALLS": "8", "VOXCORE_WORKERS": "6", "VOXCORE_PORT": "8003"}).settings
    assert (settings.max_concurrent_calls, settings.workers, settings.port) == (8, 6, 8003)
    assert settings.sibling_ports() == [8001, 8002, 8003, 8004, 8005, 8006]


def test_the_documented_defaults():
    settings = load({}).settings
    assert (settings.max_concurrent_calls, settings.workers, settings.port) == (5, 4, 8001)
    assert settings.sibling_ports() == [8001, 8002, 8003, 8004]
    assert settings.inbound_reserve == 0.2
    assert settings.drain_deadline_secs == 3600


def test_the_command_line_wins():
    assert load({"VOXCORE_PORT": "8003"}, {"port": 9}).settings.port == 9
    assert load({"VOXCORE_PORT": "8003"}, {"port": None}).settings.port == 8003


def test_several_secrets_are_taken_and_the_first_is_sent():
    assert load({"VOXCORE_SECRET": "new, old,"}).settings.secrets == ("new", "old")
    assert load({}).settings.secrets == ()


def test_ports_of_this_machine():
    assert load({"VOX_WORKER_PORTS": "9001-9002,9010"}).settings.sibling_ports() == [9001, 9002, 9010, 8001]
    assert load({"VOX_WORKER_PORTS": "9001", "VOXCORE_PORT": "0"}).settings.sibling_ports() == [9001]


@pytest.mark.parametrize("text", ["a", "8002-8001", "0", "65536", "1-65535", "8001;8002", "8001-"])
def test_ports_that_are_none(text):
    with pytest.raises(ValueError, match="ports"):
        port_list(text)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MAX_CONCURRENT_CALLS", "0"),
        ("MAX_CONCURRENT_CALLS", "many"),
        ("VOXCORE_WORKERS", "0"),
        ("VOX_WORKER_ID", "Worker 1"),
        ("VOX_WORKER_INBOUND_RESERVE", "1.5"),
        ("VOXBRIDGE_URL", "bridge:8100"),
        ("VOXBRIDGE_URL", "http://user:secret@bridge"),
        ("VOXBRIDGE_URL", "http://bridge:99999"),
        ("VOX_WORKER_URL", "ftp://here"),
        ("VOX_WORKER_PORTS", "8001.."),
        ("VOX_WORKER_BUSY_ANSWER", "music"),
    ],
)
def test_a_wrong_value_names_its_variable(variable, value):
    with pytest.raises(UsageError) as caught:
        load({variable: value})
    assert caught.value.code == "invalid_setting"
    assert variable in str(caught.value)


def test_the_bridge_is_where_it_says_or_where_the_bots_are():
    assert load({"VOXBRIDGE_URL": "http://bridge:8100/"}).settings.bridge_base == "http://bridge:8100"
    assert load({"VOXBRIDGE_CONFIG_URL": "https://b.example/api/v1/config"}).settings.bridge_base == "https://b.example"
    assert load({}).settings.bridge_base == ""


@pytest.mark.parametrize(
    ("host", "name"),
    [("Server-1.example.com", "server-1-8001"), ("名前", "worker-8001"), ("a" * 200, f"{'a' * 57}-8001")],
)
def test_a_worker_is_called_after_its_machine_and_port(host, name):
    assert worker_id("", host, 8001) == name
    assert worker_id("given", host, 8001) == "given"


def test_what_a_bridge_needs_besides_its_address_is_named_where_it_is_missing():
    bridge = {"VOXBRIDGE_URL": "http://127.0.0.1:8100"}
    whole = {"VOX_WORKER_TOKEN": "t", "VOXCORE_SECRET": "s", "VOX_WORKER_URL": "https://w1.example"}
    assert load({**bridge, **whole}).warnings == []
    for name in whole:
        (warning,) = load({**bridge, **{other: value for other, value in whole.items() if other != name}}).warnings
        assert warning.startswith(f"{name} is not set")
    assert load({}).warnings == []
