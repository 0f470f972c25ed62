"""Clients of the published SDKs, and the relays that a directory sends them to."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.e2e.relay.placement import Place, open_place
from tests.e2e.relay.rooms import ROOM, TONES, Member
from tests.sdks.clients import open_client
from tests.sdks.namespaces import open_network
from tests.sdks.servers import LIVEKIT
from tests.sdks.tokens import room_token

NAMES = ["frankfurt", "virginia", "sydney"]
FAR_MS = (2, 40, 90)

pytestmark = pytest.mark.skipif(bool(LIVEKIT), reason="the directory lists our relays")


async def test_each_client_lands_on_its_nearest_and_nobody_on_a_dead_or_drained_one(tmp_path: Path):
    async with open_network() as network, open_place(tmp_path, network, NAMES) as place:
        address = {name: relay.address for name, relay in place.relays.items()}
        machines = [await network.host(f"near-{name}", wired=True, seed=number) for number, name in enumerate(NAMES)]
        for number, machine in enumerate(machines):
            order = NAMES[number:] + NAMES[:number]
            await machine.wire.set(delays_ms={address[name]: far for name, far in zip(order, FAR_MS, strict=True)})
        for name, machine in zip(NAMES, machines, strict=True):
            assert (await place.choose(machine))[0] == place.relays[name].url

        drained = place.relays["virginia"]
        drained.process.terminate()
        await place.until_listed(machines[0], "frankfurt", "sydney")
        assert (await place.choose(machines[1]))[0] == place.relays["sydney"].url
        await place.relays["sydney"].kill()
        for machine in machines:
            assert {*await place.choose(machine)} == {place.relays["frankfurt"].url}
        await place.until_listed(machines[0], "frankfurt")


@pytest.mark.parametrize("version", [0, 1])
async def test_members_of_a_relay_that_dies_meet_on_another(version: int, tmp_path: Path):
    async with open_network() as network, contextlib.AsyncExitStack() as stack:
        place = await stack.enter_async_context(open_place(tmp_path, network, NAMES[:2]))
        members: list[Member] = []
        for number, sdk in enumerate(("javascript", "python", "go")):
            host = await network.host(sdk, wired=True, seed=number)
            await host.wire.set(delays_ms={place.relays["virginia"].address: 10})
            client = await stack.enter_async_context(open_client(sdk, tmp_path / sdk, host))
            members.append(Member(client, host, TONES[sdk]))
        await asyncio.gather(*(_enter(place, one, version) for one in members))
        await _all_hear(members, [0] * len(members))

        marks = [one.client.mark() for one in members]
        await place.relays["frankfurt"].kill()
        await asyncio.gather(*(_rejoin(place, one, version, mark) for one, mark in zip(members, marks, strict=True)))
        await _all_hear(members, [one.client.mark() for one in members])

        place.process.kill()
        await place.process.wait()
        await _all_hear(members, [one.client.mark() for one in members])


async def _enter(place: Place, member: Member, version: int) -> None:
    (url, *_) = await place.choose(member.host)
    await member.client.join(url, room_token(f"{member.client.sdk}-member", ROOM), version=version)
    await member.play()


async def _rejoin(place: Place, member: Member, version: int, mark: int) -> None:
    """What an application does whose client says that it has lost its server."""
    await member.client.until_any(
        "state", lambda event: event["state"] in ("reconnecting", "restarting", "disconnected"), since=mark
    )
    await _enter(place, member, version)


async def _all_hear(members: list[Member], marks: list[int]) -> None:
    await asyncio.gather(
        *(one.client.hears(other.identity, other.hz, since=mark)
          for one, mark in zip(members, marks, strict=True) for other in members if one is not other)
    )  # fmt: skip
