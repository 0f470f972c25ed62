"""deploy/ for agents: nginx and Caddy in front of two real servers, the unit, the image's steps, the compose file."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.e2e.agents import FAKES, RunningAgent, agent_server, until
from tests.e2e.certificates import Pair, certificate
from tests.e2e.programs import accepts, agent_site, caddy, nginx, program
from tests.e2e.ws_client import WsClient, connected
from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import time_limit
from vox.agent.config.settings import AgentSettings, load
from vox.clients.webhooks import parse_answer
from vox.http.websocket import UpgradeRefusedError
from vox.protocols.agent_json import encode_client_frame
from vox.runtime.settings import describe

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKER = DEPLOY / "docker"
CONFIG: dict[str, Any] = {
    **FAKES,
    "runner_transport": "twilio",
    "verify_signatures": False,
    "drain_timeout_secs": 60,
    "max_request_body_bytes": 1_048_576,
}
BEHIND_THE_DRAIN_S = 40
"""Goodbyes, and storing what was recorded and said."""
CLOSED = ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/metrics?x=1", "/./metrics", "/x/../metrics")
"""Ways to ask for the metrics from outside."""


@contextlib.asynccontextmanager
async def two_agents(parent: Path) -> AsyncGenerator[tuple[RunningAgent, RunningAgent], None]:
    """Two instances that know nothing of each other."""
    folders = parent / "one", parent / "two"
    for folder in folders:
        folder.mkdir()
    async with agent_server(folders[0], CONFIG) as one, agent_server(folders[1], CONFIG) as two:
        yield one, two


async def use_as_an_operator_would(
    address: str, pair: Pair, agents: tuple[RunningAgent, RunningAgent], *, looks_every_s: float = 0.0
) -> None:
    """Browsers, carriers and strangers at one public address; then one instance drains, and no one notices.

    Args:
        address: of the proxy.
        pair: its certificate.
        agents: behind it.
        looks_every_s: how often the proxy asks whether they are ready; 0 where it asks the other one after a refusal.
    """
    one, two = agents
    trust = ssl.create_default_context(cafile=str(pair.cert))
    async with (
        httpx2.AsyncClient(base_url=f"https://{address}", verify=trust) as http,
        contextlib.AsyncExitStack() as calls,
    ):
        assert (await http.get("/talk")).status_code == 200
        for path in CLOSED:
            process = ["curl", "-s", "--path-as-is", "--cacert", str(pair.cert), f"https://{address}{path}"]
            shown = subprocess.run(process, check=True, capture_output=True, text=True).stdout  # noqa: ASYNC221  short
            assert "voxray_up" not in shown, path
        announced = await http.post("/", content=b"CallSid=CA1&Note=".ljust(1_048_576, b"x"), headers=FORM)
        assert announced.status_code == 200, announced.text
        assert parse_answer(announced.text).url == f"wss://{address}/telephony/ws"  # as the carrier sees this server
        assert (await http.post("/", content=b"x" * 1_100_000, headers=FORM)).status_code in {400, 413}
        clients = [await calls.enter_async_context(connected(f"wss://{address}/ws", tls=trust)) for _ in range(4)]
        for client in clients:
            await client.frame("StartFrame")
        assert [len(agent.lines("call started")) for agent in agents] == [2, 2]
        one.terminate()
        await until(lambda: len(one.lines("life cycle")) == 2)
        for _ in range(4):  # a draining instance takes no call, and the other takes each
            client = await calls.enter_async_context(accepted(f"wss://{address}/ws", trust, looks_every_s))
            await client.frame("StartFrame")
        assert (await http.get("/page/suggestions")).status_code == 200
        for client in clients:
            assert client.closing is None
            client.send(encode_client_frame("TranscriptionFrame", {"text": "still there"}))
            await client.frame("LLMTextFrame")
    assert len(two.lines("call started")) >= 6
    await until(lambda: one.process.returncode is not None)
    assert one.process.returncode == 0


@contextlib.asynccontextmanager
async def accepted(url: str, trust: ssl.SSLContext, looks_every_s: float) -> AsyncGenerator[WsClient, None]:
    """A call; one that is told to come again does, where the proxy has not looked yet."""
    async with time_limit(), contextlib.AsyncExitStack() as stack:
        while True:
            try:
                client = await stack.enter_async_context(connected(url, tls=trust))
                break
            except UpgradeRefusedError as refused:
                if not looks_every_s or refused.status != 503 or "retry-after" not in refused.headers:
                    raise
                await asyncio.sleep(looks_every_s / 10)
        yield client


FORM = {"content-type": "application/x-www-form-urlencoded"}


async def test_nginx_spreads_calls_closes_the_metrics_and_goes_round_a_draining_instance(tmp_path: Path):
    require(shutil.which("curl") is not None, "curl", "apt-get install curl")
    pair = certificate(tmp_path)
    async with two_agents(tmp_path) as agents:
        plain, secure = free_port(), free_port()
        ports = [agent.port for agent in agents]
        site = agent_site((DEPLOY / "nginx/vox-agent.conf").read_text(), pair, ports=ports, plain=plain, secure=secure)
        async with nginx(tmp_path, site, secure):
            async with httpx2.AsyncClient() as http:
                moved = await http.get(f"http://127.0.0.1:{plain}/talk", headers={"host": "agent.example.com"})
            assert (moved.status_code, moved.headers["location"]) == (301, "https://agent.example.com/talk")
            await use_as_an_operator_would(f"127.0.0.1:{secure}", pair, agents)


async def test_caddy_spreads_calls_closes_the_metrics_and_goes_round_a_draining_instance(tmp_path: Path):
    require(shutil.which("curl") is not None, "curl", "apt-get install curl")
    pair = certificate(tmp_path)
    async with two_agents(tmp_path) as agents:
        port = free_port()
        site = (DEPLOY / "caddy" / "Caddyfile.agent").read_text()
        domain = "{$VOX_DOMAIN:agent.example.com} {"
        assert domain in site
        site = site.replace(domain, f"{{$VOX_DOMAIN}} {{\n    tls {pair.cert} {pair.key}")
        given = {
            "VOX_DOMAIN": f"https://127.0.0.1:{port}",
            "VOX_AGENTS": " ".join(f"127.0.0.1:{agent.port}" for agent in agents),
        }
        async with caddy(tmp_path, site, port, **given):
            await use_as_an_operator_would(f"127.0.0.1:{port}", pair, agents, looks_every_s=2.0)


def test_the_systemd_unit_verifies_and_leaves_time_for_the_drain(tmp_path: Path):
    analyze = shutil.which("systemd-analyze")
    require(analyze is not None, "systemd-analyze", "apt-get install systemd")
    unit = (DEPLOY / "systemd" / "vox-agent.service").read_text()
    command = re.findall(r"^ExecStart=(\S+) (.*)$", unit, re.MULTILINE)
    assert command == [("/opt/vox/.venv/bin/vox", "agent --config /etc/vox/config.json")]
    executable = tmp_path / "vox"
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    (tmp_path / "vox-agent.service").write_text(unit.replace(command[0][0], str(executable)))
    done = subprocess.run(
        [str(analyze), "verify", "--man=no", str(tmp_path / "vox-agent.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "vox-agent" in line]) == (0, [])
    (stop_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(stop_s) >= AgentSettings().drain_timeout_secs + BEHIND_THE_DRAIN_S


async def test_limits_are_counted_by_the_address_that_a_trusted_proxy_names(tmp_path: Path):
    config = {**FAKES, "transport": "both", "max_starts_per_minute": 1, "trusted_proxies": ["127.0.0.2/32"]}

    async def start(http: httpx2.AsyncClient, caller: str) -> int:
        answer = await http.post(
            f"{agent.http}/start", json={"transport": "webrtc"}, headers={"X-Forwarded-For": caller}
        )
        return answer.status_code

    async with agent_server(tmp_path, config) as agent, contextlib.AsyncExitStack() as stack:
        proxy, stranger = [
            await stack.enter_async_context(
                httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(local_address=address))
            )
            for address in ("127.0.0.2", "127.0.0.3")
        ]
        assert [await start(proxy, "9.9.9.9") for _ in range(2)] == [201, 429]
        assert await start(proxy, "9.9.9.10") == 201, "another caller"
        assert [await start(stranger, "9.9.9.9") for _ in range(2)] == [201, 201], "whose word counts for nothing"


# The image


def steps(stage: str) -> list[tuple[str, str]]:
    """The instructions of a stage of the Dockerfile, with those of the stage it builds on."""
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    stages: dict[str, list[tuple[str, str]]] = {}
    current = ""
    for name, rest in lines:
        if name == "FROM":
            base, _, current = rest.partition(" AS ")
            stages[current] = list(stages.get(base, []))
        stages[current].append((name, rest))
    return stages[stage]


@pytest.mark.parametrize("stage", ["agent", "chat", "relay"])
def test_the_image_is_not_root_and_holds_no_secret(stage: str):
    found = steps(stage)
    assert [rest for name, rest in found if name == "USER"] == ["10001:10001"]
    assert "--uid 10001" in next(rest for name, rest in found if name == "RUN" and "useradd" in rest)
    assert [rest for name, rest in found if name == "STOPSIGNAL"] == ["SIGTERM"]
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {".git", ".venv", "**/.env", "*.db"} <= set(ignored)
    for _, rest in (step for step in found if step[0] == "COPY" and "--from=" not in step[1]):
        assert all((ROOT / source).exists() for source in rest.split()[:-1])


@pytest.mark.parametrize("has_tls", [False, True], ids=["http", "TLS"])
async def test_the_agents_image_starts_by_its_own_steps_and_its_check_sees_it(tmp_path: Path, has_tls: bool):
    found = steps("agent")
    (entry,) = [json.loads(rest) for name, rest in found if name == "ENTRYPOINT"]
    (check,) = [json.loads(rest.partition(" CMD ")[2]) for name, rest in found if name == "HEALTHCHECK"]
    environment = dict(rest.split("=", 1) for name, rest in found if name == "ENV")
    (config,) = [rest.split() for name, rest in found if name == "COPY" and rest.endswith("/app/config.json")]
    assert environment["VOXRAY_CONFIG"] == config[1]
    shutil.copy(ROOT / config[0], tmp_path / "config.json")
    port = free_port()
    environment |= {
        "VOXRAY_CONFIG": str(tmp_path / "config.json"),
        "VOXRAY_PORT": str(port),
        "OPENAI_API_KEY": "sk-none",
    }
    if has_tls:
        pair = certificate(tmp_path)
        files = {"VOXRAY_TLS_CERT_FILE": str(pair.cert), "VOXRAY_TLS_KEY_FILE": str(pair.key)}
        environment |= {"VOXRAY_TLS_ENABLE": "true", **files}
    programs = {"vox": str(Path(sys.executable).parent / "vox"), "python": sys.executable}
    command = [programs[entry[0]], *entry[1:]]
    probe = [programs[check[0]], *check[1:]]

    async def healthy() -> bool:
        asked = await asyncio.create_subprocess_exec(
            *probe, env={**os.environ, **environment}, stdout=asyncio.subprocess.DEVNULL
        )
        return await asked.wait() == 0

    assert not await healthy()
    async with program(tmp_path, *command, environment=environment) as log:
        await accepts(port)
        await until(lambda: "agent ready" in log.read_text())
        assert await healthy()


# Compose


def compose() -> dict[str, Any]:
    """The agents' compose file."""
    found: dict[str, Any] = yaml.safe_load((DOCKER / "agent-compose.yml").read_text())
    return found


