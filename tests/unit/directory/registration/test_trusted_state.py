"""What the directory has stored and what it remembers are one, whatever goes wrong; probes on virtual time (virtual_loop)."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.directory.harness import HEALTHY, LONDON, PROBED, SYDNEY, SYDNEY_PROBE, Rig, rig
from tests.unit.directory.helpers_access import KEYS, SIGNED, bearer, registration, signed
from vox.directory.database import audit_log
from vox.errors import DependencyError, UsageError
from vox.runtime.clock import Clock
from vox.security.http_signatures import new_key_pair


def failing(*_arguments: Any, **_options: Any) -> Any:
    raise DependencyError("the database failed", code="database_failed")


async def actions(it: Rig) -> list[tuple[str, str]]:
    return [(one.action, one.actor) for one in await it.directory.database.write(audit_log.entries)]


async def test_a_signed_request_is_not_good_again_after_a_restart(tmp_path):
    pair = new_key_pair()
    async with rig(tmp_path, SIGNED) as it:
        relay = (await it.http.request(**registration(pair))).json()
        once = signed(pair, "POST", f"/v1/relays/{relay['id']}/heartbeat")
        assert (await it.http.request(**once)).status_code == 200
    async with rig(tmp_path, SIGNED) as it:
        answer = await it.http.request(**once)
        assert (answer.status_code, answer.json()["code"]) == (401, "SIGNATURE_REPLAYED")


@pytest.mark.parametrize("kept_in_table", [False, True])
async def test_the_key_that_signs_lists_is_in_a_file_of_its_own(tmp_path: Path, kept_in_table: bool):
    async with rig(tmp_path) as it:
        before = it.directory.list_signer.public_key
    file = tmp_path / "relays.db.key"
    if kept_in_table:  # as earlier versions had it
        with closing(sqlite3.connect(tmp_path / "relays.db")) as database, database:
            database.execute("INSERT INTO directory_state VALUES ('signing_key', 0, ?)", (file.read_text().strip(),))
        file.unlink()
    async with rig(tmp_path) as it:
        assert it.directory.list_signer.public_key == before
    assert file.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(tmp_path / "relays.db")) as database:
        assert database.execute("SELECT count(*) FROM directory_state WHERE key = 'signing_key'").fetchone() == (0,)


async def test_the_key_that_signs_lists_can_be_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    async with rig(tmp_path) as it:
        before = it.directory.list_signer.public_key
    file = tmp_path / "secrets" / "lists.key"
    file.parent.mkdir()
    (tmp_path / "relays.db.key").rename(file)
    config = {"database": {"path": str(tmp_path / "relays.db"), "signing_key_file": str(file)}}
    async with rig(tmp_path, config) as it:
        assert it.directory.list_signer.public_key == before
    assert not (tmp_path / "relays.db.key").exists()
    assert "another key" not in "".join(capsys.readouterr())
    file.unlink()
    async with rig(tmp_path, config) as it:
        assert it.directory.list_signer.public_key != before
    assert file.stat().st_mode & 0o777 == 0o600
    assert "lists are signed with another key than before" in "".join(capsys.readouterr())


async def test_two_directories_do_not_share_one_file(tmp_path: Path):
    async with rig(tmp_path) as it:
        await it.register(SYDNEY)
        with pytest.raises(UsageError) as caught:
            async with rig(tmp_path):
                pass
        assert caught.value.code == "database_in_use"
        assert await it.listed() == ["Sydney"]
    async with rig(tmp_path) as it:
        assert await it.listed() == ["Sydney"]


async def test_one_address_is_one_relay_however_it_is_written(tmp_path):
    async with rig(tmp_path) as it:
        first = await it.register(SYDNEY)
        for url in ("wss://SYDNEY.example.com", "wss://sydney.example.com:443/", "https://sydney.example.com"):
            assert (await it.register({**SYDNEY, "url": url}))["id"] == first["id"]
        other = await it.register({**SYDNEY, "url": "wss://sydney.example.com/other"})
        assert other["id"] != first["id"]


async def test_a_database_that_the_original_wrote_opens(tmp_path):
    row = (
        "relay-us-east-1",
        "East",
        "wss://east.example.com",
        1.0,
        2.0,
        "us",
        10,
        3,
        "k",
        "2026-01-01",
        "2026-01-01",
        1,
        0,
    )
    columns = (
        "id TEXT PRIMARY KEY, name TEXT, url TEXT UNIQUE, latitude REAL, longitude REAL, region TEXT, capacity INTEGER, "
        "current_connections INTEGER, public_key TEXT, registered_at TEXT, last_seen_at TEXT, healthy INTEGER, "
        "failed_checks INTEGER"
    )
    with closing(sqlite3.connect(tmp_path / "relays.db")) as database, database:
        database.execute(f"CREATE TABLE relays ({columns})")
        database.execute("INSERT INTO relays VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", row)
    for _ in range(2):
        async with rig(tmp_path) as it:
            again = await it.register({**SYDNEY, "url": "wss://east.example.com/"})
            assert again["id"] == "relay-us-east-1"
            assert (await it.http.post("/v1/relays/relay-us-east-1/drain")).json()["draining"] is True
            assert (await it.http.post("/v1/relays/relay-us-east-1/drain", json={"draining": False})).status_code == 200


async def test_who_did_what_is_written_down(tmp_path):
    async with rig(tmp_path, KEYS) as it:
        relay = await it.register(SYDNEY, headers=bearer("alice"))
        path = f"/v1/relays/{relay['id']}"
        await it.register(SYDNEY, headers=bearer("alice"))
        await it.http.post(f"{path}/heartbeat", json={"current_connections": 3}, headers=bearer("alice"))
        await it.http.post(f"{path}/drain", headers=bearer("admin"))
        await it.http.post(f"{path}/drain", json={"draining": False}, headers=bearer("alice"))
        assert (await it.http.delete(path, headers=bearer("alice"))).status_code == 409
        await it.http.delete(f"{path}?force=1", headers=bearer("admin"))
        assert await actions(it) == [
            ("force_delete", "key:admin"),
            ("resume", "key:alice"),
            ("drain", "key:admin"),
            ("renew", "key:alice"),
            ("register", "key:alice"),
        ]


async def test_the_audit_is_bounded_in_rows_and_in_time(tmp_path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit_log, "KEEP_ROWS", 5)
    async with rig(tmp_path, clock=clock) as it:
        for number in range(8):
            await it.register({**SYDNEY, "url": f"wss://r{number}.example.com"})
        assert len(await actions(it)) == 5
        clock.advance(timedelta(days=91).total_seconds())
        for number in range(4):
            await it.register({**SYDNEY, "url": f"wss://late{number}.example.com"})
        written = await it.directory.database.write(audit_log.entries)
    assert [entry.url for entry in written] == [f"wss://late{number}.example.com" for number in (3, 2, 1, 0)]


async def test_a_heartbeat_that_comes_late_or_twice_says_nothing_new(tmp_path):
    async with rig(tmp_path) as it:
        relay = await it.register(SYDNEY)

        async def connections_after(seq: int, connections: int) -> int:
            beat = {"seq": seq, "current_connections": connections}
            assert (await it.http.post(f"/v1/relays/{relay['id']}/heartbeat", json=beat)).status_code == 200
            status = await it.http.get(f"/v1/relays/{relay['id']}/status")
            return status.json()["current_connections"]

        assert await connections_after(500, 1) == 1
        assert await connections_after(502, 2) == 2
        assert await connections_after(501, 99) == 2
        assert await connections_after(502, 99) == 2
        assert await connections_after(3, 4) == 4  # it began anew
        await it.register(SYDNEY)  # and this says so, too
        assert await connections_after(1, 5) == 5


@pytest.mark.parametrize(
    "change",
    [
        lambda it, path: it.http.post(f"{path}/drain"),
        lambda it, path: it.http.delete(path),
        lambda it, _: it.http.post("/v1/relays/register", json={**SYDNEY, "region": "moon"}),
        lambda it, _: it.http.post("/v1/relays/register", json=LONDON),
    ],
    ids=["drain", "delete", "renew", "register"],
)
async def test_what_the_database_refused_did_not_happen(tmp_path, change: Callable[[Rig, str], Any]):
    async with rig(tmp_path) as it:
        relay = await it.register(SYDNEY)
        path = f"/v1/relays/{relay['id']}"
        before = (await it.http.get("/v1/relays")).json(), list(it.directory.health)
        run, it.directory.database.write = it.directory.database.write, failing  # type: ignore[method-assign]
        assert (await change(it, path)).status_code == 503
        it.directory.database.write = run  # type: ignore[method-assign]
        assert ((await it.http.get("/v1/relays")).json(), list(it.directory.health)) == before


async def test_whoever_leaves_early_leaves_no_ghost(tmp_path):
    async with rig(tmp_path) as it:
        relay = it.directory.registration.require((await it.register(SYDNEY))["id"])
        deleting = asyncio.create_task(it.directory.registration.delete(relay, force=True))
        await asyncio.sleep(0)
        deleting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await deleting
    async with rig(tmp_path) as it:
        stored = len(it.directory.registry)
    assert stored == 0


async def test_a_change_whose_fate_is_unknown_is_read_again(tmp_path, virtual_clock):
    async with rig(tmp_path, clock=virtual_clock) as it:
        relay = await it.register(SYDNEY)
        run = it.directory.database.write

        async def too_slow(work: Any, **options: Any) -> Any:
            await run(work, **options)
            raise DependencyError("the database did not answer", code="database_busy")

        it.directory.database.write = too_slow  # type: ignore[method-assign]
        assert (await it.http.delete(f"/v1/relays/{relay['id']}")).status_code == 503
        it.directory.database.write = run  # type: ignore[method-assign]
        await asyncio.sleep(3)
        assert await it.listed() == []


async def test_without_the_database_relays_are_probed_all_the_same(tmp_path, virtual_clock):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        it.internet.answers[SYDNEY_PROBE] = HEALTHY
        await it.register(SYDNEY)
        await asyncio.sleep(60)
        it.directory.prober._leases.acquire = failing  # type: ignore[attr-defined,method-assign]
        await asyncio.sleep(60)
        it.internet.answers.clear()
        await asyncio.sleep(150)
        assert await it.listed() == []


async def test_without_the_database_others_relays_are_looked_at_too_in_the_end(tmp_path, virtual_clock):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        it.internet.answers[SYDNEY_PROBE] = HEALTHY
        leases = it.directory.prober._leases  # type: ignore[attr-defined]
        relay = await it.register(SYDNEY)
        await asyncio.sleep(60)
        it.internet.asked.clear()
        await leases.release(it.directory.prober._holder)  # type: ignore[attr-defined]
        await leases.acquire([relay["id"]], "another", 1000)
        await asyncio.sleep(90)
        assert it.internet.asked == []
        leases.acquire = failing
        await asyncio.sleep(150)
        assert len(it.internet.asked) >= 2


async def test_a_relay_that_could_not_be_removed_and_is_well_again_stays(tmp_path, virtual_clock):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        relay = await it.register(SYDNEY)
        run, it.directory.database.write = it.directory.database.write, failing  # type: ignore[method-assign]
        await asyncio.sleep(600)
        it.directory.database.write = run  # type: ignore[method-assign]
        it.internet.answers[SYDNEY_PROBE] = HEALTHY
        await asyncio.sleep(120)
        assert (await it.http.get(f"/v1/relays/{relay['id']}/status")).json()["healthy"] is True


class SetClock(Clock):
    """A clock whose wall time somebody sets."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.set_by = timedelta()

    def now(self) -> float:
        return self._clock.now()

    def wall(self) -> Any:
        return self._clock.wall() + self.set_by


@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_clock_that_is_set_neither_stops_the_probes_nor_bunches_them(tmp_path, virtual_clock, hours: int):
    clock = SetClock(virtual_clock)
    async with rig(tmp_path, PROBED, clock=clock) as it:
        it.internet.answers[SYDNEY_PROBE] = HEALTHY
        await it.register(SYDNEY)
        await asyncio.sleep(100)
        clock.set_by = timedelta(hours=hours)
        it.internet.asked.clear()
        await asyncio.sleep(300)
        assert 9 <= len(it.internet.asked) <= 12
        assert await it.listed() == ["Sydney"]


async def test_registering_again_and_again_makes_no_flood_of_probes(tmp_path, virtual_clock):
    async with rig(tmp_path, PROBED, clock=virtual_clock) as it:
        for _ in range(50):
            await it.register(SYDNEY)
            await asyncio.sleep(1)
        assert len(it.internet.asked) <= 5
