"""Transcripts in PostgreSQL, MariaDB and SQLite: whatever is said arrives once, in order, as it was said."""

import asyncio
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from tests.contract.transcript_databases import DATABASES, TestDatabase, counted, failed, written
from tests.e2e.agents import until
from tests.time_limits import time_limit
from vox.agent.transcripts.database import TranscriptDatabase
from vox.agent.transcripts.rows import MAX_TEXT, TranscriptRow
from vox.agent.transcripts.settings import Transcripts
from vox.errors import DependencyError, UsageError
from vox.runtime.metrics import Metrics

EMOJI = "Grüße 👋🏽 שלום 汉字 e\u0301 \U0001f9d1\u200d\U0001f680"
SERVERS = ["mariadb", "postgres"]
LOST = "vox_agent_transcript_rows_lost_total"


@pytest.fixture(scope="module", params=sorted(DATABASES))
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestDatabase]:
    with DATABASES[request.param](tmp_path_factory.mktemp(request.param)) as found:
        yield found


def open_database(database: TestDatabase, table: str) -> TranscriptDatabase:
    given = {"enable": True, "driver": database.driver, "dsn": database.dsn, "table": table}
    return TranscriptDatabase(Transcripts.model_validate(given).address(database.folder), table)


def row(seq: int, text: str = "hello", session_id: str = "call_1") -> TranscriptRow:
    return TranscriptRow(session_id, seq, "user", text, datetime.now(UTC))


def said(database: TestDatabase, table: str, session_id: str = "call_1") -> list[tuple[int, str, str]]:
    where = f"session_id = '{session_id}'"
    found = database.execute(f"SELECT seq, role, text FROM {table} WHERE {where} ORDER BY seq")  # noqa: S608  a test's names
    return [(seq, role, text) for seq, role, text in found]


async def test_the_table_is_made_with_the_documented_columns_also_by_several_servers_at_once(database: TestDatabase):
    table = database.table()
    stores = [open_database(database, table) for _ in range(4)]
    async with time_limit():
        await asyncio.gather(*(asyncio.to_thread(one.prepare) for one in stores))
    for one in stores:
        one.close()
    database.execute(
        f"INSERT INTO {table} (session_id, role, text, seq, created_at) VALUES ('a', 'user', 'b', 1, '2026-01-02 03:04:05')"  # noqa: S608  a test's names
    )
    assert said(database, table, "a") == [(1, "user", "b")]


async def test_each_call_has_its_rows_in_order_numbered_from_one(database: TestDatabase):
    table, metrics = database.table(), Metrics()
    before = datetime.now(UTC) - timedelta(seconds=1)
    async with database.store(table, metrics) as store:
        calls = [store.begin(f"call_{number}") for number in range(20)]
        for turn in range(5):
            for call in calls:
                call.user(f"question {turn}")
                call.assistant(f"answer {turn}")
        queued = await store.read("call_7", 0, 100)
        await written(metrics, 200)
        stored = await store.read("call_7", 0, 100)
    assert queued is not None
    assert [(one.seq, one.role, one.text) for one in queued] == said(database, table, "call_7")
    assert [one.seq for one in queued] == list(range(1, 11))
    assert stored is not None
    assert [(one.seq, one.text) for one in stored] == [(one.seq, one.text) for one in queued]
    assert all(before < one.created_at < datetime.now(UTC) for one in stored)


async def test_what_was_said_is_stored_to_the_letter(database: TestDatabase):
    table = database.table()
    injection = f"'); DROP TABLE {table}; -- \\' \" %s %(a)s :b ? {{}} \n\t"
    async with database.store(table) as store:
        call = store.begin("call_1")
        for text in (EMOJI, injection, "nul \x00 and half a pair \ud83d", "  ", "x" * (2 * MAX_TEXT)):
            call.user(text)
        other = store.begin("x'; DROP TABLE calls; --")
        other.assistant("hello")
    texts = [text for _, _, text in said(database, table)]
    assert texts == [EMOJI, injection.strip(), "nul \ufffd and half a pair \ufffd", "x" * (MAX_TEXT - 1) + "…"]
    assert database.execute(f"SELECT COUNT(*) FROM {table}") == [(5,)]  # noqa: S608  a test's names


