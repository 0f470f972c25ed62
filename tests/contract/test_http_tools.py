"""Tools that are HTTP requests, against a real server on loopback: what is sent, what comes back, and what is refused."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest

from tests.fakes.tcp_server import listening
from tests.time_limits import time_limit
from vox.agent.tools.contract import CallContext, Toolbox, enter_call
from vox.agent.tools.http_tool import http_tool
from vox.agent.tools.settings import HttpTool
from vox.errors import UsageError
from vox.providers.llm.contract import ToolCall
from vox.security.outbound import OutboundGuard

SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": "string", "pattern": "^[0-9]{4}$"}, "full": {"type": "boolean"}},
    "required": ["number"],
}


@dataclass
class Service:
    """An HTTP service that keeps the requests and answers as told."""

    port: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[], bytes | None] = lambda: reply(b'{"state": "ready"}')


def reply(body: bytes, status: str = "200 OK", kind: str = "application/json", *more: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *more]
    return "\r\n".join([*head, "", ""]).encode() + body


@asynccontextmanager
async def service() -> AsyncGenerator[Service]:
    me = Service()

    connections: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        me.requests.append((first.removesuffix(" HTTP/1.1"), headers, body))
        if (answer := me.answer()) is not None:
            writer.write(answer)
        else:
            await reader.read()  # until the other side gives up

    async with listening(serve) as me.port, time_limit():
        yield me
        await asyncio.gather(*connections)


def tool(me: Service, path: str = "/orders", environment: dict[str, str] | None = None, **more: Any):
    url = more.pop("url", f"http://127.0.0.1:{me.port}{path}")
    setting = HttpTool.model_validate({"name": "find_order", "url": url, "parameters": SCHEMA, **more})
    guard = OutboundGuard(allowed_private=[ip_network("127.0.0.1/32")], allowed_ports=None)
    return http_tool(setting, guard, environment or {})


async def ask(made: Any, arguments: Any) -> Any:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return json.loads(await Toolbox({"find_order": made}).run(ToolCall("c1", "find_order", text)))


async def test_the_arguments_are_posted_as_json_with_the_calls_identity():
    async with service() as me:
        enter_call(CallContext("call_7"))
        assert await ask(tool(me), {"number": "4711", "full": True}) == {"state": "ready"}
        ((line, headers, body),) = me.requests
        assert line == "POST /orders"
        assert json.loads(body) == {"number": "4711", "full": True}
        assert headers["content-type"] == "application/json"
        assert (headers["x-vox-call-id"], headers["idempotency-key"]) == ("call_7", "call_7.c1")


async def test_places_in_the_address_are_filled_in_and_cannot_leave_it():
    async with service() as me:
        free = {"type": "object", "properties": {"id": {"type": "string"}, "page": {"type": "integer"}}}
        made = tool(me, "/orders/{id}/state", method="GET", parameters=free)
        assert await ask(made, {"id": "../../admin?x=1#y", "page": 2}) == {"state": "ready"}
        assert me.requests[0][0] == "GET /orders/..%2F..%2Fadmin%3Fx%3D1%23y/state?page=2"
        for value in ("..", ".", ""):
            assert "needed in the address" in (await ask(made, {"id": value}))["error"]
        assert len(me.requests) == 1


async def test_secrets_of_headers_come_from_the_environment():
    async with service() as me:
        headers = {"Authorization": "Bearer ${ORDERS_KEY}"}
        await ask(tool(me, environment={"ORDERS_KEY": "k1"}, headers=headers), {"number": "4711"})
        assert me.requests[0][1]["authorization"] == "Bearer k1"
        with pytest.raises(UsageError, match="ORDERS_KEY, which is not set"):
            tool(me, headers=headers)


@pytest.mark.parametrize("arguments", [{}, {"number": "47"}, {"number": 4711}, {"number": "4711", "full": "yes"}])
async def test_arguments_that_break_the_schema_are_told_to_the_model_and_not_sent(arguments: dict[str, Any]):
    async with service() as me:
        assert (await ask(tool(me), arguments))["error"].startswith("find_order: ")
        assert me.requests == []


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (reply(b"", "204 No Content"), {"ok": True}),
        (reply(b"on its way", kind="text/plain"), {"text": "on its way"}),
        (
            reply(b'{"a": ', kind="application/json"),
            {"error": "the service's answer is not the JSON that it says it is"},
        ),
        (
            reply(b"no such order", "404 Not Found", "text/plain"),
            {"error": "the service answered 404", "answer": "no such order"},
        ),
        (reply(b"", "500 Oops"), {"error": "the service answered 500"}),
    ],
)
async def test_every_answer_is_a_result(answer: bytes, result: Any):
    async with service() as me:
        me.answer = lambda: answer
        assert await ask(tool(me), {"number": "4711"}) == result


@pytest.mark.parametrize(
    "answer", [b"\x00\xff garbage \r\n\r\n", b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"]
)
async def test_garbage_is_an_error_and_not_a_failure(answer: bytes):
    async with service() as me:
        me.answer = lambda: answer
        assert (await ask(tool(me), {"number": "4711"}))["error"].startswith("find_order: ")


async def test_a_service_that_never_answers_is_given_up_in_its_own_time():
    async with service() as me:
        me.answer = lambda: None
        result = await ask(tool(me, timeout_secs=0.2), {"number": "4711"})
        assert "No complete answer within 0.2 s" in result["error"]


async def test_an_answer_without_end_is_cut_off():
    async with service() as me:
        me.answer = lambda: reply(b"x" * 1_200_000, kind="text/plain")
        assert "error" in await ask(tool(me), {"number": "4711"})


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/"]
)
async def test_a_redirect_into_the_private_network_is_refused(target: str):
    async with service() as me:
        me.answer = lambda: reply(b"", "307 Moved", "text/plain", f"location: {target}")
        assert "redirects to a URL that is refused" in (await ask(tool(me), {"number": "4711"}))["error"]


async def test_a_redirect_on_the_same_service_is_followed():
    async with service() as me:
        answers = [reply(b"", "307 Moved", "text/plain", "location: /v2/orders"), reply(b'{"state": "moved"}')]
        me.answer = lambda: answers.pop(0)
        assert await ask(tool(me), {"number": "4711"}) == {"state": "moved"}
        assert [line for line, _, _ in me.requests] == ["POST /orders", "POST /v2/orders"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url": "http://10.1.2.3/orders"}, "tool_private_networks"),
        ({"url": "ftp://example.com/"}, "find_order"),
        ({"url": "https://{number}.example.com/"}, "cannot choose the host"),
        ({"url": "https://example.com/{colour}"}, "colour, which is not in parameters.properties"),
        ({"parameters": {"type": "objekt"}}, "not a JSON Schema"),
    ],
)
async def test_what_cannot_work_is_refused_at_start(more: dict[str, Any], words: str):
    async with service() as me:
        with pytest.raises(UsageError, match=words) as refused:
            tool(me, **more)
    assert refused.value.code == "invalid_setting"


async def test_a_schema_fetches_nothing():
    async with service() as me:
        made = tool(
            me, parameters={"type": "object", "properties": {"number": {"$ref": f"http://127.0.0.1:{me.port}/x"}}}
        )
        assert "refers to something that is not in it" in (await ask(made, {"number": "1"}))["error"]
        assert me.requests == []
