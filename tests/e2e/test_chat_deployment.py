"""The documents' deployment: nginx and Caddy as printed, the systemd unit, the image's steps, in front of real servers."""

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

from tests.e2e.chats import API, PASSWORD, bearer, chat_server, gateway, register
from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import WAIT_S, scaled, time_limit

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"


@contextlib.asynccontextmanager
async def program(folder: Path, *command: str) -> AsyncGenerator[None, None]:
    with (folder / "proxy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)}
        )
    try:
        yield
        assert process.returncode is None, (folder / "proxy.log").read_text()
    finally:
        if process.returncode is None:
            process.terminate()
        async with time_limit():
            await process.wait()


def certificate(folder: Path) -> tuple[Path, Path]:
    require(shutil.which("openssl") is not None, "openssl", "apt-get install openssl")
    live = folder / "live" / "chat.example.com"
    live.mkdir(parents=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=chat.example.com",
         "-addext", "subjectAltName=DNS:chat.example.com,IP:127.0.0.1", "-keyout", "privkey.pem", "-out", "fullchain.pem"],
        cwd=live, check=True, capture_output=True,
    )  # fmt: skip
    return live / "fullchain.pem", live / "privkey.pem"


async def talk_through(address: str, tls: ssl.SSLContext) -> None:
    """What a client does behind a proxy: registers, sends, hears its own message at the gateway, and uploads."""
    async with httpx2.AsyncClient(base_url=f"https://{address}", verify=tls, timeout=WAIT_S) as http:
        await answers(http)
        alice = await register(http, "alice")
        http.headers.update(bearer(alice))
        feed = (await http.post(f"{API}/feeds", json={"name": "general", "type": "text"})).json()["feed_id"]
        async with gateway(f"wss://{address}/gateway", alice["token"], tls=tls) as events:
            sent = (await http.post(f"{API}/feeds/{feed}/messages", json={"body": "through the proxy"})).json()
            heard = (await events.expect("message_create", msg_id=sent["msg_id"]))["d"]
        assert heard["body"] == "through the proxy"
        large = b"\x00\x01" * 5_000_000
        uploaded = await http.post(f"{API}/feeds/{feed}/files", files={"file": ("blob.bin", large)})
        assert uploaded.status_code == 201, uploaded.text
        assert (await http.get(f"{API}/files/{uploaded.json()['file_id']}")).content == large


