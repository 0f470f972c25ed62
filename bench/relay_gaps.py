"""How long members of a room hear nothing when networks and servers fail. See README.md beside this file.

One member by each published SDK (JavaScript in Chromium, Python, Go), each on a machine of its own and playing a tone. A gap is 60 ms
of silence and longer: of what the listener plays (JavaScript, Python: behind jitter buffer and concealment), or between packets (Go).
"""

import argparse
import asyncio
import contextlib
import os
import platform
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.relay.placement import Place, open_place
from tests.e2e.relay.rooms import ROOM, TONES, Member
from tests.sdks.clients import SDKS, open_client
from tests.sdks.namespaces import open_network
from tests.sdks.servers import HTTP_PORT
from tests.sdks.tokens import room_token

ROOT = Path(__file__).parent.parent
GOOD: dict[str, Any] = {"loss": 0, "delay_ms": 0, "jitter_ms": 0, "reorder": 0, "blocked": []}


@dataclass(slots=True)
class Meeting:
    """Who is in the room, and the relays that they may be on."""

    place: Place
    members: Sequence[Member]
    version: int
    addresses: int = 0

    async def lines(self, **line: Any) -> None:
        """Changes the line of each member."""
        await asyncio.gather(*(one.host.wire.set(**line) for one in self.members))

    async def all_hear_all(self) -> None:
        """Waits until each hears each other."""
        await asyncio.gather(
            *(
                one.client.hears(other.identity, other.hz, since=one.client.mark())
                for one in self.members
                for other in self.members
                if one is not other
            )
        )

    async def gaps(self) -> dict[str, list[int]]:
        """By SDK of the listener: all gaps so far, in ms, of all whom it hears."""
        every = await asyncio.gather(*(one.client.gaps() for one in self.members))
        return {
            one.client.sdk: [length for of_one in by_sender.values() for _, length in of_one]
            for one, by_sender in zip(self.members, every, strict=True)
        }


Trouble = Callable[[Meeting, float], Awaitable[None]]


def on_a_line(**line: Any) -> Trouble:
    """All members' lines are like this for a while."""

    async def trouble(meeting: Meeting, seconds: float) -> None:
        await meeting.lines(**line)
        await asyncio.sleep(seconds)
        await meeting.lines(**GOOD)

    return trouble


async def sockets_drop(meeting: Meeting, seconds: float) -> None:
    """Signalling breaks, media does not."""
    await asyncio.gather(*(one.host.drop_connections(HTTP_PORT) for one in meeting.members))
    await asyncio.sleep(seconds)


async def addresses_change(meeting: Meeting, seconds: float) -> None:
    """Each member's machine gets another address."""
    meeting.addresses += 1
    for number, one in enumerate(meeting.members):
        await one.host.move(f"10.77.{meeting.addresses}.{number + 100}")
        await one.host.drop_connections(HTTP_PORT)
    await asyncio.sleep(seconds)


async def directory_goes(meeting: Meeting, seconds: float) -> None:
    """The directory is killed."""
    meeting.place.process.kill()
    await meeting.place.process.wait()
    await asyncio.sleep(seconds)


async def relay_dies(meeting: Meeting, seconds: float) -> None:
    """The relay is killed; each application asks the directory and joins another."""
    marks = [one.client.mark() for one in meeting.members]
    await meeting.place.relays["first"].kill()
    await asyncio.gather(*(rejoin(meeting, one, mark) for one, mark in zip(meeting.members, marks, strict=True)))
    await asyncio.sleep(seconds / 4)


async def rejoin(meeting: Meeting, member: Member, mark: int) -> None:
    """What the application does when its client says that it has lost the server."""
    await member.client.until_any("state", lambda event: event["state"] != "reconnected", since=mark)
    (url, *_) = await meeting.place.choose(member.host)
    await member.client.join(url, room_token(f"{member.client.sdk}-member", ROOM), version=meeting.version)
    await member.play()


TROUBLES: dict[str, Trouble] = {
    "nothing": on_a_line(),
    "2 % loss": on_a_line(loss=0.02),
    "10 % loss": on_a_line(loss=0.1),
    "200 ms jitter": on_a_line(jitter_ms=200),
    "10 % reordered by 40 ms": on_a_line(reorder=0.1),
    "UDP blocked in the call": on_a_line(blocked=["udp"]),
    "sockets drop": sockets_drop,
    "addresses change": addresses_change,
    "relay killed, another joined": relay_dies,
    "directory killed": directory_goes,
}


@contextlib.asynccontextmanager
async def open_room(folder: Path, version: int) -> AsyncGenerator[Meeting, None]:
    """Three members on the first of two relays, who hear each other."""
    async with open_network() as network, contextlib.AsyncExitStack() as stack:
        place = await stack.enter_async_context(open_place(folder, network, ["first", "second"]))
        members: list[Member] = []
        for number, sdk in enumerate(SDKS):
            host = await network.host(sdk, wired=True, seed=number)
            client = await stack.enter_async_context(open_client(sdk, folder / sdk, host))
            members.append(Member(client, host, TONES[sdk]))
        meeting = Meeting(place, members, version)
        for one in members:
            await one.client.join(
                place.relays["first"].url, room_token(f"{one.client.sdk}-member", ROOM), version=version
            )
        await asyncio.gather(*(one.play() for one in members))
        await meeting.all_hear_all()
        yield meeting


async def measure(name: str, version: int, seconds: float) -> dict[str, list[int]]:
    """The gaps that each SDK's listener had in one trouble, until all hear each other again."""
    with tempfile.TemporaryDirectory(prefix="relay-gaps-", ignore_cleanup_errors=True) as folder:
        async with open_room(Path(folder), version) as meeting:
            await asyncio.sleep(1)
            before = await meeting.gaps()
            await TROUBLES[name](meeting, seconds)
            await meeting.all_hear_all()
            await asyncio.sleep(1)
            after = await meeting.gaps()
            return {sdk: gaps[len(before[sdk]) :] for sdk, gaps in after.items()}


def cell(gaps: list[int]) -> str:
    """Number, longest and sum of gaps."""
    return f"{len(gaps)}: {max(gaps)} ms, {sum(gaps)} ms in all" if gaps else "none"


def head() -> str:
    """The commit."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


async def main() -> None:
    """All troubles on each version of the protocol."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each trouble")
    parser.add_argument("--versions", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--only", nargs="*", default=list(TROUBLES))
    parser.add_argument("--write", type=Path, help="file for the results")
    arguments = parser.parse_args()
    commit = await asyncio.to_thread(head)
    lines = [
        "# Gaps of audio",
        "",
        f"{platform.platform()}, {os.cpu_count()} cores, commit {commit}; {arguments.seconds:g} s of each. Number of gaps, the longest, all together; each hears two.",
        "",
        "| trouble | protocol | JavaScript hears | Python hears | Go gets |",
        "|---|---|---|---|---|",
    ]
    for name in arguments.only:
        for version in arguments.versions:
            try:
                gaps = await measure(name, version, arguments.seconds)
                cells = [cell(gaps[sdk]) for sdk in SDKS]
            except AssertionError as error:
                cells = [f"not again in a room: {str(error).splitlines()[0]}", "", ""]
            lines.append(f"| {name} | v{version} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    if arguments.write:
        arguments.write.write_text(text)


if __name__ == "__main__":
    asyncio.run(main())
