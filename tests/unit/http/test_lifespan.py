from contextlib import asynccontextmanager
from typing import Self

import pytest

from tests.unit.http.asgi import drive
from vox.errors import DependencyError
from vox.http.lifespan import opened, serve_lifespan

STARTUP, SHUTDOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}


async def told(context) -> list[dict[str, str]]:
    async def app(_scope, receive, send):
        await serve_lifespan(receive, send, context)

    return (await drive(app, {"type": "lifespan"}, [STARTUP, SHUTDOWN])).messages


class Server:
    def __init__(self, *, is_open: bool = False) -> None:
        self.is_open = is_open
        self.events: list[str] = []

    async def __aenter__(self) -> Self:
        self.events.append("open")
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.events.append("close")


async def test_the_server_is_open_between_startup_and_shutdown():
    server = Server()
    messages = await told(lambda: opened(server))
    assert [one["type"] for one in messages] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert server.events == ["open", "close"]


async def test_a_server_that_is_open_already_is_left_to_its_opener():
    server = Server(is_open=True)
    assert len(await told(lambda: opened(server))) == 2
    assert server.events == []


async def test_a_server_that_is_opened_is_closed_when_the_block_fails():
    server = Server()
    with pytest.raises(ValueError):
        async with opened(server):
            raise ValueError
    assert server.events == ["open", "close"]


@asynccontextmanager
async def refusing_start():
    raise DependencyError("the database is away", code="database_away", hint="start it")
    yield


@asynccontextmanager
async def refusing_end():
    yield
    raise DependencyError("the database is away", code="database_away")


@asynccontextmanager
async def broken():
    raise ValueError("a mistake")
    yield


async def test_what_is_refused_at_start_is_told_to_the_server():
    [message] = await told(refusing_start)
    assert message["type"] == "lifespan.startup.failed"
    assert "the database is away" in message["message"]


async def test_what_fails_at_the_end_is_told_as_a_failed_shutdown():
    messages = await told(refusing_end)
    assert [one["type"] for one in messages] == ["lifespan.startup.complete", "lifespan.shutdown.failed"]


async def test_a_mistake_in_the_program_is_not_hidden():
    with pytest.raises(ValueError):
        await told(broken)
