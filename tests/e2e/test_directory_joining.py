"""How relays join a `vox directory` that does not know them, with the commands and the client that people use."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.directories import ADDED, directory, eventually, vox
from tests.e2e.postgres import postgres
from tests.time_limits import time_limit
from vox.clients.directory import DirectoryClient
from vox.errors import UsageError
from vox.security.http_signatures import new_key_pair

ADMIN = "admin-0123456789abcdef"
UNPROBED = {"enabled": False}


def described(url: str, **change: Any) -> dict[str, Any]:
    return {"name": "Sydney", "url": url, "latitude": -33.87, "longitude": 151.21, "public_key": "k", **change}


async def test_a_token_from_the_command_line_lets_one_relay_join(tmp_path: Path):
    access = {"mode": "token", "admin_key": ADMIN}
    async with directory(tmp_path, health_check=UNPROBED, access=access) as (running, http):
        code, printed, error = await vox(running, "token", "create", "--note", "Sydney", VOX_DIRECTORY_KEY=ADMIN)
        assert code == 0, error
        token = printed.strip()
        added = (*ADDED, "--key-file", str(tmp_path / "sydney.key"))
        code, _, error = await vox(running, *added, VOX_DIRECTORY_JOIN_TOKEN=token)
        assert code == 0, error
        await eventually(http, ["Sydney"])
        async with DirectoryClient(running.http, key_pair=new_key_pair()) as stranger:
            with pytest.raises(UsageError, match="JOIN_TOKEN_REFUSED"):
                await stranger.register(described("wss://other.example.com", join_token=token))
            with pytest.raises(UsageError, match="UNAUTHORIZED"):
                await stranger.create_join_token()
    assert token not in running.log.read_text()


async def test_what_one_directory_approves_or_refuses_the_other_knows(tmp_path: Path):
    with postgres() as url:
        config: dict[str, Any] = {
            "database": {"url": url},
            "health_check": UNPROBED,
            "access": {"mode": "approval", "admin_key": ADMIN},
        }
        async with (
            directory(tmp_path, name="first", **config) as (first, http),
            directory(tmp_path, name="second", **config) as (second, _),
            DirectoryClient(second.http, api_key=ADMIN) as operator,
            DirectoryClient(first.http, key_pair=new_key_pair()) as good,
            DirectoryClient(first.http, key_pair=new_key_pair()) as bad,
        ):
            approved = await good.register(described("wss://good.example.com"))
            refused = await bad.register(described("wss://bad.example.com"))
            async with time_limit():
                while len(await operator.waiting()) < 2:  # noqa: ASYNC110  what it waits for happens in another process
                    await asyncio.sleep(0.05)
            assert (await operator.approve(approved["id"]))["state"] == "healthy"
            await operator.refuse(refused["id"], reason="unknown")
            await eventually(http, ["Sydney"])
            with pytest.raises(UsageError, match="ENROLMENT_REFUSED"):
                await bad.register(described("wss://bad.example.com"))
