"""What the chat server relies on in its database, on both engines: order, snapshots, references, full text, starting together."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Insert, insert, select

from tests.e2e.postgres import postgres
from tests.time_limits import WAIT_S
from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.schema import feeds, full_text, message_mentions, messages, meta, reactions, users
from vox.errors import DependencyError, UsageError
from vox.stores.engines import raw
from vox.stores.sql import SqlDatabase
from vox.stores.statements import Statement
from vox.text.folding import folded


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'vox.db'}"
    elif request.param == "memory":
        yield "sqlite+aiosqlite://"
    else:
        yield request.getfixturevalue("cluster").replace("postgresql:", "postgresql+asyncpg:")


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    it = SqlDatabase(url, pool_size=4, max_overflow=4)
    it.open()
    if not it.is_sqlite:
        it.run_sync(lambda c: c.exec_driver_sql("DROP SCHEMA public CASCADE"))
        it.run_sync(lambda c: c.exec_driver_sql("CREATE SCHEMA public"))
    yield it
    it.close()


@pytest.fixture
def community(database: SqlDatabase) -> SqlDatabase:
    prepare(database)

    def begin(connection: Connection) -> None:
        connection.execute(insert(users).values(username="ann", created_at=1))
        connection.execute(insert(feeds).values(name="general"))

    database.run_sync(begin)
    return database


def say(id_: int, body: str | None, **more: object) -> Insert:
    text = None if body is None else folded(body)
    return insert(messages).values(id=id_, author_id=1, feed_id=1, body=body, search_text=text, timestamp=1, **more)


def found(word: str):
    def unit(connection: Connection) -> list[int]:
        if connection.dialect.name == "sqlite":
            statement = Statement("SELECT rowid FROM message_search WHERE message_search MATCH :word ORDER BY rowid")
        else:
            statement = Statement(
                "SELECT id FROM messages WHERE search_vector @@ plainto_tsquery('simple', :word) ORDER BY id"
            )
        return [id_ for (id_,) in statement.rows(connection, {"word": word})]

    return unit


async def test_a_message_is_found_by_its_words_exactly_while_they_stand(community: SqlDatabase):
    big = 7_130_316_800_000_000_001
    await community.write(lambda c: c.execute(say(big, "the Quick fox")))
    await community.write(lambda c: c.execute(say(2, None, opaque_blob="quick")))
    await community.write(lambda c: c.execute(say(3, "")))
    assert await community.read(found("quick")) == [big]
    await community.write(
        lambda c: c.execute(messages.update().where(messages.c.id == big).values(search_text="slow fox"))
    )
    assert await community.read(found("quick")) == []
    assert await community.read(found("slow")) == [big]
    await community.write(
        lambda c: c.execute(messages.update().where(messages.c.id == 3).values(search_text="late words"))
    )
    assert await community.read(found("late")) == [3]
    await community.write(lambda c: c.execute(messages.update().where(messages.c.id == 3).values(search_text=None)))
    assert await community.read(found("late")) == []
    await community.write(lambda c: c.execute(messages.delete().where(messages.c.id == big)))
    assert await community.read(found("fox")) == []
    if community.is_sqlite:
        await community.write(full_text.tidy)
        check = "INSERT INTO message_search (message_search, rank) VALUES ('integrity-check', 1)"
        await community.write(lambda c: c.exec_driver_sql(check))


async def test_what_is_rolled_back_is_not_found(community: SqlDatabase):
    def fail(connection: Connection) -> None:
        connection.execute(say(1, "never said"))
        raise UsageError("no", code="no")

    with pytest.raises(UsageError):
        await community.write(fail)
    assert await community.read(found("never")) == []


async def test_a_message_of_any_length_can_be_said(community: SqlDatabase):
    long = " ".join(f"word{n}" for n in range(100_000))
    await community.write(lambda c: c.execute(say(1, long)))
    assert await community.read(lambda c: c.execute(select(messages.c.body)).scalar_one()) == long


async def test_deleting_a_feed_takes_along_everything_said_in_it(community: SqlDatabase):
    def fill(connection: Connection) -> None:
        connection.execute(say(1, "gone soon"))
        connection.execute(insert(reactions).values(msg_id=1, user_id=1, emoji="x"))
        connection.execute(insert(message_mentions).values(user_id=1, msg_id=1, feed_id=1))

    await community.write(fill)
    await community.write(lambda c: c.execute(feeds.delete().where(feeds.c.id == 1)))
    assert await community.read(found("gone")) == []
    assert await community.read(lambda c: c.execute(select(reactions)).all()) == []
    assert await community.read(lambda c: c.execute(select(message_mentions)).all()) == []


async def test_a_deleted_id_is_never_given_again(community: SqlDatabase):
    await community.write(lambda c: c.execute(feeds.delete()))
    made = insert(feeds).values(name="next").returning(feeds.c.id)
    assert await community.write(lambda c: c.execute(made).scalar_one()) == 2


async def test_a_second_account_of_the_same_name_is_a_conflict(community: SqlDatabase):
    with pytest.raises(DependencyError) as caught:
        await community.write(lambda c: c.execute(insert(users).values(username="ann", created_at=1)))
    assert caught.value.code == "database_conflict"
    await community.write(
        lambda c: c.execute(insert(users).values(username="ann", home_domain="elsewhere.example", created_at=1))
    )


async def test_versions_reach_memory_in_their_order_however_many_write_at_once(community: SqlDatabase):
    bump = meta.update().values(version=meta.c.version + 1).returning(meta.c.version)
    seen: list[int] = []

    async def change() -> None:
        await community.write(lambda c: int(c.execute(bump).scalar_one()), seen.append)

    await asyncio.gather(*(change() for _ in range(200)))
    assert seen == list(range(1, 201))


async def test_a_reader_can_change_nothing(community: SqlDatabase):
    with pytest.raises(DependencyError):
        await community.read(lambda c: c.execute(say(1, "no")))
    with pytest.raises(DependencyError):
        await community.read(lambda c: raw(c).execute("DELETE FROM users"))
    assert await community.read(lambda c: len(c.execute(select(users)).all())) == 1
    await community.write(lambda c: c.execute(say(1, "yes")))


async def test_statements_on_the_drivers_connection_are_committed_with_the_unit(community: SqlDatabase):
    add = Statement("INSERT INTO messages (id, feed_id, body, timestamp, federated) VALUES (:id, 1, :body, 5, :no)")
    await community.write(lambda c: add.run(c, {"id": 1, "body": "100% said", "no": False}).rowcount)
    rows = Statement("SELECT id, body, federated FROM messages WHERE body LIKE '100%'")
    assert await community.read(lambda c: [tuple(r) for r in rows.rows(c, {})]) == [(1, "100% said", False)]


async def test_two_that_block_each_other_both_end_well(community: SqlDatabase):
    await community.write(lambda c: c.execute(insert(users).values(username="bob", created_at=1)))
    meet = threading.Barrier(2)

    def rename(first: int, second: int):
        tries: list[int] = []

        def unit(connection: Connection) -> None:
            tries.append(1)
            for user_id in (first, second):
                connection.execute(users.update().where(users.c.id == user_id).values(bio=f"{first}"))
                if user_id == first and len(tries) == 1 and not community.is_sqlite:
                    meet.wait(WAIT_S)  # both hold one row and want the other's

        return unit

    await asyncio.gather(community.write(rename(1, 2)), community.write(rename(2, 1)))


def test_servers_that_start_together_prepare_one_database(url: str, database: SqlDatabase):
    if database.is_in_memory:
        prepare(database)
        prepare(database)
        return
    others = [SqlDatabase(url) for _ in range(4)]
    failed: list[BaseException] = []

    def start(one: SqlDatabase) -> None:
        try:
            one.open()
            prepare(one)
        except BaseException as error:  # noqa: BLE001  told in the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=start, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []
    assert database.run_sync(lambda c: c.execute(select(meta.c.version)).all()) == [(0,)]
    for one in others:
        one.close()


async def test_postgresql_that_goes_away_is_reported_and_comes_back(cluster: str):
    async with SqlDatabase(cluster) as database:
        await database.write(lambda c: c.exec_driver_sql("SELECT 1").scalar_one())

        def be_cut_off(connection: Connection) -> None:
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

        with pytest.raises(DependencyError) as caught:
            await database.write(be_cut_off)
        assert caught.value.code == "database_failed"
        assert await database.write(lambda c: c.exec_driver_sql("SELECT 1").scalar_one()) == 1
