"""A language model server on this machine is found by what it answers, and nothing else is taken for one."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import pytest

from tests.fakes.tcp_server import listening
from vox.cli import doctor, local_models
from vox.cli.local_models import find_local_models

MODELS = json.dumps({"object": "list", "data": [{"id": "llama3.2", "object": "model"}, {"id": "other"}]})


@asynccontextmanager
async def server(body, *, status="200 OK", length=True, answers=True):
    async def serve(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        assert request.startswith(b"GET /v1/models ")
        if answers:
            size = f"Content-Length: {len(body)}\r\n" if length else ""
            writer.write(f"HTTP/1.1 {status}\r\n{size}\r\n{body}".encode())
        else:
            await reader.read()

    async with listening(serve) as port:
        yield port


@pytest.mark.parametrize("length", [True, False])
async def test_a_server_is_found_with_the_lines_that_use_it(length):
    async with server(MODELS, length=length) as port:
        (found,) = await find_local_models({"Ollama": port})
    assert (found.name, found.models) == ("Ollama", ("llama3.2", "other"))
    assert len(found.configuration.splitlines()) == 2
    assert json.loads(f"{{{found.configuration}}}") == {
        "llm_provider": "openai",
        "model": "llama3.2",
        "llm_options": {"base_url": f"http://127.0.0.1:{port}/v1"},
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"error":{"code":"NOT_FOUND"}}', "404 Not Found"),
        (MODELS, "401 Unauthorized"),
        ("<html>", "200 OK"),
        ('{"object":"list","data":[]}', "200 OK"),
        ('{"object":"list","data":[5]}', "200 OK"),
        ('{"data":[{"id":"x"}]}', "200 OK"),
        ("[" * 10_000, "200 OK"),
    ],
)
async def test_something_else_is_passed_over(body, status):
    async with server(body, status=status) as port:
        assert await find_local_models({"vLLM": port}) == []


async def test_a_server_that_says_nothing_costs_the_deadline_only(monkeypatch):
    monkeypatch.setattr(local_models, "DEADLINE_S", 0.05)
    async with server("", answers=False) as port:
        assert await find_local_models({"vLLM": port}) == []


async def test_our_own_port_is_not_asked():
    async with server(MODELS) as port:
        assert await find_local_models({"llama.cpp": port}, without=[port]) == []


async def test_a_closed_port_is_no_server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert await find_local_models({"vLLM": free.getsockname()[1]}) == []


HEALTH = '{"status":"ok","data":{"status":"ok"},"meta":{"requestId":"r-1"}}'


@asynccontextmanager
async def answering(body):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())

    async with listening(serve) as port:
        yield port


@pytest.mark.parametrize(("body", "status"), [(HEALTH, "ok"), ('{"status":"ok"}', "fail"), ("hello", "fail")])
async def test_the_doctor_asks_what_listens_on_the_port_and_vox_itself_is_fine(body, status):
    async with answering(body) as port:
        found = await asyncio.to_thread(doctor.check_port, "127.0.0.1", port)
    assert found.status == status
