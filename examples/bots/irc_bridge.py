"""A bridge between a feed and a channel of an IRC server: what is written on one side is shown on the other.

    python examples/bots/irc_bridge.py http://localhost:8000 --token-file bot.token --feed general \
        --irc localhost:6667 --channel "#vox"

Each direction has one bounded queue and one worker, so that lines keep their order and wait while the other side is away.
"""

import argparse
import asyncio
import itertools
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vox.clients.chat import BackOff, Client, Message, UnavailableError
from vox.clients.chat.events import MessageCreate

T = TypeVar("T")

QUEUE = 1000
LINE_BYTES = 400
"""IRC allows 512 with everything around the text."""
DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of IRC: who says what, and with which command."""

    nick: str
    command: str
    text: str


def parsed(raw: str) -> Line:
    """A line as the server sent it (RFC 2812 section 2.3.1)."""
    prefix, _, rest = raw[1:].partition(" ") if raw.startswith(":") else ("", "", raw)
    front, _, text = rest.partition(" :")
    words = front.split()
    return Line(prefix.partition("!")[0], words[0] if words else "", text or (words[-1] if words else ""))


def pieces(text: str) -> list[str]:
    """A text as lines that IRC can carry."""
    found: list[str] = []
    for line in text.splitlines():
        data = line.replace("\0", "").encode()
        while data:
            piece = data[:LINE_BYTES].decode(errors="ignore")
            found.append(piece)
            data = data[len(piece.encode()) :]
    return found


class Irc:
    """One connection to an IRC server, inside a channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, channel: str) -> None:
        self._reader = reader
        self._writer = writer
        self._channel = channel
        self._tokens = itertools.count()
        self._pongs: dict[str, asyncio.Event] = {}

    @classmethod
    @asynccontextmanager
    async def joined(cls, host: str, port: int, nick: str, channel: str) -> "AsyncGenerator[Irc]":
        """A connection that has joined the channel, closed when the block is left."""
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(host, port)
        irc = cls(reader, writer, channel)
        try:
            irc._write(f"NICK {nick}", f"USER {nick} 0 * :bridge to Vox")
            async with asyncio.timeout(DEADLINE_S):
                while (await irc.next()).command not in {"001", "376", "422"}:
                    pass
                irc._write(f"JOIN {channel}")
                while (await irc.next()).command != "366":  # the end of the list of names
                    pass
            yield irc
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def next(self) -> Line:
        """The next line; PING is answered on the way."""
        while True:
            raw = await self._reader.readline()
            if not raw.endswith(b"\n"):
                raise ConnectionResetError("the IRC server closed the connection")
            line = parsed(raw.decode(errors="replace").rstrip("\r\n"))
            if line.command == "PING":
                self._write(f"PONG :{line.text}")
            elif line.command == "PONG" and line.text in self._pongs:
                self._pongs[line.text].set()
            else:
                return line

    async def say(self, text: str) -> None:
        """Says one line, and returns when the server has it: IRC acknowledges nothing, but answers a PING behind the line."""
        token = f"line-{next(self._tokens)}"
        self._pongs[token] = asyncio.Event()
        self._write(f"PRIVMSG {self._channel} :{text}", f"PING {token}")
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._pongs[token].wait()
        finally:
            del self._pongs[token]

    def _write(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())


