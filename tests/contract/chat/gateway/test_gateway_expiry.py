"""A login that merely expires ends its sockets; one that was prolonged meanwhile does not."""

from pathlib import Path

import pytest
from sqlalchemy import update

from tests.contract.chat.harness import Person, community
from tests.fakes.clock import FakeClock
from vox.chat.database.schema import sessions
from vox.chat.gateway import expiry
from vox.chat.gateway.expiry import close_expired


async def expires(who: Person, clock: FakeClock, after_s: int) -> None:
    """The login ends then, however much it is used; before a heartbeat is missed, if it is short enough."""
    now_s = clock.unix_s()
    statement = update(sessions).where(sessions.c.user_id == who.user_id)
    await who.rig.chat.database.write(
        lambda connection: connection.execute(statement.values(created_at=0, expires_at=now_s + after_s)).rowcount
    )


async def test_the_socket_of_an_expired_login_is_closed_and_no_other(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(expiry, "EVERY_S", 0.01)
    clock = FakeClock()
    async with community(database_url, tmp_path, clock=clock) as chat:
        alice, bob = await chat.register("alice"), await chat.register("bob")
        await expires(bob, clock, 20)
        async with alice.gateway() as a, bob.gateway() as b:
            clock.advance(19)
            await close_expired(chat.server.hub, chat.chat.read, chat.chat.clock)
            await b.events()
            clock.advance(1)
            assert await b.closed() == 4004
            assert b.close_reason == "the login has expired"
            async with chat.socket() as again:
                await again.expect("hello")
                d = {"token": bob.token, "session_id": b.ready["session_id"], "last_seq": b.last_seq}
                await again.send("resume", d)
                assert await again.closed() == 4004
            await a.events()


async def test_a_login_that_was_prolonged_keeps_its_sockets_until_its_new_end(database_url: str, tmp_path: Path):
    clock = FakeClock()
    async with community(database_url, tmp_path, clock=clock) as chat:
        bob = await chat.register("bob")
        await expires(bob, clock, 20)
        async with bob.gateway() as b:
            await expires(bob, clock, 40)
            clock.advance(30)
            await b.events()
            await close_expired(chat.server.hub, chat.chat.read, chat.chat.clock)
            await b.events()
            clock.advance(10)
            await close_expired(chat.server.hub, chat.chat.read, chat.chat.clock)
            assert await b.closed() == 4004


async def test_who_resumes_with_another_login_lives_as_long_as_that(database_url: str, tmp_path: Path):
    clock = FakeClock()
    async with community(database_url, tmp_path, clock=clock) as chat:
        bob = await chat.register("bob")
        await expires(bob, clock, 20)
        async with bob.gateway() as first:
            pass
        body = {"username": "bob", "password": "correct horse battery"}
        token = (await chat.http.post("/api/v1/auth/login", json=body)).json()["token"]
        async with chat.socket() as second:
            await second.expect("hello")
            d = {"token": token, "session_id": first.ready["session_id"], "last_seq": first.last_seq}
            await second.send("resume", d)
            await second.expect("resumed")
            clock.advance(21)
            await second.send("heartbeat")
            await close_expired(chat.server.hub, chat.chat.read, chat.chat.clock)
            await second.events()
