"""Bots as a test's people: made by an administrator, talking with their own tokens; and an HTTP server that stands for a bot or a receiver."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.contract.chat.harness import Person
from tests.fakes.tcp_server import listening
from tests.time_limits import time_limit

LOOPBACK: dict[str, Any] = {"integration_networks": ["127.0.0.0/8"]}
"""Settings of a server that may post to this machine."""


@dataclass(slots=True)
class BotPerson(Person):
    """A bot; its requests go out with the scheme `Bot`."""

    secret: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bot {self.token}"}


async def make_bot(owner: Person, name: str = "helper", **more: Any) -> BotPerson:
    """A bot of its owner."""
    made = await owner.ok("POST", "/bots", {"username": name, **more})
    return BotPerson(owner.rig, name, made["user_id"], made["token"], made["signing_secret"])


async def offer(bot: Person, *names: str, params: list[dict[str, Any]] | None = None) -> None:
    """Registers commands."""
    commands = [{"name": name, **({} if params is None else {"params": params})} for name in names]
    await bot.ok("PUT", f"/bots/{bot.user_id}/commands", {"commands": commands})


async def call(person: Person, feed_id: int, text: str) -> str:
    """Calls a command; the interaction's id."""
    sent = await person.ok("POST", f"/feeds/{feed_id}/messages", {"body": text})
    assert sent["msg_id"] == 0, sent
    return sent["interaction_id"]


@dataclass(slots=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, dict[str, str], bytes]


@dataclass(slots=True)
class Receiver:
    """A small HTTP server; `answers` are given in turn, and the last one for ever."""

    url: str
    requests: "asyncio.Queue[Received]" = field(default_factory=asyncio.Queue[Received])
    answers: list[Answer] = field(default_factory=lambda: [(204, {}, b"")])

    async def next(self) -> Received:
        """The next request."""
        async with time_limit():
            return await self.requests.get()


@contextlib.asynccontextmanager
async def receiver(decide: Callable[[Received], Answer] | None = None) -> AsyncGenerator[Receiver, None]:
    """A receiver while the block runs."""
    one: Receiver

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Received(head[0].split()[1], headers, body)
        status, more, text = decide(request) if decide is not None else one.answers[0]
        if decide is None and len(one.answers) > 1:
            one.answers.pop(0)
        lines = [f"HTTP/1.1 {status} x", f"content-length: {len(text)}", *(f"{k}: {v}" for k, v in more.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + text)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        one.requests.put_nowait(request)

    async with listening(serve) as port:
        one = Receiver(f"http://127.0.0.1:{port}/in")
        yield one