async def test_a_table_of_yours_with_more_columns_is_used_as_it_is(database: TestDatabase):
    table = database.table()
    key = {
        "postgres": "id bigserial PRIMARY KEY",
        "mysql": "id bigint AUTO_INCREMENT PRIMARY KEY",
        "sqlite": "id INTEGER PRIMARY KEY",
    }[database.driver]
    database.execute(
        f"CREATE TABLE {table} ({key}, session_id varchar(64) NOT NULL, role varchar(16) NOT NULL, text text NOT NULL, "
        "seq integer NOT NULL, created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, note varchar(10))"
    )
    async with database.store(table) as store:
        call = store.begin("call_1")
        call.user("hello")
        call.assistant("good day")
    async with database.store(table) as store:
        rows = await store.read("call_1", 0, 10)
    assert rows is not None
    assert [(one.seq, one.role, one.text) for one in rows] == [(1, "user", "hello"), (2, "assistant", "good day")]
    assert all(abs(one.created_at - datetime.now(UTC)) < timedelta(minutes=5) for one in rows)
    assert said(database, table) == [(1, "user", "hello"), (2, "assistant", "good day")]


async def test_a_column_that_cannot_hold_a_text_gets_what_it_can_and_the_others_are_whole(database: TestDatabase):
    table, metrics = database.table(), Metrics()
    charset = " CHARACTER SET utf8mb3" if database.driver == "mysql" else ""
    check = "CHECK (length(text) < 50000)" if database.driver == "sqlite" else ""
    database.execute(
        f"CREATE TABLE {table} (session_id varchar(64), role varchar(16), text varchar(16000){check}, seq integer, created_at "
        f"timestamp){charset}"
    )
    async with database.store(table, metrics) as store:
        call = store.begin("call_1")
        for text in ("before", "x" * 90_000, EMOJI, "after"):
            call.user(text)
    texts = [text for _, _, text in said(database, table)]
    emoji = re.sub("[\U00010000-\U0010ffff]", "\ufffd", EMOJI) if charset else EMOJI
    assert texts == ["before", "x" * 15_999 + "…", emoji, "after"]
    assert counted(metrics, "vox_agent_transcript_rows_written_total") == 4


async def test_a_row_that_the_table_refuses_is_counted_and_keeps_no_other_back(database: TestDatabase):
    table, metrics = database.table(), Metrics()
    database.execute(
        f"CREATE TABLE {table} (session_id varchar(64), role varchar(16) CHECK (role <> 'assistant'), text text, seq integer, "
        "created_at timestamp)"
    )
    async with database.store(table, metrics) as store:
        call = store.begin("call_1")
        call.user("one")
        call.assistant("two")
        call.user("three")
    assert [text for _, _, text in said(database, table)] == ["one", "three"]
    assert counted(metrics, f'{LOST}{{reason="refused"}}') == 1


async def test_a_table_that_lacks_a_column_ends_the_start(database: TestDatabase):
    table = database.table()
    database.execute(
        f"CREATE TABLE {table} (session_id varchar(64), role varchar(16), text text, created_at timestamp)"
    )
    with pytest.raises(UsageError, match=f"{table}.* has no column seq") as caught:
        async with database.store(table):
            pass
    assert caught.value.code == "transcript_table_unsuitable"


@pytest.mark.parametrize(
    "database", SERVERS, indirect=True
)  # SQLite does not tell such a column from one that it fills
async def test_a_table_that_demands_more_ends_the_start(database: TestDatabase):
    table = database.table()
    columns = "session_id varchar(64), role varchar(16), text text, seq integer, created_at timestamp, tenant integer NOT NULL"
    database.execute(f"CREATE TABLE {table} ({columns})")
    with pytest.raises(UsageError, match="demands a value for tenant"):
        async with database.store(table):
            pass


def test_rows_given_again_after_a_lost_answer_are_there_once(database: TestDatabase):
    table = database.table()
    opened = open_database(database, table)
    rows = [row(1, "one"), row(2, EMOJI), row(1, "other", "call_2")]
    opened.store(rows)
    opened._is_in_doubt = True  # the commit's answer was lost
    opened.store([*rows, row(3, "three")])
    opened.close()
    assert said(database, table) == [(1, "user", "one"), (2, "user", EMOJI), (3, "user", "three")]
    assert said(database, table, "call_2") == [(1, "user", "other")]


async def test_the_numbers_of_a_session_go_on_in_its_next_call(database: TestDatabase):
    table = database.table()
    for texts in (("one", "two"), ("three", "four")):
        async with database.store(table) as store:
            call = store.begin("call_1")
            for text in texts:
                call.user(text)
    assert said(database, table) == [(1, "user", "one"), (2, "user", "two"), (3, "user", "three"), (4, "user", "four")]


