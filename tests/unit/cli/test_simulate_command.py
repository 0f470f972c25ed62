import argparse
from ipaddress import ip_network

import pytest

from vox.cli import simulate
from vox.errors import UsageError


def parsed(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    simulate.register(parser.add_subparsers(dest="command"))
    return parser.parse_args(["simulate", *argv])


def test_credentials_of_the_environment_are_taken_and_the_others_open_a_simulator_only():
    accounts = simulate.accounts_of({"TWILIO_AUTH_TOKEN": "theirs", "PLIVO_AUTH_ID": ""})
    assert accounts.twilio_auth_token == "theirs"
    assert accounts.plivo_auth_id == "MA000000000000000000"
    assert "theirs" not in repr(accounts)
    assert "simulated" not in repr(accounts).replace("simulated-exotel-key", "")


def test_a_scenario_is_checked_without_serving(tmp_path, capsys):
    file = tmp_path / "scenario.yaml"
    file.write_text("rules: [{to: '*', outcome: busy}]")
    assert simulate.run(parsed("--scenario", str(file), "--check")) == 0
    assert capsys.readouterr().out == "The scenario is right; rules: 1.\n"
    file.write_text("rules: [{to: '*', outcome: bussy}]")
    with pytest.raises(UsageError, match="did you mean busy"):
        simulate.run(parsed("--scenario", str(file), "--check"))


def test_recordings_need_a_folder(tmp_path):
    with pytest.raises(UsageError, match="is not a folder"):
        simulate.run(parsed("--recordings", str(tmp_path / "none")))


def test_networks_and_the_speed_are_read_and_wrong_ones_refused():
    args = parsed("--allow-network", "172.16.0.0/12", "--allow-network", "fd00::/8", "--speed", "10")
    assert args.networks == [ip_network("172.16.0.0/12"), ip_network("fd00::/8")]
    assert args.speed == 10.0
    for wrong in (("--allow-network", "everywhere"), ("--speed", "0"), ("--speed", "fast")):
        with pytest.raises(SystemExit):
            parsed(*wrong)
