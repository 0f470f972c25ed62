"""Two real chat servers under different names: DNS, a test authority, nginx with TLS in front, and peers that misbehave."""

import asyncio
import base64
import contextlib
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.chats import API, RunningChat, bearer, chat_server, register
from tests.e2e.dns_server import Zone, dns_server
from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import WAIT_S, time_limit

BELIEVED_KEY = base64.b64encode(b"A" * 32).decode()
MOST_SENT = 200_000_000
"""A peer that answers without an end stops here, where it was not cut off before."""
LIBFAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@dataclass(slots=True)
class Town:
    """What the servers share."""

    folder: Path
    zone: Zone
    https_port: int
    ports: dict[str, int]
    ca: Path

    def environment(self, domain: str) -> dict[str, str]:
        """The settings of the server of a domain."""
        return {
            "VOX_FEDERATION_DOMAIN": domain,
            "VOX_FEDERATION_POLICY": "open",
            "VOX_FEDERATION_DNS": f"127.0.0.1:{self.zone.port}",
            "VOX_FEDERATION_CA_FILE": str(self.ca),
            "VOX_FEDERATION_ALLOWED_PRIVATE": "127.0.0.0/8",
            "VOX_FEDERATION_RETRY_S": "0.1",
            "VOX_FEDERATION_RETRY_MAX_S": "0.5",
            "VOX_RATE_LIMIT_SCALE": "1000",
        }

    @contextlib.asynccontextmanager
    async def chat(self, domain: str, **more: str) -> AsyncGenerator["Server", None]:
        """The server of a domain, started; its key is in the DNS."""
        folder = self.folder / domain
        folder.mkdir(exist_ok=True)
        environment = {**self.environment(domain), **more}
        async with (
            chat_server(folder, port=self.ports[domain], environment=environment) as running,
            httpx2.AsyncClient(base_url=running.http, timeout=WAIT_S) as http,
        ):
            yield Server(self, domain, running, http)


@dataclass(slots=True)
class Server:
    """One running server and its client."""

    town: Town
    domain: str
    running: RunningChat
    http: httpx2.AsyncClient
    people: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    async def settle(self) -> None:
        """Makes an administrator, and publishes the server's key."""
        admin = await self.join("admin")
        keys = (await self.call(admin, "GET", "/federation/admin/keys"))["items"]
        self.town.zone.put(f"_voxkey.{self.domain}", "TXT", *(f'"{key["record"]}"' for key in keys))

    async def join(self, name: str) -> dict[str, Any]:
        """An account."""
        self.people[name] = await register(self.http, name)
        return self.people[name]

    async def call(self, person: dict[str, Any], method: str, path: str, body: Any = None) -> Any:
        """The JSON of a request that must succeed."""
        more = {} if body is None else {"json": body}
        reply = await self.http.request(method, API + path, headers=bearer(person), **more)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None

    async def open_dm(self, person: dict[str, Any], address: str) -> int:
        """The conversation with a user of another server."""
        found = await self.call(person, "POST", "/federation/users", {"user_address": address})
        return (await self.call(person, "POST", "/dms", {"recipient_id": found["user_id"]}))["dm_id"]

    async def bodies(self, person: dict[str, Any]) -> list[str]:
        """The texts of a person's first conversation, oldest first."""
        dms = (await self.call(person, "GET", "/dms"))["items"]
        if not dms:
            return []
        found = await self.call(person, "GET", f"/dms/{dms[0]['dm_id']}/messages?limit=100")
        return [message["body"] for message in reversed(found["messages"])]

    async def until_bodies(self, person: dict[str, Any], expected: list[str]) -> None:
        """Returns once a person's first conversation is this, and fails where it cannot become so."""
        found: list[str] = []
        try:
            async with time_limit():
                while (found := await self.bodies(person)) != expected:
                    assert len(found) <= len(expected), found
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{found} instead of {expected}\n{self.running.log.read_text()[-3000:]}") from None

    async def until_code(self, person: dict[str, Any], code: str) -> None:
        """Returns once the person's oldest waiting message has failed for that reason, and waits still."""
        async with time_limit():
            while True:
                items = (await self.call(person, "GET", "/federation/deliveries"))["items"]
                if items and (items[0]["state"], items[0]["code"]) == ("pending", code):
                    return
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def town(folder: Path, *domains: str) -> AsyncGenerator[Town, None]:
    """DNS, certificates and nginx for these domains; each server listens as chat.DOMAIN, as its SVCB record says."""
    openssl, nginx = shutil.which("openssl"), shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    require(openssl is not None, "openssl", "apt-get install openssl")
    require(nginx is not None, "nginx", "apt-get install nginx")
    await asyncio.to_thread(_authority, folder)
    for domain in domains:
        await asyncio.to_thread(certificate, folder, f"chat.{domain}")
    ports = {domain: free_port() for domain in domains}
    async with AsyncExitStack() as stack:
        zone = await stack.enter_async_context(dns_server())
        https_port = await stack.enter_async_context(_nginx(folder, str(nginx), ports))
        for domain in domains:
            zone.put(f"_vox.{domain}", "SVCB", f"1 chat.{domain}. port={https_port}")
            zone.put(f"chat.{domain}", "A", "127.0.0.1")
        yield Town(folder, zone, https_port, ports, folder / "ca.crt")


