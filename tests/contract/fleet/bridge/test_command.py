"""`vox bridge key` and `vox bridge migrate`, also beside a bridge that runs."""

import asyncio
from pathlib import Path

import pytest

from tests.contract.fleet.bridge.harness import running_bridge
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
