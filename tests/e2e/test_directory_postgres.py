"""Several directories on one PostgreSQL: each knows what the others know, and each relay is probed by one of them."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from tests.e2e.directories import FakeRelay, described, directory, eventually
from tests.e2e.postgres import postgres
from tests.time_limits import scaled, time_limit
from vox.directory.database import audit_log, relay_rows
from vox.directory.health.state_machine import DrainEnded, DrainRequested
from vox.directory.registration.access import Caller
from vox.directory.schemas import Heartbeat, Registration
from vox.directory.selection.policy import Request as SelectionRequest
from vox.directory.server import Directory, Parts
from vox.directory.settings import DirectorySettings
from vox.errors import DependencyError, UsageError, VoxError
from vox.http.edge import respond
from vox.http.server import Server
from vox.runtime.clock import SystemClock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics
from vox.stores.leases import SqlLeases
from vox.stores.sql import SqlDatabase

RELAYS = 60
INTERVAL_S = scaled(1.5)
TIMEOUT_S = scaled(0.5)
LONGEST_GAP_S = 2.75 * INTERVAL_S + TIMEOUT_S  # docs/operations/relay-health.md
BUSY_S = scaled(3.0)  # what a busy machine may add to it
SHORTEST_GAP_S = 0.25 * INTERVAL_S  # 0.4 between starts, less what a busy machine takes from between arrivals
LEASE_S = scaled(2.0)  # longer than the few statements that must fall into it take
LATE_SHARE = (
    0.02  # of the arrivals may come still closer on a busy machine; two that both probe bring half of them closer
)


class FakeFleet:
    """Relays behind one listening socket, told apart by their paths; remembers when each was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, list[float]] = {}
        self.dead = set[str]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            name = scope["path"].split("/")[1]
            self.asked.setdefault(name, []).append(asyncio.get_running_loop().time())
            await respond(send, 503 if name in self.dead else 200, b"OK", {"content-type": "text/plain"})

    def well(self) -> dict[str, list[float]]:
        return {name: asked for name, asked in self.asked.items() if name not in self.dead}

    async def asked_again(self, times: int) -> None:
        """Waits until each of the well was asked so often since now."""
        since = asyncio.get_running_loop().time()

        def are_asked() -> bool:
            return all(sum(at > since for at in asked) >= times for asked in self.well().values())

        await until(are_asked)


async def until(condition: Callable[[], bool]) -> None:
    async with time_limit():
        while not condition():  # noqa: ASYNC110  what it waits for happens in another process
            await asyncio.sleep(0.02)


async def probes_of(http: httpx2.AsyncClient) -> int:
    found = re.search(r'vox_directory_probes_total\{result="ok"\} (\d+)', (await http.get("/metrics")).text)
    return int(found[1]) if found else 0


async def both_probe(first: httpx2.AsyncClient, second: httpx2.AsyncClient) -> None:
    """Waits until within one interval each of the two does at least a fifth of the work."""
    async with time_limit():
        while True:
            before = [await probes_of(http) for http in (first, second)]
            await asyncio.sleep(INTERVAL_S)
            after = [await probes_of(http) for http in (first, second)]
            if all(now - then >= RELAYS / 5 for then, now in zip(before, after, strict=True)):
                return


def shared(url: str, **health_check: Any) -> dict[str, Any]:
    timing = {"interval_ms": INTERVAL_S * 1000, "timeout_ms": TIMEOUT_S * 1000, "removal_after_ms": 0}
    return {"database": {"url": url}, "health_check": timing | health_check}


@pytest.mark.parametrize("victim", [0, 1])
async def test_whichever_directory_is_killed_no_relay_is_probed_twice_or_forgotten(tmp_path: Path, victim: int):
    fleet = FakeFleet()
    config: dict[str, Any] = {}
    with postgres() as url:
        config = shared(url, removal_threshold=4)
        async with Server(fleet, "127.0.0.1", 0) as server, contextlib.AsyncExitStack() as running:
            names = ["survivor", "survivor"]
            names[victim] = "killed"
            started = [await running.enter_async_context(directory(tmp_path, name=name, **config)) for name in names]
            (killed, dying), (_, survivor) = started[victim], started[1 - victim]
            ids: dict[str, str] = {}
            for number in range(RELAYS):
                name, http = f"r{number}", (dying, survivor)[number % 2]
                body = described(server, name=name, url=f"ws://127.0.0.1:{server.port}/{name}")
                ids[name] = (await http.post("/v1/relays/register", json=body)).json()["id"]
            for http in (dying, survivor):
                await lists(http, RELAYS)
            await both_probe(dying, survivor)
            await fleet.asked_again(3)

            killed.process.kill()
            fleet.dead.add("r7")
            await fleet.asked_again(2)
            await lists(survivor, RELAYS - 1)
            async with time_limit():
                while (await survivor.get(f"/v1/relays/{ids['r7']}/status")).status_code != 404:  # noqa: ASYNC110  another process
                    await asyncio.sleep(0.05)

            _, again = await running.enter_async_context(directory(tmp_path, name="again", **config))
            await lists(again, RELAYS - 1)
            await both_probe(again, survivor)
            await fleet.asked_again(2)
    gaps = [later - earlier for asked in fleet.well().values() for earlier, later in pairwise(asked)]
    assert len(fleet.well()) == RELAYS - 1
    assert sorted(gaps)[int(len(gaps) * LATE_SHARE)] > SHORTEST_GAP_S
    assert max(gaps) < LONGEST_GAP_S + BUSY_S


