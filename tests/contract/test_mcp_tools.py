"""Tools of MCP servers: two real ones on the official SDK, one over stdin and stdout, one over streamable HTTP."""

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.processes import is_running
from tests.require import require
from tests.time_limits import WAIT_S, time_limit
from vox.agent.tools.contract import Toolbox
from vox.agent.tools.settings import McpServer
from vox.errors import DependencyError, UsageError
from vox.providers.llm.contract import ToolCall

ROOT = Path(__file__).parents[2]
SERVER = str(ROOT / "tests/fakes/mcp_server.py")


@pytest.fixture(autouse=True)
def _needs_the_sdk() -> None:
    require(importlib.util.find_spec("mcp") is not None, "mcp", "pip install '.[mcp]'")


def connect(setting: McpServer, environment: dict[str, str], folder: Path, **more: Any) -> Any:
    from vox.agent.tools.mcp_tools import McpConnection

    return McpConnection(setting, environment, folder, **more)


def stdio(**more: Any) -> McpServer:
    return McpServer(
        command=sys.executable, args=[SERVER], env={"SHELF": "${SHELF}"}, connect_timeout_secs=WAIT_S, **more
    )


@asynccontextmanager
async def http_process(port: int = 0) -> AsyncGenerator[tuple[asyncio.subprocess.Process, int]]:
    process = await asyncio.create_subprocess_exec(sys.executable, SERVER, str(port), stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def over_http(port: int, key: str = "secret") -> McpServer:
    return McpServer(url=f"http://127.0.0.1:{port}/mcp", headers={"Authorization": f"Bearer {key}"})


@pytest_asyncio.fixture(params=["stdio", "http"])
async def connection(request: pytest.FixtureRequest) -> AsyncGenerator[Any]:
    async with time_limit():
        if request.param == "stdio":
            async with connect(stdio(), {"SHELF": "B7"}, ROOT) as opened:
                yield opened
        else:
            async with http_process() as (_, port), connect(over_http(port), {}, ROOT) as opened:
                yield opened


async def ask(connection: Any, name: str, arguments: str = "{}") -> str:
    async with time_limit():
        return await Toolbox(connection.tools(), timeout_s=WAIT_S).run(ToolCall("1", name, arguments))


async def test_the_servers_tools_are_described_and_run(connection: Any):
    tools = connection.tools()
    assert set(tools) == {"find_book", "fail", "wait", "die"}
    spec = tools["find_book"].spec
    assert spec.description == "Finds a book by its title."
    assert spec.parameters["required"] == ["title"]
    assert set(spec.parameters["properties"]) == {"title", "copies"}
    assert "Emma: 2 of" in await ask(connection, "find_book", '{"title": "Emma", "copies": 2}')


async def test_all_calls_share_one_session_whose_process_stays(connection: Any):
    first = await ask(connection, "find_book", '{"title": "Emma"}')
    assert await ask(connection, "find_book", '{"title": "Emma"}') == first


async def test_errors_of_the_tool_and_wrong_arguments_are_results(connection: Any):
    assert "error" in await ask(connection, "fail", '{"reason": "closed"}')
    assert "error" in await ask(connection, "find_book", "{}")
    assert "Emma" in await ask(connection, "find_book", '{"title": "Emma"}')


async def test_a_tool_that_never_answers_is_given_up_and_the_session_goes_on(connection: Any):
    async with time_limit():
        result = await Toolbox(connection.tools(), timeout_s=0.3).run(ToolCall("1", "wait", "{}"))
    assert "did not answer within 0.3 s" in result
    assert connection.is_connected
    assert "Emma" in await ask(connection, "find_book", '{"title": "Emma"}')


async def test_a_server_that_dies_in_a_call_fails_that_call_and_is_started_again():
    async with time_limit(), connect(stdio(), {"SHELF": "B7"}, ROOT) as connection:
        before = await ask(connection, "find_book", '{"title": "Emma"}')
        assert "whether the tool has run is not known" in await ask(connection, "die")
        after = await ask(connection, "find_book", '{"title": "Emma"}')
        assert after != before
        assert "shelf B7" in after


async def test_a_read_only_tool_is_asked_again_after_the_server_was_replaced():
    async with time_limit(), http_process() as (process, port), connect(over_http(port), {}, ROOT) as connection:
        assert "Emma" in await ask(connection, "find_book", '{"title": "Emma"}')
        process.kill()
        await process.wait()
        async with http_process(port):
            assert "Emma" in await ask(connection, "find_book", '{"title": "Emma"}')


async def test_a_server_that_died_in_silence_is_replaced_before_a_call_needs_it():
    async with time_limit(), connect(stdio(), {"SHELF": "B7"}, ROOT, heartbeat_s=0.1) as connection:
        number = int((await ask(connection, "find_book", '{"title": "Emma"}')).split(" of ")[1].split()[0])
        os.kill(number, 9)
        while connection.is_connected:  # noqa: ASYNC110  nothing else tells it
            await asyncio.sleep(0.01)
        while not connection.is_connected:  # noqa: ASYNC110  same
            await asyncio.sleep(0.01)
        assert "Emma" in await ask(connection, "find_book", '{"title": "Emma"}')


async def test_only_the_tools_of_the_filter_are_offered_under_their_prefix():
    async with (
        time_limit(),
        connect(stdio(tools_filter=["find_book"], prefix="library_"), {"SHELF": "1"}, ROOT) as it,
    ):
        assert list(it.tools()) == ["library_find_book"]
        assert "Emma" in await ask(it, "library_find_book", '{"title": "Emma"}')


async def test_the_process_ends_with_the_connection():
    async with time_limit(), connect(stdio(), {"SHELF": "1"}, ROOT) as connection:
        number = int((await ask(connection, "find_book", '{"title": "Emma"}')).split(" of ")[1].split()[0])
    assert not is_running(number)


@pytest.mark.parametrize(
    ("setting", "error", "words"),
    [
        (McpServer(command="no-such-program"), DependencyError, "there is no such program"),
        (McpServer(command="true"), DependencyError, "cannot be reached"),
        (McpServer(command="sleep", args=["60"], connect_timeout_secs=0.3), DependencyError, "within 0.3 s"),
        (stdio(tools_filter=["find_film"]), UsageError, "no tool named find_film"),
    ],
)
async def test_a_server_that_cannot_be_used_is_named_at_start(setting: McpServer, error: type, words: str):
    async with time_limit():
        with pytest.raises(error, match=words) as refused:
            await connect(setting, {"SHELF": "1"}, ROOT).__aenter__()
    assert setting.label in str(refused.value)


async def test_a_refused_key_is_told_without_the_key():
    async with time_limit(), http_process() as (_, port):
        with pytest.raises(DependencyError, match="check its address, arguments and headers") as refused:
            await connect(over_http(port, "hunter2"), {}, ROOT).__aenter__()
    assert "hunter2" not in str(refused.value)