def test_compose_names_files_targets_and_settings_that_exist():
    services = compose()["services"]
    agent = services["agent"]
    build = agent["build"]
    assert (DOCKER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert steps(build["target"])
    variables = {name for setting in describe(AgentSettings, "") for name in setting.env}
    assert set(agent["environment"]) - {"OPENAI_API_KEY"} <= variables
    volumes = set(compose()["volumes"])
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in volumes or (DOCKER / source).resolve().is_file(), f"{name}: {volume}"
        assert set(service.get("depends_on", ())) <= set(services)
    assert "ports" not in agent, "only the proxy has ports: /metrics is open to anyone who reaches the server itself"


def test_compose_starts_the_agent_with_settings_that_load_and_a_grace_period_for_the_drain():
    agent = compose()["services"]["agent"]
    given = {name: filled(value) for name, value in agent["environment"].items()}
    image = DOCKER / "agent.json"
    settings = load(image, given).settings
    assert (settings.bind_host, settings.bind_port) == ("0.0.0.0", 8080)
    assert settings.server_api_key.get_secret_value()
    assert settings.max_request_body_bytes == 1_048_576
    assert (settings.session_store, settings.json_logs, settings.log_level) == ("redis", True, "info")
    assert settings.cors_allowed_origins == ["https://localhost"]
    assert float(agent["stop_grace_period"].removesuffix("s")) >= settings.drain_timeout_secs + BEHIND_THE_DRAIN_S


def filled(value: str) -> str:
    """A value with its variables filled in: `${NAME:-default}`, and `${NAME:?remedy}` with something."""
    return re.sub(r"\$\{\w+:([-?])([^}]*)\}", lambda found: found[2] if found[1] == "-" else "given", value)


def test_compose_has_grafana_find_prometheus_and_prometheus_find_the_agent():
    services = compose()["services"]
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources.yml").read_text())["datasources"]
    (folder,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards.yml").read_text())["providers"]
    mounted = {volume.split(":")[1] for volume in services["grafana"]["volumes"]}
    assert f"{folder['options']['path']}/agent.json" in mounted
    assert source["url"] == "http://prometheus:9090"
    (job,) = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in services
    assert int(port) == load(DOCKER / "agent.json", {}).settings.bind_port
    for name, service in services.items():
        image = service.get("image", "")
        assert not image.endswith(":latest"), name
