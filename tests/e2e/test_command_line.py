"""The `vox` command as a user runs it: a process of its own."""

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

import httpx2
import pytest

from tests.time_limits import WAIT_S

VOX = Path(sys.executable).parent / "vox"


def vox(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([VOX, *arguments], capture_output=True, text=True, check=False, timeout=WAIT_S, cwd=cwd)


def test_the_version_is_the_distributions():
    assert vox("--version").stdout == f"vox {version('vox-server')}\n"


def test_a_misspelt_command_is_refused_with_the_list():
    result = vox("agnet")
    assert result.returncode == 2
    assert "doctor" in result.stderr


@pytest.mark.parametrize("command", [["doctor"], ["models", "list"]])
def test_a_reader_that_leaves_gets_no_traceback(command: list[str]):
    with subprocess.Popen([VOX, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(WAIT_S) == 141


def test_doctor_reports_a_port_that_is_taken(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = tmp_path / "config.json"
        config.write_text(json.dumps({"host": "localhost", "port": port, "provider": "fake"}))
        result = vox("doctor", "--config", str(config), "--json")
    findings = {finding["check"]: finding for finding in json.loads(result.stdout)}
    assert findings["configuration"]["status"] == "ok"
    assert findings["port"]["status"] == "fail"
    assert str(port) in findings["port"]["detail"]
    assert findings["port"]["remedy"]
    assert findings["agent default"]["status"] == "ok", findings["agent default"]
    assert result.returncode == 1


def test_doctor_opens_every_agents_providers(tmp_path: Path):
    config = tmp_path / "config.json"
    agents = {"good": {}, "bad": {"stt_provider": "no-such-vendor"}}
    config.write_text(json.dumps({"host": "localhost", "port": 0, "provider": "fake", "agents": agents}))
    result = vox("doctor", "--config", str(config))
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("ok") and "agent good" in line]
    assert [line for line in lines if line.startswith("fail") and "agent bad" in line and "no-such-vendor" in line]


def test_doctor_without_a_configuration_is_content(tmp_path: Path):
    result = vox("doctor", cwd=tmp_path)
    assert result.returncode == 0, result.stdout


@contextmanager
def vox_up(data: Path, *arguments: str) -> Generator[tuple[subprocess.Popen[str], dict[str, str], list[str]]]:
    """A `vox up` on free ports: the process, the parts' addresses by name, and its banner."""
    command = [VOX, "up", "--port", "0", "--data", str(data), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
        try:
            assert up.stdout is not None
            banner = list(takewhile(lambda line: "Ctrl-C" not in line, up.stdout))
            words = [line.split() for line in banner]
            yield up, {one[0]: one[1] for one in words if len(one) > 1 and one[1].startswith("http://")}, banner
        finally:
            up.terminate()


def test_the_phone_call_that_up_proposes_can_be_placed_as_it_stands(tmp_path: Path):
    with vox_up(tmp_path) as (up, _, banner):
        proposed = next(line for line in banner if " call " in line).partition(":")[2]
        placed = subprocess.run(shlex.split(proposed), capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert placed.returncode == 0, placed.stdout + placed.stderr
    assert "speech" in placed.stdout
    assert up.returncode == 0


def test_up_runs_all_parts_in_one_process_and_sigterm_ends_them(tmp_path: Path):
    with vox_up(tmp_path / "state") as (up, addresses, _):
        assert set(addresses) == {"agent", "chat", "directory", *(["relay"] if find_spec("vox_native") else [])}
        assert httpx2.get(f"{addresses['agent']}/health").status_code == 200
        account = {"username": "alice", "password": "correct horse battery"}
        assert httpx2.post(f"{addresses['chat']}/api/v1/auth/register", json=account).status_code == 201
        assert httpx2.get(f"{addresses['directory']}/_health").status_code == 200
        up.terminate()
        assert up.wait(20) == 0
    assert {"relays.db", "vox.db", "uploads"} <= {one.name for one in (tmp_path / "state").iterdir()}
    for address in addresses.values():
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(address)


def test_workers_that_are_stopped_while_they_start_have_ended_in_order(tmp_path: Path):
    environment = {**os.environ, "VOX_REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [VOX, "chat", "--workers", "2", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment) as chat:
        assert chat.stderr is not None
        assert any("starting workers" in line for line in chat.stderr)
        chat.terminate()
        chat.stderr.read()
    assert chat.returncode == 0


def test_a_report_goes_on_alone_to_standard_output(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"llm_provider": "flow"}))
    assert json.loads(vox("doctor", "--json", cwd=tmp_path).stdout)


def test_up_only_runs_what_is_asked_for(tmp_path: Path):
    with vox_up(tmp_path, "--only", "directory") as (up, addresses, banner):
        assert set(addresses) == {"directory"}
        assert not [line for line in banner if "talk" in line]
    assert up.returncode == 0


def test_up_says_in_one_line_whose_port_is_taken_and_what_to_do(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [VOX, "up", "--only", "directory", "--data", str(tmp_path)]
        environment = {**os.environ, "VOX_DIRECTORY_PORT": str(port)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S, env=environment)
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"vox up: the directory cannot start: 127.0.0.1:{port} is already in use (")
    assert "--port 0" in last
    assert "Traceback" not in done.stderr


def test_up_goes_on_where_nobody_reads_what_it_says(tmp_path: Path):
    command = [VOX, "up", "--port", "0", "--data", str(tmp_path), "--only", "directory"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        assert up.stderr is not None
        up.stdout.close()
        ready = next(line for line in up.stderr if "directory ready" in line)
        address = ready.partition("address=")[2].split()[0]
        assert httpx2.get(f"{address}/_health").status_code == 200
        up.terminate()
        assert up.wait(20) == 0
        assert "Traceback" not in up.stderr.read()
