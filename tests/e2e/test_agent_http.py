"""The agent server from outside: its HTTP, its keys and origins, its agents, its logs, and how it fails to start."""

import asyncio
import contextlib
import datetime as dt
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.agents import FAKES, VOX, agent_server, until
from tests.e2e.ws_client import connected, upgrade_status
from tests.free_ports import free_port
from tests.time_limits import WAIT_S, time_limit
from vox.clients.audio_files import sample_question
from vox.clients.phone import CallOutcome, place_call
from vox.clients.script import HangUp, Say, Step, WaitForAgent
from vox.clients.webhooks import parse_answer
from vox.protocols.agent_json import encode_client_frame
from vox.runtime.clock import SystemClock

SECRET = "k3y-that-nobody-knows"
SPOKEN = "the quick brown fox jumps."
GREETING = "hello and welcome to you."


async def one_turn(url: str, *, callee: str = "+15550199") -> CallOutcome:
    listen = WaitForAgent(silence_s=0.4)
    script: list[Step] = [listen, Say(sample_question()), listen, HangUp()]
    return await place_call(url, script, SystemClock(), callee=callee)


async def greeted(url: str, *, callee: str = "+15550199") -> CallOutcome:
    script: list[Step] = [WaitForAgent(silence_s=0.1), HangUp()]
    return await place_call(url, script, SystemClock(), callee=callee)


def config(**more: Any) -> dict[str, Any]:
    return {**FAKES, "greeting": GREETING, "llm_options": {"responses": [SPOKEN]}, **more}


