"""A real IRC server (ngircd) for tests, and a person on it."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

from tests.free_ports import free_port
from tests.require import require
from tests.time_limits import time_limit

CONFIGURATION = """
[Global]
Name = irc.test
Info = test
Listen = 127.0.0.1
Ports = {port}
[Limits]
MaxPenaltyTime = 0
MaxConnectionsIP = 0
[Options]
DNS = no
Ident = no
PAM = no
"""


@contextlib.asynccontextmanager
async def irc_server(folder: Path) -> AsyncGenerator[int]:
    """The port of a server that is ended when the block is left."""
    program = shutil.which("ngircd", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/sbin")
    require(program is not None, "ngircd", "apt-get install ngircd")
    port = free_port()
    file = folder / "ngircd.conf"
    file.write_text(CONFIGURATION.format(port=port))
    with (folder / "ngircd.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(program), "--config", str(file), "--nodaemon", stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        async with time_limit():
            await process.wait()


class IrcPerson:
    """A person in a channel; `heard` are the lines that others said there."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, channel: str) -> None:
        self._reader = reader
        self._writer = writer
        self._channel = channel
        self.present: set[str] = set()
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        """Says something in the channel."""
        self._send(f"PRIVMSG {self._channel} :{text}")

    def _send(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())

    async def _read(self, joined: asyncio.Event) -> None:
        while line := (await self._reader.readline()).decode().rstrip("\r\n"):
            words = line.split(" ")
            if words[0] == "PING":
                self._send(f"PONG {words[1]}")
            elif words[1] == "001":
                self._send(f"JOIN {self._channel}")
            elif words[1] == "JOIN":
                self.present.add(words[0][1:].partition("!")[0])
            elif words[1] == "353":
                self.present.update(name.lstrip("@+") for name in line.rpartition(":")[2].split())
            elif words[1] == "366":
                joined.set()
            elif words[1] == "PRIVMSG":
                self.heard.append(line.partition(" :")[2])


@contextlib.asynccontextmanager
async def irc_person(port: int, nick: str, channel: str) -> AsyncGenerator[IrcPerson]:
    """A person who has joined a channel, which the server has to be up for in time."""
    async with time_limit():
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
    person, joined = IrcPerson(reader, writer, channel), asyncio.Event()
    person._send(f"NICK {nick}", f"USER {nick} 0 * :{nick}")
    reading = asyncio.create_task(person._read(joined))
    try:
        async with time_limit():
            await joined.wait()
        yield person
    finally:
        reading.cancel()
        writer.close()
