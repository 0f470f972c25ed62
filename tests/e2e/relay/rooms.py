"""A room of the server under test with one member by each SDK, each on a machine of its own."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.sdks.clients import SDKS, Client, open_client
from tests.sdks.namespaces import Host, Network, open_network
from tests.sdks.servers import Server, relay_server
from tests.sdks.tokens import room_token

TONES = {"javascript": 880, "python": 440, "go": 1320}
ROOM = "room-1"


@dataclass(slots=True)
class Member:
    """One of the room; `hz` is what it plays, `sid` the track that it plays it on."""

    client: Client
    host: Host
    hz: int
    sid: str = ""

    @property
    def identity(self) -> str:
        return self.client.identity

    async def enter(
        self,
        server: Server,
        version: int,
        *,
        identity: str = "",
        options: Mapping[str, Any] | None = None,
        **grants: Any,
    ) -> None:
        """Joins the room; the Python client as an agent, whose transcriptions alone every server forwards."""
        kind = "agent" if self.client.sdk == "python" else "standard"
        token = room_token(identity or f"{self.client.sdk}-member", ROOM, kind=kind, **grants)
        await self.client.join(server.url, token, version=version, **(options or {}))

    async def play(self) -> None:
        """Publishes its tone."""
        self.sid = await self.client.publish(self.hz)


@dataclass(slots=True)
class Meeting:
    """The server, the machines and who is in the room."""

    network: Network
    server: Server
    members: Sequence[Member]
    _folder: Path
    _stack: contextlib.AsyncExitStack

    async def restart(self, **settings: Any) -> None:
        """The server again, with other settings, as a new process."""
        await self.server.kill()
        self.server = await self._stack.enter_async_context(
            relay_server(self._folder / "again", self.server.host, settings=settings)
        )

    def pairs(self) -> list[tuple[Member, Member]]:
        """Each listener with each speaker."""
        return [(one, other) for one in self.members for other in self.members if one is not other]

    async def all_hear_all(self, since: dict[str, int] | None = None) -> None:
        """Waits until each hears the tone of each other."""
        marks = since or {}
        await asyncio.gather(
            *(
                one.client.hears(other.identity, other.hz, since=marks.get(one.client.sdk, 0))
                for one, other in self.pairs()
            )
        )

    def marks(self) -> dict[str, int]:
        """Where the reports of each are now."""
        return {member.client.sdk: member.client.mark() for member in self.members}


@contextlib.asynccontextmanager
async def open_meeting(
    folder: Path,
    version: int,
    *,
    sdks: Sequence[str] = SDKS,
    enters: bool = True,
    plays: bool = True,
    wired: bool = False,
    line: Mapping[str, Any] | None = None,
) -> AsyncGenerator[Meeting, None]:
    """A server and one client of each of these SDKs; by itself each enters the room, plays and hears the others.

    Args:
        folder: for files and logs.
        version: of the protocol.
        sdks: of which clients.
        enters: whether they enter the room.
        plays: whether they play and wait for one another's tones.
        wired: whether each has a line that can be made bad.
        line: how that is from the beginning.
    """
    async with open_network() as network, contextlib.AsyncExitStack() as stack:
        clients: list[tuple[Client, Host]] = []
        for number, sdk in enumerate(sdks):
            host = await network.host(sdk, wired=wired, seed=number)
            if line:
                await host.wire.set(**line)
            clients.append((await stack.enter_async_context(open_client(sdk, folder / sdk, host)), host))
        server = await stack.enter_async_context(relay_server(folder / "server", await network.host("server")))
        members = [Member(client, host, TONES[client.sdk]) for client, host in clients]
        meeting = Meeting(network, server, members, folder, stack)
        if enters:
            await asyncio.gather(*(member.enter(server, version) for member in members))
        if enters and plays:
            await asyncio.gather(*(member.play() for member in members))
            await meeting.all_hear_all()
        yield meeting