async def answers(http: httpx2.AsyncClient) -> None:
    async with time_limit():
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if (await http.get("/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("uvicorn", [False, True], ids=["vox chat", "uvicorn"])
async def test_nginx_as_documented_carries_rest_gateway_and_uploads(tmp_path: Path, uvicorn: bool):
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    require(nginx is not None, "nginx", "apt-get install nginx")
    certificate(tmp_path)
    async with chat_server(tmp_path, uvicorn=uvicorn) as chat:
        plain, secure = free_port(), free_port()
        site = (DEPLOY / "nginx" / "vox.conf").read_text()
        for old, new in (
            ("127.0.0.1:8000", f"127.0.0.1:{chat.port}"), ("listen 80;", f"listen 127.0.0.1:{plain};"),
            ("listen 443 ssl", f"listen 127.0.0.1:{secure} ssl"), ("/etc/letsencrypt", str(tmp_path)),
        ):  # fmt: skip
            assert old in site
            site = site.replace(old, new)
        temporary = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; user root; pid {tmp_path}/nginx.pid; error_log stderr; events {{}} http {{ access_log off; {temporary} {site} }}"
        )
        tls = ssl.create_default_context(cafile=str(tmp_path / "live/chat.example.com/fullchain.pem"))
        async with program(tmp_path, str(nginx), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")):
            await talk_through(f"127.0.0.1:{secure}", tls)
            async with httpx2.AsyncClient() as http:
                moved = await http.get(f"http://127.0.0.1:{plain}/api/v1/server", headers={"host": "chat.example.com"})
            assert (moved.status_code, moved.headers["location"]) == (301, "https://chat.example.com/api/v1/server")


@pytest.mark.parametrize("name", ["Caddyfile", "Caddyfile.more"])
async def test_caddy_as_documented_carries_rest_gateway_and_uploads(tmp_path: Path, name: str):
    caddy = shutil.which("caddy")
    require(caddy is not None, "Caddy", "apt-get install caddy")
    certificate_file, key = certificate(tmp_path)
    async with chat_server(tmp_path) as chat:
        port = free_port()
        site = (DEPLOY / "caddy" / name).read_text()
        site = re.sub(
            r"^chat\.example\.com \{",
            f"https://127.0.0.1:{port} {{\n    tls {certificate_file} {key}",
            site,
            flags=re.MULTILINE,
        )
        site = site.replace("localhost:8000", f"127.0.0.1:{chat.port}")
        (tmp_path / "Caddyfile").write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{site}")
        tls = ssl.create_default_context(cafile=str(certificate_file))
        async with program(tmp_path, str(caddy), "run", "--adapter", "caddyfile", "--config", "Caddyfile"):
            await talk_through(f"127.0.0.1:{port}", tls)


async def test_everybody_behind_a_proxy_is_limited_by_their_own_address(tmp_path: Path):
    async with (
        chat_server(tmp_path, environment={"VOX_RATE_LIMIT_SCALE": "1"}) as chat,
        httpx2.AsyncClient(base_url=chat.http) as http,
    ):
        wrong = {"username": "nobody", "password": PASSWORD}

        async def login(address: str) -> int:
            return (await http.post(f"{API}/auth/login", json=wrong, headers={"x-forwarded-for": address})).status_code

        assert [await login("192.0.2.1") for _ in range(6)] == [401] * 5 + [429]
        assert await login("192.0.2.2") == 401
        assert [(await http.get("/health")).status_code for _ in range(30)] == [200] * 30


def test_the_systemd_unit_verifies(tmp_path: Path):
    analyze = shutil.which("systemd-analyze")
    require(analyze is not None, "systemd-analyze", "apt-get install systemd")
    unit = (DEPLOY / "systemd" / "vox.service").read_text()
    assert "/opt/vox/.venv/bin/uvicorn" in unit
    program_file = tmp_path / "uvicorn"
    program_file.write_text("#!/bin/sh\n")
    program_file.chmod(0o755)
    (tmp_path / "vox.service").write_text(unit.replace("/opt/vox/.venv/bin/uvicorn", str(program_file)))
    done = subprocess.run(
        [str(analyze), "verify", "--man=no", str(tmp_path / "vox.service")], capture_output=True, text=True, check=False
    )
    problems = [line for line in done.stderr.splitlines() if "vox.service" in line]
    assert (done.returncode, problems) == (0, [])


async def test_the_unit_s_command_serves(tmp_path: Path):
    unit = (DEPLOY / "systemd" / "vox.service").read_text().replace("\\\n", " ")
    command = (
        next(line for line in unit.splitlines() if line.startswith("ExecStart=")).removeprefix("ExecStart=").split()
    )
    assert command[1:] == [
        "vox.api.app:create_app",
        "--factory",
        "--host",
        "127.0.0.1",
        "--port",
        "8000",
        "--workers",
        "1",
    ]
    async with chat_server(tmp_path, uvicorn=True) as chat, httpx2.AsyncClient(base_url=chat.http) as http:
        assert (await http.get("/health")).json() == {"status": "ok"}


def test_compose_and_dockerfile_parse_and_name_what_is_there():
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "docker" / "docker-compose.yml").read_text())
    vox = compose["services"]["vox"]
    assert vox["environment"]["VOX_DATABASE_URL"] == "postgresql+asyncpg://vox:secret@db:5432/vox"
    assert vox["depends_on"]["db"]["condition"] == "service_healthy"
    assert ((DEPLOY / "docker" / vox["build"]["context"]).resolve() / vox["build"]["dockerfile"]).is_file()
    steps = [
        line.split(maxsplit=1)
        for line in (DEPLOY / "docker" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
        if line and not line.startswith("#")
    ]
    known = {
        "FROM",
        "RUN",
        "WORKDIR",
        "COPY",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "CMD",
        "ENV",
        "ENTRYPOINT",
    }
    assert {step[0] for step in steps} <= known
    assert steps[0][0] == "FROM"
    for _, rest in (step for step in steps if step[0] == "COPY" and "--from=" not in step[1]):
        assert all((ROOT / source).exists() for source in rest.split()[:-1])
    assert json.loads(next(rest for name, rest in steps if name == "CMD"))[:3] == [
        "uvicorn",
        "vox.api.app:create_app",
        "--factory",
    ]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """What the wheel carries, unpacked where nothing of the checkout is."""
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(wheels),
        str(ROOT),
    ]
    subprocess.run(build, check=True, cwd=tmp_path, timeout=scaled(120))
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(site)], check=True, timeout=WAIT_S)
    return site


async def test_the_installed_wheel_serves_without_the_checkout(tmp_path: Path, installed: Path):
    async with (
        chat_server(tmp_path, uvicorn=True, environment={"PYTHONPATH": str(installed)}) as chat,
        httpx2.AsyncClient(base_url=chat.http) as http,
    ):
        account = await register(http, "alice")
        assert (await http.get(f"{API}/users/@me", headers=bearer(account))).json()["username"] == "alice"