async def lists(http: httpx2.AsyncClient, count: int) -> None:
    async with time_limit():
        while (await http.get("/v1/relays?limit=100")).json()["count"] != count:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.05)


async def test_what_one_directory_hears_the_other_tells(tmp_path: Path):
    relay = FakeRelay()
    with postgres() as url:
        async with (
            Server(relay, "127.0.0.1", 0) as server,
            directory(tmp_path, name="second", **shared(url, interval_ms=500)) as (_, second),
            directory(tmp_path, name="first", **shared(url, interval_ms=500)) as (_, first),
        ):
            identity = (await first.post("/v1/relays/register", json=described(server))).json()["id"]
            await eventually(first, ["Sydney"])
            await eventually(second, ["Sydney"])
            await second.post(f"/v1/relays/{identity}/heartbeat", json={"current_connections": 7})
            async with time_limit():
                while (await first.get(f"/v1/relays/{identity}/status")).json()["current_connections"] != 7:  # noqa: ASYNC110  another process
                    await asyncio.sleep(0.05)
            for http in (first, second):  # one of them probes it, the other does not
                assert (await http.post(f"/v1/relays/{identity}/drain")).status_code == 200
                await eventually(first, [])
                await eventually(second, [])
                await http.post(f"/v1/relays/{identity}/drain", json={"draining": False})
                await eventually(first, ["Sydney"])
                await eventually(second, ["Sydney"])
            relay.is_well = False
            await eventually(first, [])
            await eventually(second, [])


@contextlib.asynccontextmanager
async def in_process(url: str, seed: int, **database: Any) -> AsyncGenerator[Directory, None]:
    """A directory without HTTP and without probes, for what must happen between two steps of it."""
    settings = DirectorySettings.model_validate(
        {"database": {"url": url, **database}, "health_check": {"enabled": False}}
    )
    clock = SystemClock()
    async with Directory(settings, Parts(clock, Metrics(), Lifecycle(clock, 1.0), Random(seed))) as opened:
        yield opened


def wanted(**change: Any) -> Registration:
    body = {"name": "Sydney", "url": "wss://sydney.example.com", "latitude": 1, "longitude": 2, "public_key": "k"}
    return Registration.model_validate({**body, **change})


async def test_an_address_registered_at_two_directories_at_once_is_one_relay():
    with postgres() as url:
        async with in_process(url, 1) as one, in_process(url, 2) as two:
            spellings = ["wss://r{}.example.com", "https://R{}.example.com:443/"]
            answers = await asyncio.gather(
                *(
                    at.registration.register(wanted(url=spelling.format(number)), Caller(""))
                    for number in range(20)
                    for at, spelling in zip((one, two), spellings, strict=True)
                )
            )
            assert len({relay.id for relay, _ in answers}) == 20
            assert sum(is_new for _, is_new in answers) == 20
            takeover = await asyncio.gather(
                one.registration.register(wanted(), Caller("key:alice")),
                two.registration.register(wanted(), Caller("key:bob")),
                return_exceptions=True,
            )
            [refused] = [one for one in takeover if isinstance(one, UsageError)]
            assert refused.code == "relay_url_taken"


async def test_a_relay_of_another_directory_is_known_as_soon_as_it_is_asked_for():
    with postgres() as url:
        async with in_process(url, 1) as one, in_process(url, 2) as two:
            for number in range(5):
                relay, _ = await one.registration.register(wanted(url=f"wss://r{number}.example.com"), Caller(""))
                assert (await two.registration.find(relay.id)).url == relay.url
            with pytest.raises(UsageError):
                await two.registration.find("nobody")


async def test_a_relay_of_another_directory_can_be_asked_for_and_heard_at_once(tmp_path: Path):
    with postgres() as url:
        config: dict[str, Any] = {"database": {"url": url}, "health_check": {"enabled": False}}
        async with (
            directory(tmp_path, name="first", **config) as (_, first),
            directory(tmp_path, name="second", **config) as (_, second),
        ):
            for number in range(5):
                relay = {"name": "A", "url": f"wss://r{number}.example.com", "public_key": "k"}
                body = {**relay, "latitude": 1, "longitude": 2}
                path = f"/v1/relays/{(await first.post('/v1/relays/register', json=body)).json()['id']}"
                assert (await second.get(f"{path}/status")).status_code == 200
                body = {**body, "url": f"wss://s{number}.example.com"}
                path = f"/v1/relays/{(await second.post('/v1/relays/register', json=body)).json()['id']}"
                assert (await first.post(f"{path}/heartbeat")).status_code == 200
            assert (await second.get("/v1/relays/nobody/status")).status_code == 404