class Bridge:
    """A feed and a channel as one conversation.

    Args:
        client: the bot's.
        feed: the name of the feed.
        host: of the IRC server.
        port: of the IRC server.
        channel: on the IRC server, with its #.
        nick: of the bridge on IRC.
        back_off: between tries to reach the IRC server.
    """

    def __init__(
        self,
        client: Client,
        *,
        feed: str,
        host: str,
        port: int,
        channel: str,
        nick: str = "voxbridge",
        back_off: BackOff | None = None,
    ) -> None:
        self.client = client
        self._feed = feed
        self._host, self._port, self._channel, self._nick = host, port, channel, nick
        self._back_off = back_off or BackOff()
        self._to_irc: asyncio.Queue[str] = asyncio.Queue(QUEUE)
        self._to_chat: asyncio.Queue[Line] = asyncio.Queue(QUEUE)
        self._names: dict[int, str] = {}
        self._feed_id = 0

    async def run(self) -> None:
        """Carries lines both ways until it is cancelled."""
        async with self.client:
            feed = (await self.client.spaces.layout()).feed(self._feed)
            if feed is None:
                raise SystemExit(f"there is no feed {self._feed!r} that the bot can see")
            self._feed_id = feed.feed_id
            self.client.on(MessageCreate, in_order=True)(self._wrote)
            await self.client.connect(timeout_s=None)
            async with asyncio.TaskGroup() as group:
                group.create_task(self.client.wait_closed())
                group.create_task(self._irc())
                group.create_task(self._say_in_feed())

    async def _wrote(self, event: MessageCreate) -> None:
        message = event.message
        if message.feed_id != self._feed_id or message.author_id == self.client.user_id:
            return
        name = await self._name(message)
        for piece in pieces(message.body) or [one.name for one in message.attachments]:
            await self._to_irc.put(f"<{name}> {piece}")

    async def _name(self, message: Message) -> str:
        if message.author_id is None:
            return message.webhook_name or "webhook"
        if message.author_id not in self._names:
            self._names[message.author_id] = (await self.client.people.user(message.author_id)).display_name
        return self._names[message.author_id]

    async def _say_in_feed(self) -> None:
        channel = self.client.feed(self._feed_id)
        while True:
            line = await self._to_chat.get()
            sent = False
            while not sent:
                with suppress(UnavailableError):  # away for longer than a request waits: the line waits on
                    await channel.send(f"**{line.nick}**: {line.text}")
                    sent = True

    async def _irc(self) -> None:
        tries, unsaid = 0, ""
        while True:
            try:
                async with Irc.joined(self._host, self._port, self._nick, self._channel) as irc:
                    tries = 0
                    reading = asyncio.create_task(self._hear(irc))
                    try:
                        while True:
                            unsaid = unsaid or await _unless_ended(reading, self._to_irc.get())
                            await _unless_ended(reading, irc.say(unsaid))
                            unsaid = ""
                    finally:
                        reading.cancel()
            except (OSError, TimeoutError) as error:
                tries += 1
                print(f"IRC: {error}; trying again")
                await asyncio.sleep(self._back_off.wait_s(tries, self.client.random.random()))

    async def _hear(self, irc: Irc) -> None:
        while True:
            line = await irc.next()
            if line.command == "PRIVMSG" and line.nick != self._nick:
                await self._to_chat.put(line)


async def _unless_ended(reading: "asyncio.Task[None]", work: Coroutine[Any, Any, T]) -> T:
    """What the work results in; raises what ended the connection, where that comes first."""
    task = asyncio.create_task(work)
    await asyncio.wait({task, reading}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    task.cancel()
    await reading
    raise ConnectionResetError("the IRC server closed the connection")


def main() -> None:
    """Reads the command line and bridges until it is stopped."""
    parser = argparse.ArgumentParser(description="Bridges a feed and an IRC channel.")
    parser.add_argument("url", help="of the chat server, as http://localhost:8000")
    parser.add_argument("--token-file", type=Path, required=True, help="file with the bot's token")
    parser.add_argument("--feed", default="general", help="name of the feed")
    parser.add_argument("--irc", default="localhost:6667", help="host and port of the IRC server")
    parser.add_argument("--channel", default="#vox", help="channel on the IRC server")
    parser.add_argument("--nick", default="voxbridge", help="nick on the IRC server")
    asked = parser.parse_args()
    host, _, port = asked.irc.rpartition(":")
    client = Client(asked.url, asked.token_file.read_text(encoding="utf-8").strip())
    bridge = Bridge(client, feed=asked.feed, host=host, port=int(port), channel=asked.channel, nick=asked.nick)
    with suppress(KeyboardInterrupt):
        asyncio.run(bridge.run())


if __name__ == "__main__":
    main()
