"""The files of `deploy/` for a relay on a machine of its own, each run as it stands but for names and ports."""

import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.e2e.certificates import certificate
from tests.e2e.programs import caddy, nginx
from tests.e2e.relays import member, relay_process
from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import WAIT_S

BIN = Path(sys.executable).parent
DEPLOY = Path(__file__).parents[2] / "deploy"


def replaced(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


async def test_nginx_passes_signalling_on_and_keeps_the_metrics_inside(tmp_path: Path):
    pair, plain, secure = certificate(tmp_path), free_port(), free_port()
    trusting = ssl.create_default_context(cafile=str(pair.cert))
    async with relay_process(tmp_path) as relay:
        site = replaced(
            (DEPLOY / "nginx" / "vox-relay.conf").read_text(),
            ("127.0.0.1:7880", f"127.0.0.1:{relay.port}"),
            ("listen 80;", f"listen 127.0.0.1:{plain};"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl;"),
            ("/etc/letsencrypt/live/relay.example.com/fullchain.pem", str(pair.cert)),
            ("/etc/letsencrypt/live/relay.example.com/privkey.pem", str(pair.key)),
        )
        address = f"wss://127.0.0.1:{secure}"
        async with nginx(tmp_path, site, secure), member(address, "lobby", "ada", tls=trusting) as ada:
            assert ada.joined.participant.identity == "ada"
            async with httpx2.AsyncClient(verify=trusting, timeout=WAIT_S) as http:
                assert (await http.get(f"https://127.0.0.1:{secure}/_health")).text == "OK"
                assert (await http.get(f"https://127.0.0.1:{secure}/metrics")).status_code == 404


async def test_caddy_passes_signalling_on_and_keeps_the_metrics_inside(tmp_path: Path):
    port = free_port()
    async with relay_process(tmp_path) as relay:
        site = replaced(
            (DEPLOY / "caddy" / "Caddyfile.relay").read_text(),
            ("relay.example.com", f"http://127.0.0.1:{port}"),
            ("localhost:7880", f"127.0.0.1:{relay.port}"),
        )
        async with caddy(tmp_path, site, port), member(f"ws://127.0.0.1:{port}", "lobby", "ada") as ada:
            assert ada.joined.participant.identity == "ada"
            async with httpx2.AsyncClient(timeout=WAIT_S) as http:
                assert (await http.get(f"http://127.0.0.1:{port}/_health")).text == "OK"
                assert (await http.get(f"http://127.0.0.1:{port}/metrics")).status_code == 404


def test_the_unit_is_valid_and_leaves_time_for_the_drain(tmp_path: Path):
    analyze = shutil.which("systemd-analyze")
    require(analyze is not None, "systemd-analyze", "apt-get install systemd")
    text = (DEPLOY / "systemd" / "vox-relay.service").read_text()
    unit = tmp_path / "vox-relay.service"
    unit.write_text(replaced(text, ("/opt/vox/.venv/bin", str(BIN)), ("User=vox", f"User={os.geteuid()}")))
    verified = subprocess.run(
        [str(analyze), "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "TimeoutStopSec=45" in text, "the drain takes up to 30 s"


def test_compose_names_what_is_there_and_leaves_time_for_the_drain():
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "docker" / "relay-compose.yml").read_text())
    relay = compose["services"]["relay"]
    folder = (DEPLOY / "docker" / relay["build"]["context"]).resolve()
    dockerfile = (folder / relay["build"]["dockerfile"]).read_text()
    assert f" AS {relay['build']['target']}\n" in dockerfile
    assert relay["network_mode"] == "host"
    assert relay["stop_grace_period"] == "45s"
    [site, *_] = [one.split(":")[0] for one in compose["services"]["caddy"]["volumes"]]
    assert (DEPLOY / "docker" / site).resolve().is_file()