async def test_directories_that_are_given_one_key_file_sign_alike_and_leave_none_in_the_database(tmp_path: Path):
    with postgres() as url:
        async with in_process(url, 1) as one:
            before = one.list_signer.public_key
        for _ in range(2):
            async with in_process(url, 2, signing_key_file=str(tmp_path / "lists.key")) as two:
                assert two.list_signer.public_key == before
                assert (
                    await two.database.write(lambda connection: relay_rows.find_value(connection, "signing_key")) == ""
                )


async def test_without_the_database_nobody_says_that_a_relay_is_not_there():
    with postgres() as url:
        async with in_process(url, 1) as one:
            relay, _ = await one.registration.register(wanted(), Caller(""))
            one.database.close()
            assert (await one.registration.find(relay.id)).id == relay.id
            with pytest.raises(DependencyError):
                await one.registration.find("registered-elsewhere")
            one.database.open()


async def test_a_drain_reaches_the_other_directory_with_its_reason_and_ends_there():
    with postgres() as url:
        async with in_process(url, 1) as one, in_process(url, 2) as two:
            relay, _ = await one.registration.register(wanted(), Caller(""))
            await two.registration.find(relay.id)
            await two.registration.drain(relay, DrainRequested(reason="disk"))
            await one.journal.read()
            one.registration.heartbeat(
                one.registration.require(relay.id), Heartbeat(draining=False)
            )  # not the relay's to end
            await one.journal.write()
            await two.journal.read()
            for at in (one, two):
                drain = at.health.of(relay.id).drain
                assert drain is not None
                assert (drain.by, drain.reason) == ("operator", "disk")
            await one.registration.drain(relay, DrainEnded())
            await two.journal.read()
            assert not two.registration.require(relay.id).is_draining


async def test_clients_that_one_directory_sent_count_at_the_other():
    with postgres() as url:
        async with in_process(url, 1) as one, in_process(url, 2) as two:
            relay, _ = await one.registration.register(wanted(capacity=2), Caller(""))
            await two.registration.find(relay.id)
            query = SelectionRequest(limit=3)
            for at in (one, two):
                assert at.selector.choose(query, "measured", explain=False)["relay"]["id"] == relay.id
            for at in (one, two, one):
                assert at.peer_assignments is not None
                await at.peer_assignments.exchange()
            for at in (one, two):
                with pytest.raises(VoxError) as caught:
                    at.selector.choose(query, "measured", explain=False)
                assert caught.value.code == "no_relay_available"


async def test_what_was_deleted_elsewhere_is_not_brought_back():
    with postgres() as url:
        async with in_process(url, 1) as one, in_process(url, 2) as two:
            relay, _ = await one.registration.register(wanted(), Caller(""))
            await two.registration.find(relay.id)
            await one.registration.delete(relay, force=True)
            with pytest.raises(UsageError) as caught:
                await two.registration.drain(relay, DrainRequested())
            assert caught.value.code == "relay_not_found"
            written = await two.database.write(audit_log.entries)
            assert [one.action for one in written] == ["force_delete", "register"]


async def test_a_signed_request_is_good_once_at_all_directories_together():
    with postgres() as url:
        async with in_process(url, 1) as one, in_process(url, 2) as two:
            caller = Caller("signed:key", nonce="0123456789abcdef")
            results = await asyncio.gather(
                one.registration.check_nonce(caller), two.registration.check_nonce(caller), return_exceptions=True
            )
            [refused] = [result for result in results if result is not None]
            assert isinstance(refused, UsageError)
            assert refused.code == "signature_replayed"


async def test_leases_on_postgresql_change_hands_with_a_higher_token():
    with postgres() as url:
        async with SqlDatabase(url) as one, SqlDatabase(url) as two:
            ours, theirs = SqlLeases(one, SystemClock()), SqlLeases(two, SystemClock())
            await asyncio.gather(ours.create(), theirs.create())
            assert await ours.acquire(["a", "b"], "us", LEASE_S) == {"a": 1, "b": 1}
            assert await theirs.acquire(["a", "c"], "them", LEASE_S) == {"c": 1}
            assert await ours.acquire(["a"], "us", LEASE_S) == {"a": 1}
            assert await ours.join("us", 5) == ["us"]
            assert await theirs.join("them", 5) == ["them", "us"]
            await asyncio.sleep(1.1 * LEASE_S)
            assert await theirs.acquire(["a", "b"], "them", LEASE_S) == {"a": 2, "b": 2}
            await theirs.release("them")
            assert await ours.acquire(["a"], "us", LEASE_S) == {"a": 3}
            assert await ours.join("us", 5) == ["us"]
            assert await ours.prune(set()) == 0  # none of them ended long ago
