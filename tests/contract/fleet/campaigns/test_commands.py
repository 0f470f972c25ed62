"""`vox bridge import` and `vox bridge explain` against a running bridge."""

import asyncio
from pathlib import Path

import pytest

from tests.contract.fleet.bridge.harness import World, world
from tests.time_limits import time_limit
from vox.cli.main import main
from vox.clients.carrier_simulator.behaviour import Behaviour

RULES = {"windows": [{"start": "00:00", "end": "24:00"}], "pacing": {"calls_per_s": 50}}


async def vox(bridge: World, *arguments: str) -> int:
    access = ("--url", bridge.bridge.address, "--key", bridge.key)
    return await asyncio.to_thread(main, ["bridge", *arguments, *access])


async def test_a_file_is_imported_and_a_call_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    async with world(tmp_path, Behaviour(hangs_up_after_s=0.2)) as bridge:
        made = await bridge.post("/v1/campaigns", {"name": "x", "bot_id": "helper", "rules": RULES})
        campaign = made.json()["id"]
        file, errors = tmp_path / "people.csv", tmp_path / "errors.csv"
        file.write_text("phone,name\n+4915110000000,Ann\n0171,Bo\n+4915110000001,Cy\n+4915110000001,Cy\n")
        assert await vox(bridge, "import", str(file), "--campaign", campaign) == 1
        said = capsys.readouterr().out
        assert "2 imported, 1 were there already, 1 rows cannot be used" in said
        assert "row 3, column phone: '0171' has no country code" in said
        assert await vox(bridge, "import", str(file), "--campaign", campaign, "--errors", str(errors)) == 1
        assert "2 imported" in capsys.readouterr().out, "the same file again changes nothing"
        assert errors.read_text().splitlines()[1].startswith("3,phone,")

        listed = tmp_path / "listed.csv"
        listed.write_text("number\n+4915110000001\n")
        assert await vox(bridge, "import", str(listed), "--do-not-call", "campaign", "--owner", campaign) == 0
        await bridge.post(f"/v1/campaigns/{campaign}/start")
        async with time_limit():
            while True:
                calls = (await bridge.get("/v1/calls")).json()["calls"]
                if calls:
                    break
                await asyncio.sleep(0.05)
        capsys.readouterr()
        assert await vox(bridge, "explain", calls[0]["id"]) == 0
        said = capsys.readouterr().out
        assert "dial (due)" in said
        assert "local time: Europe/Berlin" in said
        assert "made again: dial (due), the same" in said
        assert "as it was written" in said

        await bridge.bridge.database.write(
            lambda connection: connection.exec_driver_sql("UPDATE bridge_dial_ledger SET reason = 'max_attempts'")
        )
        assert await vox(bridge, "explain", calls[0]["id"]) == 1
        said = capsys.readouterr().out
        assert "NOT the same" in said
        assert "CHANGED" in said


async def test_what_cannot_be_done_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    async with world(tmp_path) as bridge:
        (tmp_path / "x.xlsx").write_bytes(b"PK\x03\x04")
        made = await bridge.post("/v1/campaigns", {"name": "x", "bot_id": "helper", "rules": RULES})
        assert await vox(bridge, "import", str(tmp_path / "x.xlsx"), "--campaign", made.json()["id"]) != 0
        assert "an Excel workbook" in capsys.readouterr().err
        assert await vox(bridge, "import", str(tmp_path / "none.csv"), "--campaign", "camp_0") != 0
        assert "cannot be read" in capsys.readouterr().err
        assert await vox(bridge, "explain", "call_0") != 0
        assert "No campaign decided about this call" in capsys.readouterr().err