async def test_health_readiness_errors_and_metrics_as_documented(tmp_path: Path):
    async with agent_server(tmp_path, config()) as agent, httpx2.AsyncClient(base_url=agent.http) as http:
        for path in ("/health", "/api/v1/health", "/ready", "/api/v1/ready"):
            answer = await http.get(path, headers={"X-Request-ID": "req-7"})
            assert answer.status_code == 200
            body = answer.json()
            assert (body["status"], body["data"], body["meta"]) == ("ok", {"status": "ok"}, {"requestId": "req-7"})
            assert answer.content.endswith(b"\n")
            head = await http.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-type"] == "application/json"
        made_up = (await http.get("/health")).json()["meta"]["requestId"]
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made_up)

        for method, path in (("GET", "/nope"), ("POST", "/nope"), ("GET", "/page/../settings.py"), ("GET", "/page/x")):
            answer = await http.request(method, path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), path
            assert answer.json()["error"]["requestId"]
        for method, path in (
            ("POST", "/health"),
            ("DELETE", "/ready"),
            ("POST", "/metrics"),
            ("POST", "/ws"),
            ("PUT", "/"),
            ("POST", "/"),
            ("POST", "/telephony/ws"),
        ):
            answer = await http.request(method, path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (405, "BAD_REQUEST"), path
        for path in ("/ws", "/telephony/ws"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (426, "BAD_REQUEST")
        assert await upgrade_status(f"{agent.http.replace('http', 'ws')}/nope") == 404

        outcome = await one_turn(agent.phone)
        assert outcome.report.turns[-1].response_s is not None
        answer = await http.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = answer.text
        for name in (
            "voxray_up 1.0",
            'voxray_http_requests_total{method="GET",route="health",status="2xx"}',
            'voxray_http_requests_total{method="GET",route="fallback",status="4xx"}',
            'voxray_http_requests_total{method="GET",route="telephony_ws",status="1xx"} 1.0',
            'voxray_http_request_duration_seconds_bucket{le="0.005",route="ready"}',
            'voxray_http_active_connections{route="telephony_ws"} 0.0',
            "http_requests_total{",
            'status_code="Not Found"',
            "http_request_duration_seconds_bucket{",
            'http_active_connections{direction="ingress",model="",route="telephony_ws",session_id="",stage="http"}',
            'http_errors_total{error_type="4xx",method="GET",route="fallback"}',
            "stt_time_to_first_token_seconds_bucket{",
            "stt_transcription_latency_seconds_bucket{",
            "llm_time_to_first_token_seconds_bucket{",
            "llm_generation_latency_seconds_bucket{",
            "tts_time_to_first_audio_chunk_seconds_bucket{",
            "tts_synthesis_latency_seconds_bucket{",
            'vox_agent_calls_ended_total{reason="hung_up"} 1.0',
        ):
            assert name in text, name


async def test_metrics_may_be_turned_off_and_their_address_stays(tmp_path: Path):
    async with agent_server(tmp_path, config(metrics_enabled=False)) as agent:
        answer = httpx2.get(f"{agent.http}/metrics")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert (await greeted(agent.phone)).report.has_answered


async def test_while_draining_the_server_is_alive_and_not_ready(tmp_path: Path):
    async with agent_server(tmp_path, config(drain_timeout_secs=60)) as agent:
        async with connected(agent.ws):
            await agent.logged("call started")
            agent.terminate()
            await agent.logged("life cycle", times=2)
            async with httpx2.AsyncClient(base_url=agent.http) as http:
                ready = await http.get("/ready")
                assert (ready.status_code, ready.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
                assert int(ready.headers["retry-after"]) >= 1
                assert (await http.get("/health")).status_code == 200
                refused = await http.get("/ws")
                assert refused.status_code == 503
                assert int(refused.headers["retry-after"]) >= 1
            assert await upgrade_status(agent.ws) == 503
        await until(lambda: agent.process.returncode is not None)
        assert agent.process.returncode == 0


async def test_the_key_opens_ws_in_each_way_and_nothing_else_asks_for_it(tmp_path: Path):
    async with agent_server(tmp_path, config(server_api_key=SECRET), VOXRAY_LOG_LEVEL="info") as agent:
        for headers in ({"X-API-Key": SECRET}, {"Authorization": f"bearer  {SECRET} "}):
            assert await upgrade_status(agent.ws, **headers) == 101
        for query in (f"api_key={SECRET}", f"token={SECRET}", f"rtvi=1&token={SECRET}"):
            assert await upgrade_status(f"{agent.ws}?{query}") == 101
        for headers in ({}, {"X-API-Key": "guess"}, {"Authorization": f"Basic {SECRET}"}, {"Authorization": "Bearer"}):
            assert await upgrade_status(agent.ws, **headers) == 401
        # the first header counts, as in the original
        assert await upgrade_status(agent.ws, **{"X-API-Key": "guess", "Authorization": f"Bearer {SECRET}"}) == 401
        assert await upgrade_status(f"{agent.ws}?api_key=guess") == 401
        async with httpx2.AsyncClient(base_url=agent.http) as http:
            for path in ("/health", "/ready", "/metrics", "/"):
                assert (await http.get(path)).status_code == 200
            refused = await http.get("/ws")
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "UNAUTHORIZED")
            assert "X-API-Key" in refused.json()["error"]["message"]
        assert await upgrade_status(agent.phone) == 401  # no carrier is configured
        assert SECRET not in agent.log.read_text()


@pytest.mark.parametrize("allowed", [None, ["https://shop.example"], ["*"]])
async def test_which_pages_may_talk_to_the_agent(tmp_path: Path, allowed: list[str] | None):
    more = {} if allowed is None else {"cors_allowed_origins": allowed}
    async with agent_server(tmp_path, config(**more)) as agent:
        expected = {
            "": 101,
            "http://localhost:5173": 101,
            "http://127.0.0.1:9": 101,
            f"http://127.0.0.1:{agent.port}": 101,
            "https://shop.example": 101 if allowed else 403,
            "https://evil.example": 101 if allowed == ["*"] else 403,
            "https://shop.example.evil.example": 101 if allowed == ["*"] else 403,
            "null": 101 if allowed == ["*"] else 403,
            "http://[": 101 if allowed == ["*"] else 403,
        }
        for origin, status in expected.items():
            headers = {"Origin": origin} if origin else {}
            assert await upgrade_status(agent.ws, **headers) == status, origin
        assert "Traceback" not in agent.log.read_text()


async def test_several_agents_answer_by_name_and_by_number(tmp_path: Path):
    agents = {
        "sales": {"greeting": "sales here."},
        "support": {"greeting": "support here.", "numbers": ["+1 555 0142"]},
    }
    async with agent_server(tmp_path, config(agents=agents, default_agent="sales")) as agent:
        for query, greeting in (("", "sales"), ("?agent=sales", "sales"), ("?agent=support", "support")):
            async with connected(f"{agent.ws}{query}") as client:
                assert greeting in (await client.frame("AggregatedTextFrame"))["text"]
        assert await upgrade_status(f"{agent.ws}?agent=nobody") == 404
        assert await upgrade_status(f"{agent.phone}/nobody") == 404
        assert await upgrade_status(f"{agent.ws}?sample_rate=12345") == 400
        assert await upgrade_status(f"{agent.ws}?sample_rate=%C2%B2") == 400
        calls = (("+15550142", "support"), ("15550142", "support"), ("+15550199", "sales"))
        for callee, _ in calls:
            await greeted(agent.phone, callee=callee)
        phone_calls = [line for line in agent.lines("call started") if line["transport"] == "twilio"]
        assert [line["agent"] for line in phone_calls] == [name for _, name in calls]


async def test_the_carriers_webhook_leads_to_its_stream(tmp_path: Path):
    more = config(runner_transport="twilio", max_request_body_bytes=2000)
    async with agent_server(tmp_path, more) as agent, httpx2.AsyncClient(base_url=agent.http) as http:
        answer = await http.post("/", data={"CallSid": "CA1", "From": "+15550100", "To": "+15550199"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml")
        plan = parse_answer(answer.text)
        assert plan.url == f"ws://127.0.0.1:{agent.port}/telephony/ws"
        assert (await greeted(plan.url)).report.has_answered
        assert (await http.get("/")).json() == {"data": {"status": "Bot started with twilio"}}
        assert (await http.post("/telephony/default", data={"CallSid": "CA1"})).status_code == 200
        big = await http.post("/", content=b"x" * 2001)
        assert (big.status_code, big.json()["error"]["code"]) == (400, "BAD_REQUEST")
        chunked = await http.post("/", content=_chunks())
        assert chunked.status_code == 400


async def _chunks() -> AsyncGenerator[bytes, None]:
    for _ in range(30):
        yield b"x" * 100


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vox test")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "server.crt", folder / "server.key"
    cert_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


async def test_tls_by_the_three_documented_variables(tmp_path: Path):
    cert_file, key_file = certificate(tmp_path)
    variables = {
        "VOXRAY_TLS_ENABLE": "true",
        "VOXRAY_TLS_CERT_FILE": str(cert_file),
        "VOXRAY_TLS_KEY_FILE": str(key_file),
    }
    trusting = ssl.create_default_context(cafile=str(cert_file))
    more = config(runner_transport="twilio")
    async with agent_server(tmp_path, more, **variables) as agent:
        secure = f"https://localhost:{agent.port}"
        async with httpx2.AsyncClient(base_url=secure, verify=trusting) as http:
            assert (await http.get("/health")).json()["status"] == "ok"
            plan = parse_answer((await http.post("/", data={"CallSid": "CA1"})).text)
        assert plan.url == f"wss://localhost:{agent.port}/telephony/ws"
        async with connected(f"wss://localhost:{agent.port}/ws", tls=trusting) as client:
            await client.frame("StartFrame")
            client.send(encode_client_frame("TranscriptionFrame", {"text": "hi"}))
            assert (await client.frame("LLMTextFrame"))["text"]
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(f"http://127.0.0.1:{agent.port}/health", timeout=WAIT_S)


async def failed_start(folder: Path, *arguments: str, cwd: Path | None = None, **environment: str) -> str:
    """What the command says on its way out; it must end with 2 and one line that is no traceback."""
    process = await asyncio.create_subprocess_exec(
        *(VOX, "agent", *arguments),
        cwd=cwd or folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    async with time_limit():
        _, errors = await process.communicate()
    text = errors.decode()
    assert process.returncode == 2, text
    assert "Traceback" not in text
    last = text.strip().splitlines()[-1]
    assert re.fullmatch(r"vox agent: .* \[[a-z_]+\]", last), text
    return last


async def test_what_cannot_start_says_why_in_one_line_and_ends_with_two(tmp_path: Path):
    def written(value: object) -> str:
        file = tmp_path / "config.json"
        file.write_text(value if isinstance(value, str) else json.dumps(value))
        return str(file)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        local = {**FAKES, "host": "127.0.0.1", "port": port}
        cases: list[tuple[object, str]] = [
            ("{not json", "config.json is not a JSON object"),
            ({**local, "tls_enable": True, "tls_cert_file": "server.crt"}, "tls_cert_file and tls_key_file"),
            ({**local, "tls_enable": True, "tls_cert_file": "no.crt", "tls_key_file": "no.key"}, "[tls_unreadable]"),
            ({**local, "stt_provider": "fak"}, "did you mean fake?"),
            ({**local, "agents": {"a": {"tts_provider": "nobody"}}}, "there is no tts provider 'nobody'"),
            ({**local, "stt_options": {"sample_rat": 8000}}, "did you mean sample_rate?"),
            ({**local, "tools": ["no_such_module:tool"]}, "no_such_module:tool"),
            ({**local, "agents": {"a": {"turn_stop_secs": "x"}}}, "agents.a.turn_stop_secs"),
            ({**local, "llm_provider": "flow", "flow": "missing.yaml"}, "missing.yaml"),
            ({**local, "log_level": "loud"}, "log_level"),
            (local, f"127.0.0.1:{port} is already in use"),
        ]
        for value, words in cases:
            assert words in await failed_start(tmp_path, "--config", written(value)), words
        assert "nowhere.json" in await failed_start(tmp_path, "--config", "nowhere.json")
        assert "elsewhere.json" in await failed_start(tmp_path, VOXRAY_CONFIG="elsewhere.json")
        written({**local, "log_level": "loud"})  # config.json in the working directory is found without a word
        assert "log_level" in await failed_start(tmp_path)


async def test_json_logs_are_one_object_a_line_and_hold_neither_secrets_nor_words(tmp_path: Path):
    heard = "my card number is four two"
    keys = {"openai": "sk-not-to-be-seen", "twilio_auth_token": "t0ken-not-to-be-seen"}
    more = config(stt_options={"transcripts": [heard]}, api_keys=keys, server_api_key=SECRET)
    async with agent_server(tmp_path, more, VOXRAY_LOG_LEVEL="info") as agent:
        async with connected(f"{agent.ws}?token={SECRET}") as client:
            client.send(encode_client_frame("TranscriptionFrame", {"text": heard}))
            await client.frame("LLMTextFrame")
            client.send("{malformed " + heard)
            await client.frame("ErrorFrame")
        await agent.logged("call ended")
        await upgrade_status(f"{agent.ws}?token=guess-{SECRET}")
        with contextlib.suppress(httpx2.HTTPError):
            await asyncio.to_thread(httpx2.get, f"{agent.http}/nope?api_key={SECRET}")
        agent.terminate()
        await until(lambda: agent.process.returncode is not None)
        text = agent.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"ts", "level", "msg"} <= set(line) for line in lines)
    assert {"configuration", "agent ready", "call started", "call ended"} <= {line["msg"] for line in lines}
    calls = [line for line in lines if line["msg"] in {"call started", "call ended"}]
    assert len({line["call_id"] for line in calls}) == 1
    for hidden in (SECRET, *keys.values(), heard, "card number", SPOKEN, GREETING, "quick brown"):
        assert hidden not in text, hidden


async def test_plain_uvicorn_runs_the_same_application(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(config(json_logs=True, server_api_key=SECRET)))
    port = free_port()
    log = tmp_path / "uvicorn.log"
    command = (
        *(sys.executable, "-m", "uvicorn", "vox.agent.app:create_app", "--factory"),
        *("--host", "127.0.0.1", "--port", str(port)),
    )
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=output, stderr=output, env={**os.environ}
        )
    try:
        await until(lambda: "startup complete" in log.read_text() or process.returncode is not None)
        assert process.returncode is None, log.read_text()
        assert httpx2.get(f"http://127.0.0.1:{port}/ready").status_code == 200
        assert await upgrade_status(f"ws://127.0.0.1:{port}/ws") == 401
        outcome = await one_turn(f"ws://127.0.0.1:{port}/telephony/ws?api_key={SECRET}")
        assert outcome.report.turns[-1].response_s is not None
        assert outcome.close_code == 1000
        async with connected(f"ws://127.0.0.1:{port}/ws?token={SECRET}") as client:
            await client.frame("StartFrame")
            process.terminate()
            await client.ended()
        async with time_limit():
            assert await process.wait() in {0, -15}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = log.read_text()
    assert SECRET not in text
    assert "Traceback" not in text
    assert [json.loads(line) for line in text.splitlines() if line.startswith("{")]
