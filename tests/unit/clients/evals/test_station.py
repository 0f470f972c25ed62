import pytest

from vox.clients.evals.scenario import Scenario, ScriptedTurn
from vox.clients.evals.station import client_url, phone_url
from vox.errors import UsageError

TURNS = (ScriptedTurn(say="x"),)


@pytest.mark.parametrize(
    ("base", "client", "phone"),
    [
        ("http://h:1", "ws://h:1/ws?a=b&agent=desk&rtvi=1", "ws://h:1/telephony/ws/desk"),
        ("https://h/vox/", "wss://h/vox/ws?a=b&agent=desk&rtvi=1", "wss://h/vox/telephony/ws/desk"),
        ("ws://h", "ws://h/ws?a=b&agent=desk&rtvi=1", "ws://h/telephony/ws/desk"),
    ],
)
def test_the_addresses_of_an_agent(base: str, client: str, phone: str):
    scenario = Scenario(name="a", turns=TURNS, agent="desk", parameters={"a": "b"})
    assert client_url(base, scenario, rtvi="1") == client
    assert phone_url(base, scenario) == phone


def test_without_a_name_the_servers_default_agent_is_called():
    scenario = Scenario(name="a", turns=TURNS)
    assert (client_url("http://h", scenario), phone_url("http://h", scenario)) == ("ws://h/ws", "ws://h/telephony/ws")


@pytest.mark.parametrize("base", ["localhost:8080", "ftp://h", "", "http://"])
def test_an_address_that_is_none_is_refused(base: str):
    with pytest.raises(UsageError, match="--url"):
        phone_url(base, Scenario(name="a", turns=TURNS))
