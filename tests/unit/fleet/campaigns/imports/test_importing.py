import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from tests.unit.fleet.campaigns.harness import new_yorkers, world
from vox.errors import PeerError, UsageError
from vox.fleet.campaigns.do_not_call import number_digest
from vox.fleet.campaigns.imports import importing
from vox.fleet.campaigns.imports.importing import Imports, ListTarget, RecipientTarget
from vox.fleet.campaigns.rules.states import CampaignEvent

FILE = b"number,name\n" + b"".join(f"{number},n{row}\n".encode() for row, number in enumerate(new_yorkers(2500)))


async def pieces(data: bytes, size: int = 7000, stop_at: int | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        if stop_at is not None and start >= stop_at:
            raise PeerError("The request ended early.", code="body_incomplete")
        yield data[start : start + size]


async def test_recipients_are_imported_with_every_bad_row_named():
    async with world() as bridge:
        campaign = await bridge.campaign([], start=False)
        data = b"phone;time_zone;city\n+12125550000;;NYC\n12;;X\n+12125550000;;again\n+12125550001;Mars/Base;Y\n+491714155123;;B\n"
        done = await Imports(bridge.database, bridge.clock).run("imp_1", RecipientTarget(campaign), pieces(data, 5))
        assert (done["state"], done["accepted"], done["duplicates"], done["rejected"]) == ("done", 2, 1, 2)
        assert [(one["row"], one["column"]) for one in done["errors"]] == [(3, "phone"), (5, "time_zone")]
        assert (await bridge.recipient(campaign))["variables"] == {"city": "NYC"}


async def test_an_interrupted_import_goes_on_where_it_stopped():
    async with world() as bridge:
        campaign = await bridge.campaign([], start=False)
        imports, target = Imports(bridge.database, bridge.clock), RecipientTarget(campaign)
        with pytest.raises(PeerError):
            await imports.run("imp_1", target, pieces(FILE, stop_at=40_000))
        before = await imports.get("imp_1")
        assert before["state"] == "running"
        assert 0 < before["accepted"] < 2500
        done = await imports.run("imp_1", target, pieces(FILE, 6000))
        assert (done["state"], done["accepted"], done["duplicates"], done["last_row"]) == ("done", 2500, 0, 2501)
        again = await imports.run("imp_1", target, pieces(FILE))
        assert (again["accepted"], again["duplicates"]) == (2500, 0)


async def test_another_file_under_the_same_id_is_refused():
    async with world() as bridge:
        campaign = await bridge.campaign([], start=False)
        imports, target = Imports(bridge.database, bridge.clock), RecipientTarget(campaign)
        await imports.run("imp_1", target, pieces(b"number\n+12125550000\n"))
        for other in (b"number\n+12125550001\n", b"number\n+12125550001\n+12125550000\n", b"number\n"):
            with pytest.raises(UsageError) as caught:
                await imports.run("imp_1", target, pieces(other))
            assert caught.value.code == "import_conflict"
        with pytest.raises(UsageError, match="elsewhere"):
            await imports.run("imp_1", ListTarget("global"), pieces(b"number\n+12125550000\n"))
        assert await bridge.states(campaign) == {"pending": 1}


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04\x00\x00", b"\x00\x01\x02\x03\n", b"name,city\nAnn,X\n"])
async def test_a_file_that_is_no_list_of_numbers_is_refused_and_said_so(data):
    async with world() as bridge:
        campaign = await bridge.campaign([], start=False)
        imports = Imports(bridge.database, bridge.clock)
        with pytest.raises(UsageError) as caught:
            await imports.run("imp_1", RecipientTarget(campaign), pieces(data))
        assert caught.value.code in {"csv_invalid", "csv_header_invalid"}
        shown = await imports.get("imp_1")
        assert (shown["state"], shown["accepted"]) == ("failed", 0)
        assert shown["problem"]


async def test_an_import_of_only_bad_rows_is_stopped(monkeypatch):
    monkeypatch.setattr(importing, "MOST_BAD_ROWS", 1500)
    async with world() as bridge:
        campaign = await bridge.campaign([], start=False)
        imports = Imports(bridge.database, bridge.clock)
        with pytest.raises(UsageError, match="stopped"):
            await imports.run("imp_1", RecipientTarget(campaign), pieces(b"number\n" + b"nonsense\n" * 5000))
        assert len(await imports.errors("imp_1", limit=5000, after=0)) < 3500


async def test_the_same_import_does_not_run_twice_at_once():
    async with world() as bridge:
        campaign = await bridge.campaign([], start=False)
        imports, target = Imports(bridge.database, bridge.clock), RecipientTarget(campaign)
        has_begun, may_go = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            has_begun.set()
            yield b"number\n"
            await may_go.wait()

        first = asyncio.create_task(imports.run("imp_1", target, slow()))
        await has_begun.wait()
        with pytest.raises(UsageError, match="running"):
            await imports.run("imp_1", target, pieces(FILE))
        may_go.set()
        assert (await first)["state"] == "done"


async def test_numbers_and_hashes_come_onto_a_list():
    async with world() as bridge:
        imports = Imports(bridge.database, bridge.clock)
        hashes = "\n".join(["sha256", number_digest("+12125550000"), "abc"])
        done = await imports.run("imp_1", ListTarget("tenant", "acme"), pieces(hashes.encode()))
        assert (done["accepted"], done["rejected"]) == (1, 1)
        done = await imports.run("imp_2", ListTarget("global"), pieces(b"phone,why\n+1 212 555 0001,asked\n"))
        assert done["accepted"] == 1
        assert (await bridge.campaigns.listed("+12125550000", "acme", ""))["scopes"] == ["tenant"]
        assert (await bridge.campaigns.listed("+12125550001", "", ""))["scopes"] == ["global"]


async def test_a_campaign_that_is_over_takes_no_recipients_and_a_completed_one_is_paused():
    async with world() as bridge:
        campaign = await bridge.campaign(new_yorkers(1), start=False)
        await bridge.campaigns.change_state(campaign, CampaignEvent.CANCEL)
        imports = Imports(bridge.database, bridge.clock)
        with pytest.raises(UsageError) as caught:
            await imports.run("imp_1", RecipientTarget(campaign), pieces(FILE))
        assert caught.value.code == "campaign_state_conflict"
        with pytest.raises(UsageError) as caught:
            await imports.run("imp_2", RecipientTarget("camp_none"), pieces(FILE))
        assert caught.value.code == "campaign_not_found"


async def test_memory_does_not_grow_with_the_file(tmp_path):
    async def long_file(rows: int) -> AsyncIterator[bytes]:
        yield b"sha256\n"
        for start in range(0, rows, 500):
            yield b"".join(b"%064x\n" % number for number in range(start, start + 500))

    async with world(f"sqlite:///{tmp_path / 'bridge.db'}") as bridge:
        imports = Imports(bridge.database, bridge.clock)
        await imports.run("imp_0", ListTarget("global"), long_file(4000))
        tracemalloc.start()
        try:
            await imports.run("imp_1", ListTarget("tenant", "a"), long_file(4000))
            small = tracemalloc.get_traced_memory()[1]
            await imports.run("imp_2", ListTarget("tenant", "b"), long_file(16_000))
            large = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert large < 2 * small
