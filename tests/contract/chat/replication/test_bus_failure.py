"""A change is committed, and what follows fails: nobody misses it without being told, and memory knows of it at once."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.chat.gateway.test_gateway import hide, resumed
from tests.contract.chat.harness import Rig, community
from vox.chat.events import Event, Everyone
from vox.chat.gateway.metrics import FAILURES


def fails_once(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
    """The next call raises; those after it are real again."""
    real = getattr(where, name)

    def failing(*_given: Any, **_named: Any) -> Any:
        monkeypatch.setattr(where, name, real)
        raise KeyError("a fault of ours")

    monkeypatch.setattr(where, name, failing)


def failures(rig: Rig) -> int:
    name = FAILURES.name
    return next(
        int(float(line.split()[1]))
        for line in rig.chat.metrics.render().decode().splitlines()
        if line.startswith(f"{name} ")
    )


@pytest.mark.parametrize(
    "where", ["community.apply", "config.absorb", "hub.on_access_changed", "bus.publish", "hub.publish"]
)
async def test_who_is_connected_begins_anew_and_finds_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
):
    async with community("sqlite://", tmp_path) as chat:
        alice = await chat.register("alice")
        part, name = where.split(".")
        async with alice.gateway() as gateway:
            fails_once(monkeypatch, getattr(chat.server if part == "hub" else chat.chat, part), name)
            made = await alice.ok("POST", "/feeds", {"name": "general", "type": "text"})
            assert await gateway.closed() == 4009
        assert made["feed_id"] in chat.chat.community.feeds
        assert failures(chat) == 1
        async with alice.gateway() as gateway:
            sent = await alice.ok("POST", f"/feeds/{made['feed_id']}/messages", {"body": "x"})
            await gateway.expect("message_create", msg_id=sent["msg_id"])


async def test_memory_that_cannot_be_made_anew_at_first_is_made_anew_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with community("sqlite://", tmp_path) as chat:
        alice = await chat.register("alice")
        fails_once(monkeypatch, chat.chat.community, "apply")
        fails_once(monkeypatch, chat.chat.community, "replace")
        async with alice.gateway() as gateway:
            made = await alice.ok("POST", "/feeds", {"name": "general", "type": "text"})
            assert await gateway.closed() == 4009
        assert made["feed_id"] in chat.chat.community.feeds
        async with alice.gateway() as gateway:
            sent = await alice.ok("POST", f"/feeds/{made['feed_id']}/messages", {"body": "x"})
            await gateway.expect("message_create", msg_id=sent["msg_id"])


async def test_who_is_away_is_told_on_coming_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with community("sqlite://", tmp_path) as chat:
        alice, bob = await chat.register("alice"), await chat.register("bob")
        async with bob.gateway() as gateway:
            last = gateway.last_seq
        fails_once(monkeypatch, chat.chat.config, "absorb")
        made = await alice.ok("POST", "/feeds", {"name": "general", "type": "text"})
        frames = await resumed(chat, bob, gateway, last)
        assert [frame["d"]["feed_id"] for frame in frames if frame["type"] == "feed_create"] == [made["feed_id"]]


async def test_what_cannot_enter_the_log_ends_it(tmp_path: Path):
    async with community("sqlite://", tmp_path) as chat:
        bob = await chat.register("bob")
        async with bob.gateway() as gateway:
            last = gateway.last_seq
        chat.chat.tell(Event("no_such_thing", {"what": object()}, Everyone()))
        async with chat.socket() as again:
            await again.expect("hello")
            d = {"token": bob.token, "session_id": gateway.ready["session_id"], "last_seq": last}
            await again.send("resume", d)
            assert await again.closed() == 4009


async def test_a_feed_that_nobody_was_told_of_vanishes_and_appears_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with community("sqlite://", tmp_path) as chat:
        alice, bob = await chat.register("alice"), await chat.register("bob")
        fails_once(monkeypatch, chat.chat.bus, "publish")
        feed_id = (await alice.ok("POST", "/feeds", {"name": "general", "type": "text"}))["feed_id"]
        async with bob.gateway() as gateway:
            await hide(alice, feed_id)
            await gateway.expect("feed_delete", feed_id=feed_id)
            everyone = next(role for role in (await alice.ok("GET", "/roles"))["items"] if role["position"] == 0)
            await alice.ok("DELETE", f"/feeds/{feed_id}/permissions/role/{everyone['role_id']}")
            await gateway.expect("feed_create", feed_id=feed_id)