async def test_an_outage_loses_nothing_and_readiness_tells_of_it(database: TestDatabase):
    table, metrics = database.table(), Metrics()
    async with database.store(table, metrics) as store:
        calls = [store.begin(f"call_{number}") for number in range(3)]
        for call in calls:
            call.user("before")
        await written(metrics, 3)
        database.stop()
        try:
            for call in calls:
                call.assistant("meanwhile")
            await failed(metrics)
            for call in calls:
                call.user("still away")
            if database.driver != "sqlite":  # SQLite's readers are never locked out
                with pytest.raises(DependencyError):
                    await store.check()
                with pytest.raises(DependencyError):
                    await store.read("call_1", 0, 10)
        finally:
            database.start()
        for call in calls:
            call.assistant("back")
        await written(metrics, 12)
        await store.check()
    expected = [
        (1, "user", "before"),
        (2, "assistant", "meanwhile"),
        (3, "user", "still away"),
        (4, "assistant", "back"),
    ]
    assert [said(database, table, f"call_{number}") for number in range(3)] == [expected] * 3
    assert LOST not in metrics.render().decode().replace("# ", "")


async def test_what_is_queued_is_written_before_the_server_ends(database: TestDatabase):
    table = database.table()
    async with database.store(table) as store:
        call = store.begin("call_1")
        for number in range(1200):
            call.user(f"text {number}")
    assert [text for _, _, text in said(database, table)] == [f"text {number}" for number in range(1200)]


async def test_an_end_without_the_database_comes_in_time_and_counts_what_is_lost(database: TestDatabase):
    table, metrics = database.table(), Metrics()
    async with time_limit(), database.store(table, metrics, flush_timeout_secs=0.3) as store:
        database.stop()
        store.begin("call_1").user("hello")
    try:
        assert counted(metrics, f'{LOST}{{reason="shutdown"}}') == 1
    finally:
        database.start()


@pytest.mark.parametrize("database", SERVERS, indirect=True)
async def test_a_database_that_comes_after_the_server_gets_everything(database: TestDatabase):
    table, metrics = database.table(), Metrics()
    database.stop()
    try:
        async with database.store(table, metrics) as store:
            call = store.begin("call_1")
            call.user("early")
            await failed(metrics)
            database.start()
            await written(metrics, 1)
    except BaseException:
        database.start()
        raise
    assert said(database, table) == [(1, "user", "early")]


@pytest.mark.parametrize("database", ["postgres"], indirect=True)  # the others' drivers have time-outs of their own
async def test_a_write_that_hangs_can_be_broken_off(database: TestDatabase):
    table = database.table()
    opened = open_database(database, table)
    opened.store([row(1)])
    with psycopg.connect(database.dsn.partition("&pool")[0]) as lock:
        lock.execute(f"LOCK TABLE {table}".encode())
        async with time_limit():
            writing = asyncio.create_task(asyncio.to_thread(opened.store, [row(2)]))
            while not writing.done():
                opened.interrupt()
                await asyncio.sleep(0.02)
        with pytest.raises(OperationalError, match=r"connection|server"):
            await writing
    opened.store([row(2)])
    opened.close()
    assert [seq for seq, _, _ in said(database, table)] == [1, 2]


@pytest.mark.parametrize("database", ["postgres"], indirect=True)  # the others' drivers have time-outs of their own
async def test_a_database_that_answers_nothing_holds_up_neither_the_end_nor_the_process(database: TestDatabase):
    table, metrics = database.table(), Metrics()
    assert database.freeze is not None
    try:
        async with time_limit(), database.store(table, metrics, flush_timeout_secs=0.3) as store:
            call = store.begin("call_1")
            call.user("before")
            await written(metrics, 1)
            await store.check()  # a reader has its connection, too
            database.freeze(True)
            call.user("meanwhile")
            reading = asyncio.create_task(store.read("call_1", 0, 10))
            await asyncio.sleep(0.05)
        assert counted(metrics, f'{LOST}{{reason="shutdown"}}') == 1
        async with time_limit():
            with pytest.raises(DependencyError):
                await reading
        await until(lambda: not any(thread.name.startswith("transcript") for thread in threading.enumerate()))
    finally:
        database.freeze(False)


@pytest.mark.parametrize("database", SERVERS, indirect=True)
@pytest.mark.parametrize("part", ["login", "database"])
async def test_an_address_that_the_server_refuses_ends_the_start_without_the_password(
    database: TestDatabase, part: str
):
    wrong = {
        ("postgres", "login"): ("vox:secret@", "stranger:hunter2@"),
        ("postgres", "database"): ("/postgres?", "/elsewhere?"),
        ("mysql", "login"): ("vox:p@ss:w/rd@", "vox:hunter2@"),
        ("mysql", "database"): ("/vox?", "/elsewhere?"),
    }[database.driver, part]
    with pytest.raises(UsageError, match="refuses the connection") as caught:
        async with replace(database, dsn=database.dsn.replace(*wrong)).store(database.table()):
            pass
    assert caught.value.code == "transcript_database_refused"
    assert not re.search(r"hunter2|secret|w/rd", str(caught.value))
