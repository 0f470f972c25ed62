"""What may come between in the middle of a resume, and that a session outlives a resume that did not get through."""

import asyncio

import pytest

from tests.unit.chat.gateway.gateway_harness import Client, Scene, settle
from vox.chat.errors import refuse
from vox.chat.gateway import GatewayLimits
from vox.errors import DependencyError


async def left_behind(scene: Scene) -> Client:
    """Somebody who has lost the connection, and then a message came."""
    bob = await scene.join(2)
    await bob.drop()
    scene.say()
    return bob


def held_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Reading the log takes until the event is set."""
    go_on, real = asyncio.Event(), scene.bus.entries_after

    async def entries_after(position: int, limit: int):
        await go_on.wait()
        return await real(position, limit)

    monkeypatch.setattr(scene.bus, "entries_after", entries_after)
    return go_on


def kinds(client: Client) -> list[str]:
    return [kind for kind, _ in client.events()]


async def test_a_login_that_ends_in_the_middle_does_not_get_in(monkeypatch: pytest.MonkeyPatch):
    scene = Scene()
    bob = await left_behind(scene)
    go_on = held_up(scene, monkeypatch)
    client = await scene.resume(bob)

    async def who(token: str, source: str = ""):
        raise refuse("AUTH_EXPIRED", "logged out")

    with monkeypatch.context() as patch:
        patch.setattr(scene, "authenticate_member", who)
        scene.revocations += 1
        go_on.set()
        await settle()
        assert client.socket.verdict == (4004, "authentication failed")
        assert not scene.hub.connections
    await scene.hub._handshake.keep(client.connection)
    assert "resumed" in kinds(await scene.resume(bob)), "with a good token the session goes on"


async def test_the_end_of_other_logins_in_the_middle_disturbs_nobody(monkeypatch: pytest.MonkeyPatch):
    scene = Scene()
    bob = await left_behind(scene)
    go_on = held_up(scene, monkeypatch)
    client = await scene.resume(bob)
    scene.revocations += 1
    go_on.set()
    await settle()
    assert kinds(client)[1:] == ["message_create", "resumed"]


async def test_who_loses_the_connection_in_the_middle_resumes_again(monkeypatch: pytest.MonkeyPatch):
    scene = Scene()
    bob = await left_behind(scene)
    go_on = held_up(scene, monkeypatch)
    client = await scene.resume(bob)
    client.connection.closed(1006, "")
    await settle()
    await scene.hub._handshake.keep(client.connection)
    go_on.set()
    assert kinds(await scene.resume(bob))[1:] == ["message_create", "resumed"]


async def test_who_has_too_many_sessions_resumes_later():
    scene = Scene(GatewayLimits(per_user=1))
    bob = await left_behind(scene)
    other = await scene.join(2)
    client = await scene.resume(bob)
    assert client.socket.verdict == (4006, "too many sessions")
    await client.drop()
    await other.drop()
    assert kinds(await scene.resume(bob))[1:3] == ["message_create", "resumed"]


async def test_a_log_that_cannot_be_read_now_ends_no_session(monkeypatch: pytest.MonkeyPatch):
    scene = Scene()
    bob = await left_behind(scene)

    async def entries_after(position: int, limit: int):
        raise DependencyError("Redis is away", code="redis_failed", retryable=True)

    with monkeypatch.context() as patch:
        patch.setattr(scene.bus, "entries_after", entries_after)
        client = await scene.resume(bob)
        assert client.socket.verdict == (4000, "unknown error"), "which clients take as: resume"
    await client.drop()
    assert kinds(await scene.resume(bob))[1:] == ["message_create", "resumed"]


async def test_a_session_waits_no_longer_however_often_it_is_tried(monkeypatch: pytest.MonkeyPatch):
    scene = Scene(GatewayLimits(per_user=1))
    bob = await left_behind(scene)
    other = await scene.join(2)
    for _ in range(4):
        scene.clock.advance(100)
        await other.say("heartbeat")
        await (await scene.resume(bob)).drop()
    await other.drop()
    assert (await scene.resume(bob)).socket.verdict == (4009, "session expired")


async def test_a_session_that_nobody_came_to_keep_is_forgotten():
    scene = Scene()
    lost, other = await scene.join(2), await scene.join(3)
    lost.connection.closed(1006, "")  # and then its task failed, before `keep`
    scene.clock.advance(301)
    await other.drop()
    assert not scene.hub._handshake._waiting
    assert (await scene.resume(lost)).socket.verdict == (4009, "session expired")
