"""Links that sign in once, and the sessions that they become."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.clock import FakeClock
from vox.errors import UsageError
from vox.fleet.accounts.operator_sessions import LINK_TTL_S, SESSION_TTL_S, OperatorSessions, prune
from vox.fleet.database.schema import login_links, operator_sessions
from vox.stores.sql import SqlDatabase


@pytest.fixture
async def database() -> AsyncIterator[SqlDatabase]:
    async with SqlDatabase("sqlite://") as opened:
        for table in (login_links, operator_sessions):
            await opened.write(table.create)
        yield opened


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def sessions(database, clock):
    return OperatorSessions(database, clock)


async def refused(sessions: OperatorSessions, link: str) -> str:
    with pytest.raises(UsageError) as caught:
        await sessions.sign_in(link)
    return caught.value.code


async def test_a_link_works_once(sessions):
    link = await sessions.create_link()
    new = await sessions.sign_in(link)
    assert await sessions.find(new.token) == new.session
    assert await refused(sessions, link) == "login_link_invalid"


async def test_a_link_works_for_ten_minutes(sessions, clock):
    link = await sessions.create_link()
    clock.advance(LINK_TTL_S)
    assert await refused(sessions, link) == "login_link_invalid"


@pytest.mark.parametrize("link", ["", "vbl_", "vbl_nothing", "vbs_x", "x" * 10_000])
async def test_what_is_no_link_begins_no_session(sessions, link):
    assert await refused(sessions, link) == "login_link_invalid"


async def test_a_session_lasts_twelve_hours_and_can_be_ended_before(sessions, clock):
    first, second = [await sessions.sign_in(await sessions.create_link()) for _ in range(2)]
    await sessions.end(first.session.id)
    assert await sessions.find(first.token) is None
    clock.advance(SESSION_TTL_S - 1)
    assert await sessions.find(second.token) is not None
    clock.advance(1)
    assert await sessions.find(second.token) is None


async def test_a_links_token_is_no_sessions(sessions):
    link = await sessions.create_link()
    assert await sessions.find(link) is None


async def test_all_are_ended_at_once_links_too(sessions):
    new, link = await sessions.sign_in(await sessions.create_link()), await sessions.create_link()
    assert await sessions.end_all() == 1
    assert await sessions.find(new.token) is None
    assert await refused(sessions, link) == "login_link_invalid"


async def test_neither_is_stored_as_it_is_and_old_ones_are_forgotten(sessions, database, clock):
    link = await sessions.create_link()
    new = await sessions.sign_in(await sessions.create_link())
    rows = await database.read(
        lambda connection: [
            *connection.execute(login_links.select()).all(),
            *connection.execute(operator_sessions.select()).all(),
        ]
    )
    assert len(rows) == 2
    assert link not in str(rows)
    assert new.token not in str(rows)
    clock.advance(SESSION_TTL_S)
    await database.write(lambda connection: prune(connection, clock.unix_ms()))
    assert await database.read(lambda connection: connection.execute(login_links.select()).all()) == []
    assert await database.read(lambda connection: connection.execute(operator_sessions.select()).all()) == []