@contextlib.asynccontextmanager
async def bad_peer(town: Town, domain: str, answer: bytes) -> AsyncGenerator[list[int], None]:
    """A server under a domain that answers every request with these bytes, again and again without an end; empty: never.

    It shows a key, so that it is believed to be one; gives the list of its connections' numbers of bytes sent.
    """
    await asyncio.to_thread(certificate, town.folder, f"chat.{domain}")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(town.folder / f"chat.{domain}.crt", town.folder / f"chat.{domain}.key")
    sent: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(0)
        at = len(sent) - 1
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            await reader.readuntil(b"\r\n\r\n")
            if not answer:
                await reader.read()  # until the other end gives up
            else:
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                piece = b"%x\r\n%s\r\n" % (len(answer), answer)
                while not writer.is_closing() and sent[at] < MOST_SENT:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(
                        0
                    )  # or the loop never learns that the other end is gone, and what TLS drops counts as sent
                    sent[at] += len(piece)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    town.zone.put(f"_vox.{domain}", "SVCB", f"1 chat.{domain}. port={server.sockets[0].getsockname()[1]}")
    town.zone.put(f"chat.{domain}", "A", "127.0.0.1")
    town.zone.put(f"_voxkey.{domain}", "TXT", f'"v=vox1; k=ed25519; p={BELIEVED_KEY}"')
    try:
        yield sent
    finally:
        server.close()


def clock_set_back(minutes: int) -> dict[str, str]:
    """The environment of a process whose wall clock is behind by so much."""
    require(LIBFAKETIME.exists(), "faketime", "apt-get install faketime")
    return {"LD_PRELOAD": str(LIBFAKETIME), "FAKETIME": f"-{minutes}m", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def certificate(folder: Path, name: str) -> None:
    """A certificate of the test authority, and its key."""
    (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}\n")
    _openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr",
    )  # fmt: skip
    _openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt",
    )  # fmt: skip


def _authority(folder: Path) -> None:
    _openssl(
        folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.crt",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=WAIT_S)


@contextlib.asynccontextmanager
async def _nginx(folder: Path, nginx: str, ports: dict[str, int]) -> AsyncGenerator[int, None]:
    port = free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    servers = "".join(
        f"""
            server {{
                listen 127.0.0.1:{port} ssl; server_name chat.{domain};
                ssl_certificate {folder}/chat.{domain}.crt; ssl_certificate_key {folder}/chat.{domain}.key;
                client_max_body_size 25m; proxy_buffering off;
                location / {{
                    proxy_pass http://127.0.0.1:{upstream};
                    proxy_http_version 1.1;
                    proxy_set_header Host $host;
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                }}
            }}"""
        for domain, upstream in ports.items()
    )
    (folder / "nginx.conf").write_text(f"""
        daemon off; user root; worker_processes 1; pid {folder}/nginx.pid; error_log stderr; events {{}}
        http {{ access_log off; {temporary} {servers} }}
    """)
    log = folder / "nginx.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), stdout=output, stderr=output,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    try:
        async with time_limit():
            while True:
                assert process.returncode is None, log.read_text()
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        async with time_limit():
            await process.wait()
