"""`vox bridge key` and `vox bridge migrate`, also beside a bridge that runs."""

import asyncio
from pathlib import Path

import pytest

from tests.contract.fleet.bridge.harness import PlayedWorker, running_bridge
from vox.cli.main import main


async def vox(*words: str) -> int:
    return await asyncio.to_thread(main, ["bridge", *words])


async def test_keys_are_created_listed_and_revoked_while_a_bridge_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    url = f"sqlite:///{tmp_path / 'bridge.db'}"
    async with running_bridge(url, {}) as bridge:
        assert await vox("--database", url, "key", "create", "--name", "crm", "--scopes", "calls:read,worker:w-1") == 0
        text = capsys.readouterr().out.strip().splitlines()[-1]
        key = await bridge.api_keys.find(text)
        assert key is not None
        assert (key.scopes, key.workers) == (("calls:read", "worker:w-1"), ("w-1",))
        assert await vox("--database", url, "key", "list") == 0
        assert "crm" in capsys.readouterr().out
        assert await vox("--database", url, "key", "revoke", key.id) == 0
        assert await bridge.api_keys.find(text) is None
        assert await vox("--database", url, "key", "create", "--name", "x", "--scopes", "all") == 2
        assert "unknown_scope" in capsys.readouterr().err
        assert await vox("--database", url) == 2
        assert "another bridge runs" in capsys.readouterr().err
    assert await vox("--database", url, "migrate") == 0
    assert "up to date" in capsys.readouterr().out


async def test_a_link_to_sign_in_is_printed_once_and_all_sessions_can_be_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    url = f"sqlite:///{tmp_path / 'bridge.db'}"
    async with running_bridge(url, {}) as bridge:
        assert await vox("--database", url, "--port", "8123", "login") == 0
        address, _, link = capsys.readouterr().out.strip().splitlines()[-1].partition("#sign-in=")
        assert address == "http://127.0.0.1:8123/"
        new = await bridge.operator_sessions.sign_in(link)
        assert await vox("--database", url, "login", "--url", "https://bridge.example/") == 0
        assert "https://bridge.example/#sign-in=vbl_" in capsys.readouterr().out
        assert await vox("--database", url, "login", "--end-sessions") == 0
        assert "Sessions ended: 1" in capsys.readouterr().out
        assert await bridge.operator_sessions.find(new.token) is None


async def test_the_fleet_s_status_can_be_asked_of_the_bridge(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    async with running_bridge(f"sqlite:///{tmp_path / 'bridge.db'}", {}) as bridge:
        worker = PlayedWorker("ws://127.0.0.1:1", 5)
        worker.connect(bridge, "w-1")
        status = ["fleet", "status", "--bridge", bridge.address]
        assert await asyncio.to_thread(main, status) == 0
        [shown] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("w-1")]
        assert shown.split() == ["w-1", "ready", "0", "5", "5", "1", "-"]
        assert await asyncio.to_thread(main, [*status, "--json"]) == 0
        assert '"worker_id": "w-1"' in capsys.readouterr().out
        assert await asyncio.to_thread(main, ["fleet", "status", "8001", "--bridge", bridge.address]) == 2
        address = bridge.address
        await worker.close()
    assert await asyncio.to_thread(main, ["fleet", "status", "--bridge", address]) != 0
    assert "no bridge answers" in capsys.readouterr().err
