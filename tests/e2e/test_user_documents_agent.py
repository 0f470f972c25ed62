"""Every block of the documents on running agents in production and at scale, as printed, and what their text says of it.

Blocks are files of tests/e2e/user_documents. What changes here is what a test must not do: ports and the folders of
certificates. docs/operations/documented-deployment.md lists the test of each block.
"""

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.e2e import user_documents as documents
from tests.e2e.agents import FAKES, VOX, agent_server, until
from tests.e2e.certificates import certificate
from tests.e2e.programs import accepts, nginx, program
from tests.e2e.redis_server import redis_server
from tests.e2e.ws_client import connected, upgrade_status
from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import WAIT_S, time_limit
from vox.agent.config.settings import AgentSettings, load
from vox.protocols.agent_json import encode_client_frame

ROOT = Path(__file__).parents[2]
TLS_FOLDER = "/etc/voxray/tls"
KEY = "a-long-random-key"
OPENAI = {"OPENAI_API_KEY": "sk-not-used-because-no-call-is-made"}
GOODBYES_S = 5.0
"""Behind the drain: closing the calls that are left, and the connections."""
TOOL = "def broken():\n    'Fails.'\n    raise RuntimeError('the tool\\nis broken')\n"


@contextlib.asynccontextmanager
async def served(
    folder: Path, config: Mapping[str, Any], *, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[tuple[int, Path], None]:
    """`vox agent` with exactly this file and these variables: its port and its log, whatever it writes there."""
    file, port = folder / "config.json", free_port()
    file.write_text(json.dumps(config))
    command = (str(VOX), "agent", "--config", str(file), "--port", str(port))
    async with program(folder, *command, environment={**OPENAI, **(environment or {})}) as log:
        await accepts(port)
        yield port, log


async def refused_start(folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """The one line that a start which must fail leaves behind."""
    (folder / "config.json").write_text(json.dumps({"host": "127.0.0.1", "port": free_port()}))
    process = await asyncio.create_subprocess_exec(
        *(VOX, "agent", "--config", str(folder / "config.json")),
        stderr=subprocess.PIPE,
        env={**os.environ, **OPENAI, **environment, "VOXRAY_JSON_LOGS": "true"},
    )
    async with time_limit():
        _, errors = await process.communicate()
    assert process.returncode == 2, errors.decode()
    lines = [json.loads(line) for line in errors.decode().splitlines()]
    (failure,) = [line for line in lines if line["level"] == "error"]
    return failure


def lines_of(log: Path) -> list[dict[str, Any]]:
    """Every line of a log, each parsed on its own."""
    return [json.loads(line) for line in log.read_text().splitlines()]


async def break_a_tool(port: int) -> None:
    """A call in which the client sends what is no message, and the model's tool fails."""
    async with connected(f"ws://127.0.0.1:{port}/ws") as client:
        await client.frame("StartFrame")
        client.send("{malformed")
        await client.frame("ErrorFrame")
        client.send(encode_client_frame("TranscriptionFrame", {"text": "please break it"}))
        await client.frame("LLMTextFrame")


def failing_tools(folder: Path) -> dict[str, Any]:
    """An agent whose tool raises."""
    (folder / "failing.py").write_text(TOOL)
    call = {"keyword": "break", "tool": "broken"}
    return {**FAKES, "tools": ["failing:broken"], "llm_options": {"calls": [call]}}


# Transport security


async def test_block_tls_json_serves_signalling_and_sockets_over_tls(tmp_path: Path):
    pair = certificate(tmp_path)
    block = documents.configuration("tls.json")
    assert (block["host"], block["port"]) == ("0.0.0.0", 8443)
    assert load(None, {}, block).settings.bind_port == 8443
    files = {"tls_cert_file": str(pair.cert), "tls_key_file": str(pair.key)}
    trust = ssl.create_default_context(cafile=str(pair.cert))
    async with served(tmp_path, {**block, **files}) as (port, log):
        async with httpx2.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trust) as http:
            assert (await http.get("/health")).json()["status"] == "ok"
            shown = (await http.get("/metrics")).text
        (expiry,) = [line for line in shown.splitlines() if line.startswith("vox_agent_tls_certificate_expires")]
        assert float(expiry.split()[1]) > 1e9
        async with connected(f"wss://127.0.0.1:{port}/ws", tls=trust) as client:
            await client.frame("StartFrame")
        with pytest.raises(httpx2.HTTPError):
            await asyncio.to_thread(httpx2.get, f"http://127.0.0.1:{port}/health")
        assert "Traceback" not in log.read_text()


async def test_block_tls_env_does_the_same_and_two_of_three_do_not_start(tmp_path: Path):
    pair = certificate(tmp_path, "server")
    block = {name: value.replace(TLS_FOLDER, str(tmp_path)) for name, value in documents.variables("tls.env").items()}
    assert block["VOXRAY_TLS_CERT_FILE"] == str(pair.cert)
    trust = ssl.create_default_context(cafile=str(pair.cert))
    async with (
        served(tmp_path, {"host": "127.0.0.1"}, environment=block) as (port, _),
        httpx2.AsyncClient(verify=trust) as http,
    ):
        assert (await http.get(f"https://127.0.0.1:{port}/ready")).status_code == 200
    failures = await asyncio.gather(
        *(
            refused_start(folder(tmp_path, missing), {name: value for name, value in block.items() if name != missing})
            for missing in block
        )
    )
    assert [failure["code"] for failure in failures] == ["invalid_setting"] * 3
    assert "tls_enable needs both tls_cert_file and tls_key_file" in failures[1]["error"]


def folder(parent: Path, name: str) -> Path:
    """A new folder for a server of its own."""
    made = parent / name.lower()
    made.mkdir()
    return made


async def test_certificates_that_clients_would_refuse_do_not_start(tmp_path: Path):
    old, one, other = (
        certificate(tmp_path, "old", ends_in_days=-0.5),
        certificate(tmp_path, "a"),
        certificate(tmp_path, "b"),
    )
    cases = {
        "tls_expired": (old.cert, old.key),
        "tls_mismatch": (one.cert, other.key),
        "tls_unreadable": (one.cert, tmp_path),
    }
    failures = await asyncio.gather(
        *(
            refused_start(
                folder(tmp_path, code),
                {"VOXRAY_TLS_ENABLE": "1", "VOXRAY_TLS_CERT_FILE": str(cert), "VOXRAY_TLS_KEY_FILE": str(key)},
            )
            for code, (cert, key) in cases.items()
        )
    )
    assert [failure["code"] for failure in failures] == [*cases]


# Logs


@pytest.mark.parametrize("form", ["json", "env"])
async def test_block_logging_makes_every_line_an_object(form: str, tmp_path: Path):
    block = documents.configuration("logging.json")
    settings = documents.variables("logging.env") if form == "env" else {}
    config = {**(block if form == "json" else {"host": "127.0.0.1"}), **failing_tools(tmp_path)}
    async with served(tmp_path, config, environment=settings) as (port, log):
        await break_a_tool(port)
        await until(lambda: "call ended" in log.read_text())
    lines = lines_of(log)
    assert all(line["ts"] and line["level"] in {"info", "warn", "error"} and line["msg"] for line in lines)
    assert {"configuration", "listening", "call started", "call ended"} <= {line["msg"] for line in lines}
    (trace,) = [line["exception"] for line in lines if line["msg"] == "tool failed"]
    assert trace.startswith("Traceback")
    assert "the tool\nis broken" in trace
    assert len({line["call_id"] for line in lines if line["msg"] in {"call started", "call ended", "tool failed"}}) == 1


AT_LEVEL = {
    "debug": {"frame", "turn", "call started", "malformed message dropped", "tool failed"},
    "info": {"configuration", "call started", "call ended", "malformed message dropped", "tool failed"},
    "warn": {"malformed message dropped", "tool failed"},
    "error": {"tool failed"},
}
"""What each level adds: frames and turns; the life of calls and of the server; what was handled; failures."""


@pytest.mark.parametrize("level", [*AT_LEVEL])
async def test_each_level_shows_what_the_document_says_and_no_less_important_line(level: str, tmp_path: Path):
    config = {"host": "127.0.0.1", "json_logs": True, "log_level": level, **failing_tools(tmp_path)}
    async with served(tmp_path, config) as (port, log):
        await break_a_tool(port)
        await until(lambda: "tool failed" in log.read_text())
        if level in {"debug", "info"}:
            await until(lambda: "call ended" in log.read_text())
    lines = lines_of(log)
    assert AT_LEVEL[level] <= {line["msg"] for line in lines}
    levels = [*AT_LEVEL]
    assert {line["level"] for line in lines} <= set(levels[levels.index(level) :])
    if level == "debug":
        frames = [line for line in lines if line["msg"] == "frame"]
        assert {line["direction"] for line in frames} == {"in", "out"}
        assert {"TranscriptionFrame", "StartFrame"} <= {line["kind"] for line in frames}
        assert any("Reply" in str(line["actions"]) or line["actions"] for line in lines if line["msg"] == "turn")


# Sessions, probes, the end


async def test_block_session_store_needs_nothing_else(tmp_path: Path):
    block = {**documents.configuration("session_store.json"), "host": "127.0.0.1"}
    async with served(tmp_path, block) as (port, _), httpx2.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{port}/ready")).status_code == 200


async def test_block_probes_needs_no_key_and_asks_for_what_is_there(tmp_path: Path):
    (block,) = documents.manifests("probes.yaml")
    async with (
        agent_server(tmp_path, {**FAKES, "server_api_key": KEY, "drain_timeout_secs": 60}) as agent,
        httpx2.AsyncClient(base_url=agent.http) as http,
        connected(f"{agent.ws}?api_key={KEY}") as client,
    ):
        await client.frame("StartFrame")
        answers = {name: await http.get(probe["httpGet"]["path"]) for name, probe in block.items()}
        assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(block, 200)
        assert answers["livenessProbe"].json()["status"] == "ok"
        agent.terminate()
        await until(lambda: len(agent.lines("life cycle")) == 2)
        again = {name: (await http.get(probe["httpGet"]["path"])).status_code for name, probe in block.items()}
        assert again == {"livenessProbe": 200, "readinessProbe": 503}


async def test_blocks_grace_period_and_pre_stop_end_no_call(tmp_path: Path):
    (spec,) = documents.manifests("grace_period.yaml")
    (hook,) = documents.manifests("pre_stop.yaml")
    program_, flag, sleep = hook["lifecycle"]["preStop"]["exec"]["command"]
    grace_s, before_s = spec["spec"]["terminationGracePeriodSeconds"], float(sleep.removeprefix("sleep "))
    assert before_s + AgentSettings().drain_timeout_secs + GOODBYES_S <= grace_s
    async with agent_server(tmp_path, FAKES) as agent, httpx2.AsyncClient(base_url=agent.http) as http:
        async with connected(agent.ws) as running:
            await running.frame("StartFrame")
            hooked = await asyncio.create_subprocess_exec(
                program_, flag, "sleep 0.1"
            )  # Kubernetes does, before SIGTERM
            assert await hooked.wait() == 0
            assert await upgrade_status(agent.ws) == 101
            assert (await http.get("/ready")).status_code == 200
            agent.terminate()
            await until(lambda: len(agent.lines("life cycle")) == 2)
            assert (await http.get("/ready")).status_code == 503
            assert await upgrade_status(agent.ws) == 503
            running.send(encode_client_frame("TranscriptionFrame", {"text": "are you still there"}))
            await running.frame("LLMTextFrame")
        await until(lambda: agent.process.returncode is not None)
        assert agent.process.returncode == 0


def test_block_compose_leaves_time_for_the_drain():
    (block,) = documents.manifests("compose.yaml")
    grace_s = float(block["services"]["voxray"]["stop_grace_period"].removesuffix("s"))
    assert AgentSettings().drain_timeout_secs + GOODBYES_S <= grace_s


def test_the_deployment_without_a_grace_period_leaves_time_for_the_drain():
    pod = documents.manifests("deployment.yaml")[0]["spec"]["template"]["spec"]
    assert AgentSettings().drain_timeout_secs + GOODBYES_S <= pod.get("terminationGracePeriodSeconds", 30)


# Metrics


@pytest.mark.parametrize("is_on", [True, False], ids=["on", "off"])
async def test_block_metrics_answers_curl_with_the_documented_names(is_on: bool, tmp_path: Path):
    require(shutil.which("curl") is not None, "curl", "apt-get install curl")
    comment, command = documents.text("metrics.sh").splitlines()
    assert comment.startswith("#")
    config = {**FAKES, "host": "127.0.0.1", "server_api_key": KEY, **({} if is_on else {"metrics_enabled": False})}
    async with (
        served(tmp_path, config) as (port, _),
        connected(f"ws://127.0.0.1:{port}/ws?token={KEY}") as client,
        httpx2.AsyncClient() as http,
    ):
        await client.frame("StartFrame")
        await http.get(f"http://127.0.0.1:{port}/health")
        arguments = shlex.split(command.replace("8080", str(port)))
        shown = (await asyncio.to_thread(subprocess.run, arguments, check=True, capture_output=True)).stdout.decode()
    if not is_on:
        assert shown == ""
        return
    for line in (
        "# TYPE voxray_up gauge",
        "voxray_up 1.0",
        "# TYPE voxray_http_requests_total counter",
        'voxray_http_requests_total{method="GET",route="health",status="2xx"} 1.0',
        "# TYPE voxray_http_request_duration_seconds histogram",
        'voxray_http_request_duration_seconds_bucket{le="+Inf",route="health"} 1.0',
        "# TYPE voxray_http_active_connections gauge",
        'voxray_http_active_connections{route="ws"} 1.0',
        'http_active_connections{direction="ingress",model="",route="ws",session_id="",stage="http"} 1.0',
    ):
        assert f"{line}\n" in shown, line
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total"):  # resources are adjusted by them
        assert f"\n{name} " in shown, name


async def test_the_memory_of_the_sizing_table_is_enough(tmp_path: Path):
    async with (
        served(tmp_path, {**FAKES, "host": "127.0.0.1"}) as (port, _),
        contextlib.AsyncExitStack() as calls,
        httpx2.AsyncClient() as http,
    ):
        for more, megabytes in ((10, 256), (40, 1024)):
            for _ in range(more):
                client = await calls.enter_async_context(connected(f"ws://127.0.0.1:{port}/ws"))
                await client.frame("StartFrame")
            shown = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
            (line,) = [each for each in shown.splitlines() if each.startswith("process_resident_memory_bytes ")]
            assert float(line.split()[1]) < megabytes * 1_000_000


# Who may come in, and with how much


async def test_the_key_protects_every_route_that_the_checklist_names(tmp_path: Path):
    named = {"/start", "/webrtc/offer", "/sessions/{id}/api/offer", "/ws"}
    config = {**FAKES, "server_api_key": KEY, "transport": "both", "cors_allowed_origins": ["https://www.example.com"]}
    async with agent_server(tmp_path, config) as agent, httpx2.AsyncClient(base_url=agent.http) as http:
        described = (await http.get("/openapi.json")).json()["paths"]
        routes = {path: methods for path, methods in described.items() if path.replace("session}", "id}") in named}
        assert {"/start", "/ws"} <= set(routes)
        for path, methods in routes.items():
            target = path.replace("{id}", "x").replace("{session}", "x")
            for method in methods:
                for headers in ({}, {"X-API-Key": "guess"}, {"Authorization": "Bearer guess"}):
                    answer = await http.request(method.upper(), target, headers=headers)
                    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED"), (method, path)
        assert await upgrade_status(agent.ws) == 401
        for path in ("/health", "/ready", "/metrics"):
            assert (await http.get(path)).status_code == 200
        for origin, status in (("https://www.example.com", 101), ("https://evil.example", 403)):
            assert await upgrade_status(agent.ws, **{"Origin": origin, "X-API-Key": KEY}) == status


@pytest.mark.parametrize(("given", "limit"), [({}, 262_144), ({"max_request_body_bytes": 1_048_576}, 1_048_576)])
async def test_a_body_may_have_the_documented_size_and_no_byte_more(given: dict[str, int], limit: int, tmp_path: Path):
    config = {**FAKES, **given, "runner_transport": "twilio", "verify_signatures": False}
    async with agent_server(tmp_path, config) as agent, httpx2.AsyncClient(base_url=agent.http) as http:
        form = {"content-type": "application/x-www-form-urlencoded"}
        for length, status in ((limit, 200), (limit + 1, 400)):
            body = b"CallSid=CA1&Note=".ljust(length, b"x")
            assert (await http.post("/", content=body, headers=form)).status_code == status, length


# Proxies and Kubernetes


async def test_block_nginx_carries_calls_to_two_instances(tmp_path: Path):
    first, second = folder(tmp_path, "one"), folder(tmp_path, "two")
    async with agent_server(first, FAKES) as one, agent_server(second, FAKES) as two:
        port = free_port()
        upstream = f"upstream voxray_upstream {{ server 127.0.0.1:{one.port}; server 127.0.0.1:{two.port}; }}"
        server = f"server {{ listen 127.0.0.1:{port};\n{documents.text('nginx.conf')}\n}}"
        async with nginx(tmp_path, f"{upstream}\n{server}", port), contextlib.AsyncExitStack() as calls:
            for _ in range(4):
                client = await calls.enter_async_context(connected(f"ws://127.0.0.1:{port}/ws"))
                await client.frame("StartFrame")
                client.send(encode_client_frame("TranscriptionFrame", {"text": "hello"}))
                await client.frame("LLMTextFrame")
            started = [len(agent.lines("call started")) for agent in (one, two)]
    assert started == [2, 2]


async def test_block_deployment_starts_the_image_with_its_variables(tmp_path: Path):
    deployment, service = documents.manifests("deployment.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    with redis_server() as redis:
        secrets = {"redis-url": redis.url, "openai-api-key": OPENAI["OPENAI_API_KEY"]}
        given = {
            each["name"]: each.get("value") or secrets[each["valueFrom"]["secretKeyRef"]["key"]]
            for each in container["env"]
        }
        image = json.loads((ROOT / "deploy" / "docker" / "agent.json").read_text())
        async with served(tmp_path, image, environment=given) as (port, log), httpx2.AsyncClient() as http:
            for probe in ("livenessProbe", "readinessProbe"):
                path = container[probe]["httpGet"]["path"]
                assert (await http.get(f"http://127.0.0.1:{port}{path}", timeout=WAIT_S)).status_code == 200
        lines = lines_of(log)
    (listening,) = [line for line in lines if line["msg"] == "listening"]
    assert listening["host"] == "0.0.0.0", "a probe comes from outside the pod"
    ports = [each["containerPort"] for each in container["ports"]]
    assert [image["port"]] == ports == [service["spec"]["ports"][0]["targetPort"]]


def test_the_manifests_of_the_documents_are_those_of_deploy():
    printed = documents.manifests("deployment.yaml")
    ours = [*yaml.safe_load_all((ROOT / "deploy/kubernetes/minimal.yaml").read_text())]
    for manifest in (printed[0], ours[0]):
        del manifest["spec"]["template"]["spec"]["containers"][0]["image"]
    assert ours == printed
    scaler = yaml.safe_load((ROOT / "deploy/kubernetes/autoscaler.yaml").read_text())
    assert [scaler] == documents.manifests("autoscaler.yaml")


def test_the_table_of_tests_names_tests_that_exist():
    table = (ROOT / "docs/operations/tested-deployment.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", table)
    assert len(named) > 30
    for file, test in named:
        if test:
            assert f"def {test}(" in (ROOT / file).read_text(), f"{file}::{test}"
        else:
            assert (ROOT / file).is_file(), file
    ours = {test for file, test in named if file == "tests/e2e/test_user_documents_agent.py"}
    blocks = set(re.findall(r"^(?:async )?def (test_blocks?_\w+)", Path(__file__).read_text(), re.MULTILINE))
    assert blocks <= ours


def test_each_block_has_a_test():
    source = "".join((Path(__file__).parent / name).read_text() for name in (Path(__file__).name, "test_kubernetes.py"))
    used = set(re.findall(r"documents\.\w+\([\"']([\w.]+)[\"']\)", source))
    used |= set(
        re.findall(r"\"(fleet_\w+\.\w+)\"", (Path(__file__).parent / "test_user_documents_fleet.py").read_text())
    )
    blocks = {path.name for path in documents.FOLDER.iterdir() if path.is_file() and path.suffix != ".py"}
    assert blocks - used == {"transcripts.json"}  # which databases are tested with, in tests/contract
    assert used <= blocks
