"""The `vox` command as a user runs it: a process of its own."""

import json
import shlex
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

VOX = Path(sys.executable).parent / "vox"


def vox(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([VOX, *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=cwd)


def test_the_version_is_the_distributions():
    assert vox("--version").stdout == f"vox {version('vox-server')}\n"


def test_a_misspelt_command_is_refused_with_the_list():
    result = vox("agnet")
    assert result.returncode == 2
    assert "doctor" in result.stderr


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


def test_the_phone_call_that_up_proposes_can_be_placed_as_it_stands():
    with subprocess.Popen(
        [VOX, "up", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as up:
        try:
            assert up.stdout is not None
            proposed = next(line for line in up.stdout if " call " in line).partition(":")[2]
            placed = subprocess.run(shlex.split(proposed), capture_output=True, text=True, check=False, timeout=90)
        finally:
            up.terminate()
    assert placed.returncode == 0, placed.stdout + placed.stderr
    assert "speech" in placed.stdout
    assert up.returncode == 0
