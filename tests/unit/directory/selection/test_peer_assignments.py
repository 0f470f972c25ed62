"""Directories that tell each other whom they sent where."""

from typing import Any

from sqlalchemy import text

from tests.fakes.clock import FakeClock
from tests.unit.directory.harness import LONDON, Rig, rig
from vox.directory.selection.peer_assignments import KEEP_S, PeerAssignments

ROOM = 20
SMALL = {**LONDON, "capacity": ROOM}


class Other:
    """Another directory's chooser, as far as it is asked here."""

    def __init__(self) -> None:
        self.to_tell: dict[str, int] = {}
        self.heard: list[dict[str, int]] = []

    def share(self) -> None:
        pass

    def take_assigned(self) -> dict[str, int]:
        told, self.to_tell = self.to_tell, {}
        return told

    def assigned_elsewhere(self, counts: dict[str, int]) -> None:
        self.heard.append(counts)


def both(it: Rig) -> tuple[PeerAssignments, PeerAssignments, Other]:
    database, clock, other = it.directory.database, it.directory.clock, Other()
    theirs = PeerAssignments(database, other, clock, "them")  # type: ignore[arg-type]
    return PeerAssignments(database, it.directory.selector, clock, "us"), theirs, other


async def select(it: Rig) -> str:
    answer = (await it.http.get("/v1/relays/select")).json()
    return answer["code"] if "code" in answer else answer["relay"]["id"]


async def test_clients_that_others_sent_take_up_room_here(tmp_path):
    async with rig(tmp_path) as it:
        relay = await it.register(SMALL)
        ours, theirs, other = both(it)
        other.to_tell = {relay["id"]: ROOM - 1, "gone": 3}
        await theirs.exchange()
        for _ in range(3):  # heard once, however often it is read
            await ours.exchange()
        assert await select(it) == relay["id"]
        assert await select(it) == "NO_RELAY_AVAILABLE"


async def test_others_are_told_once_of_clients_that_were_sent_from_here(tmp_path):
    async with rig(tmp_path) as it:
        relay = await it.register(SMALL)
        ours, theirs, other = both(it)
        for _ in range(3):
            await select(it)
        for _ in range(2):
            await ours.exchange()
            await theirs.exchange()
        await select(it)
        await ours.exchange()
        await theirs.exchange()
        assert other.heard == [{relay["id"]: 3}, {relay["id"]: 1}]


async def test_what_a_report_includes_is_not_told(tmp_path):
    async with rig(tmp_path) as it:
        relay = await it.register(SMALL)
        ours, theirs, other = both(it)
        await select(it)
        await it.http.post(f"/v1/relays/{relay['id']}/heartbeat", json={"current_connections": 1})
        await ours.exchange()
        await theirs.exchange()
    assert other.heard == []


async def test_a_directory_that_shares_with_nobody_keeps_no_counts_for_others(tmp_path):
    async with rig(tmp_path) as it:
        await it.register(SMALL)
        await select(it)
        assert it.directory.selector.take_assigned() == {}


async def test_rows_do_not_pile_up_and_old_ones_are_not_heard(tmp_path):
    clock = FakeClock()
    async with rig(tmp_path, clock=clock) as it:
        relay = await it.register(SMALL)
        _, theirs, other = both(it)
        for _ in range(30):
            other.to_tell = {relay["id"]: 1}
            await theirs.exchange()
            clock.advance(1.0)
        assert await rows(it) <= KEEP_S + 1
        clock.advance(120.0)
        ours, _, _ = both(it)  # a directory that starts long after they died
        await ours.exchange()
        assert it.directory.selector.take_assigned() == {}
        assert [await select(it) for _ in range(ROOM)] == [relay["id"]] * ROOM


async def rows(it: Rig) -> int:
    count: Any = await it.directory.database.read(
        lambda connection: connection.execute(text("SELECT count(*) FROM relay_assignments")).scalar_one()
    )
    return int(count)
