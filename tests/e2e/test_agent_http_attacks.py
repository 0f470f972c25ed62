"""Strangers at the agent's HTTP: oversized, endless and nested bodies, slow senders, smuggled requests, forged signatures.

All of them meet one server; it refuses each without a 5xx, goes on answering others, and has no call and no trace to show for it.
"""

import asyncio
import base64
import contextlib
import gzip
import hashlib
import hmac
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.e2e.agents import FAKES, RunningAgent, agent_server
from tests.e2e.ws_client import upgrade_status
from tests.time_limits import WAIT_S, time_limit
from vox.clients.webhooks import parse_answer

KEY, SECRET = "a-key-that-opens", "the-carrier-s-secret"
CONFIG: dict[str, Any] = {
    **FAKES,
    "server_api_key": KEY,
    "runner_transport": "twilio",
    "api_keys": {"twilio_auth_token": SECRET},
}
FORM = {"CallSid": "CA1", "From": "+15550100", "To": "+15550199"}
SLOW_SENDERS = 200


@contextlib.asynccontextmanager
async def attacked(folder: Path) -> AsyncGenerator[tuple[RunningAgent, httpx2.AsyncClient], None]:
    """A server that must be as well after the block as before it."""
    async with agent_server(folder, CONFIG) as agent, httpx2.AsyncClient(base_url=agent.http, timeout=WAIT_S) as http:
        yield agent, http
        assert (await http.get("/health")).status_code == 200
        async with time_limit():
            while "\nvox_agent_calls_active 0.0\n" not in (shown := (await http.get("/metrics")).text):  # noqa: ASYNC110  another process
                await asyncio.sleep(0.05)
        assert 'status="5xx"' not in shown
        assert "Traceback" not in agent.log.read_text()


async def raw(agent: RunningAgent, request: bytes) -> bytes:
    """The first answer to these bytes; nothing where the server hangs up instead."""
    async with time_limit():
        reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
        try:
            writer.write(request)
            await writer.drain()
            return await reader.readline()
        except ConnectionError:
            return b""
        finally:
            writer.close()


def signature(url: str, fields: dict[str, str], secret: str = SECRET) -> str:
    """Twilio's."""
    text = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


async def test_bodies_that_are_bombs_are_refused_and_read_no_further_than_the_limit(tmp_path: Path):
    head = (
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + KEY.encode() + b"\r\nContent-Type: application/json\r\n"
    )
    async with attacked(tmp_path) as (agent, http):
        for path in (b"/start", b"/"):
            announced = head % path + b"Content-Length: 99999999999\r\n\r\n"
            assert b" 400 " in await raw(agent, announced)  # before a byte of it is sent
            chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            endless = head % path + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 64
            assert (await raw(agent, endless)).partition(b" ")[2][:3] in {b"400", b""}
        bombs: dict[str, bytes] = {
            "nested lists": b"[" * 60_000,
            "nested objects": b'{"body":' * 7_000,
            "a long number": b'{"n":' + b"9" * 60_000 + b"}",
            "no text": b"\xff\xfe" * 100,
            "half a pair": rb'{"agent":"\ud800"}',
            "compressed": gzip.compress(b" " * 50_000_000),
        }
        for name, body in bombs.items():
            answer = await http.post("/start", content=body, headers={"X-API-Key": KEY, "content-encoding": "gzip"})
            assert 400 <= answer.status_code < 500, name
            assert answer.json()["error"]["code"], name


async def test_slow_senders_keep_no_one_from_an_answer(tmp_path: Path):
    async with attacked(tmp_path) as (agent, http), contextlib.AsyncExitStack() as stack:
        for number in range(SLOW_SENDERS):
            _, writer = await asyncio.open_connection("127.0.0.1", agent.port)
            stack.callback(writer.close)
            writer.write(
                b"GET /health HTT" if number % 2 else b"POST /start HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"
            )
        for _ in range(20):
            assert (await http.get("/ready")).status_code == 200
        assert await upgrade_status(agent.ws, **{"X-API-Key": KEY}) == 101


SMUGGLED = {
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nhello",
    "a length and chunks": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a name with a space": b"GET /health HTTP/1.1\r\nHost : a\r\n\r\n",
    "a bare line feed inside": b"GET /health HTTP/1.1\r\nHost: a\r\nX: b\nGET /metrics HTTP/1.1\r\n\r\n",
    "a long header": b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2_000_000 + b"\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "no protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


async def test_requests_that_two_servers_would_read_differently_are_no_success(tmp_path: Path):
    async with attacked(tmp_path) as (agent, http):
        for name, request in SMUGGLED.items():
            answer = await raw(agent, request)
            assert b" 2" not in answer[:12], (name, answer)
            assert b" 5" not in answer[:12], (name, answer)
        answer = await http.get("/health", headers={"X-Request-ID": "a\tb" * 40})
        assert answer.json()["meta"]["requestId"].count("-") == 4


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
async def test_forged_signatures_open_neither_the_webhook_nor_a_stream(host: str, tmp_path: Path):
    async with attacked(tmp_path) as (agent, http):
        address = f"{host}:{agent.port}"
        url, given = f"http://{address}/", {"host": address}
        right = signature(url, FORM)
        forged = {
            "none": {},
            "empty": {"X-Twilio-Signature": ""},
            "a guess": {"X-Twilio-Signature": base64.b64encode(b"0" * 20).decode()},
            "another secret's": {"X-Twilio-Signature": signature(url, FORM, "guess")},
            "another address'": {"X-Twilio-Signature": signature(f"http://{address}/telephony/a", FORM)},
            "other fields'": {"X-Twilio-Signature": signature(url, {**FORM, "To": "+15550000"})},
            "not ASCII": {"X-Twilio-Signature": "ü" * 28},
        }
        for name, headers in forged.items():
            sent = [(key.encode(), value.encode()) for key, value in {**given, **headers}.items()]
            answer = await http.post("/", data=FORM, headers=sent)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN"), name
        announced = await http.post("/", data=FORM, headers={**given, "X-Twilio-Signature": right})
        assert announced.status_code == 200
        path = parse_answer(announced.text).url.partition(address)[2]
        stream = f"ws://127.0.0.1:{agent.port}"
        folder, _, token = path.rpartition("/")
        expires, _, mark = token.partition(".")
        for name, forgery in {
            "none": "/telephony/ws",
            "another agent's": f"/telephony/ws/other/{token}",
            "a later one": f"{folder}/{int(expires) + 1}.{mark}",
            "an old one": f"{folder}/1.{mark}",
            "digits of another script": f"{folder}/{quote('١٢٣')}.{mark}",
            "a changed one": f"{folder}/{expires}.{mark[:-1]}{'0' if mark[-1] != '0' else '1'}",
        }.items():
            assert await upgrade_status(stream + forgery) in {403, 404}, name
        assert await upgrade_status(stream + path) == 101
