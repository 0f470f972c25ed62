"""Every way to our tables: from nothing, from the original's two revisions with data, and from an original never marked."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from tests.e2e.postgres import postgres
from tests.time_limits import WAIT_S
from vox.chat.database.migrations.autogenerate import is_compared
from vox.chat.database.migrations.original import original_tables
from vox.chat.database.migrations.prepare import MIGRATIONS, prepare
from vox.chat.database.migrations.revisions import HEAD, WITH_KEY_PACKAGES, WITHOUT_KEY_PACKAGES
from vox.chat.database.schema import metadata
from vox.errors import DependencyError, UsageError
from vox.security.tokens import digest
from vox.stores.engines import raw
from vox.stores.sql import SqlDatabase

ROOT = Path(__file__).parents[4]
FIRST_RELEASE = "5d0c3e1f7a42"
DATA = """
INSERT INTO users (username, federated, active, created_at)
    VALUES ('ann', false, true, '<time>'), ('bob', false, true, '<time>'), ('ann', false, true, '<time>');
INSERT INTO sessions (token, user_id, created_at, expires_at)
    VALUES ('a', 1, '<time>', '<later>'), ('b', 1, '<time>', '<soon>');
INSERT INTO roles (name, position, permissions) VALUES ('@everyone', 0, 6443107123);
INSERT INTO role_members (role_id, user_id) VALUES (1, 1);
INSERT INTO feeds (name, type, position) VALUES ('general', 'text', 0);
INSERT INTO invites (code, creator_id, feed_id, uses, expires_at, created_at)
    VALUES ('abc', 1, 1, 2, '<later>', '<time>');
INSERT INTO dms (is_group, created_at) VALUES (false, '<time>'), (false, '<time>');
INSERT INTO dm_participants (dm_id, user_id) VALUES (1, 1), (1, 2), (2, 1), (2, 2);
INSERT INTO messages (id, feed_id, author_id, body, timestamp, federated)
    VALUES (7130316800000000000, 1, 1, 'hello there', 1700000000000, false);
INSERT INTO messages (id, dm_id, author_id, timestamp, federated) VALUES (1, 1, 2, 1, false);
INSERT INTO files (id, name, size, mime, url, created_at)
    VALUES ('picture', 'p', 5, 'image/png', '/api/v1/files/picture', '<time>');
INSERT INTO emoji (name, creator_id, image) VALUES ('p', 1, '/api/v1/files/picture');
INSERT INTO message_attachments (msg_id, file_id) VALUES (1, 'picture');
INSERT INTO reactions (msg_id, user_id, emoji) VALUES (1, 2, '+1');
INSERT INTO reports (reported_user_id, reason, evidence, status, created_at)
    VALUES (2, 'spam', '[{"msg_id": 1}]', 'open', '<time>');
INSERT INTO webhooks (feed_id, name, token, created_at) VALUES (1, 'ci', 'whk_plain', '<time>');
INSERT INTO event_log (id, event_type, payload, timestamp) VALUES (5, 'member_join', '{"user_id": 1}', 5)
"""
"""What an original may hold: among others a name twice, two conversations of the same two, a login and a short-lived ticket."""
NAMES_AND_SEARCH = "c2f7a90b16de"
NEW_USER = "INSERT INTO users (username, federated, active, created_at)"
NEW_MESSAGE = "INSERT INTO messages (id, feed_id, author_id, body, timestamp, federated)"
WIDE_BOB = "\uff22\uff2f\uff22"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'vox.db'}"
        return
    server: str = request.getfixturevalue("cluster")
    admin = SqlDatabase(server)
    admin.open()
    admin.run_exclusive(lambda c: _outside_transaction(c, "DROP DATABASE IF EXISTS moved", "CREATE DATABASE moved"))
    yield f"{server.rpartition('/')[0]}/moved"
    admin.run_exclusive(lambda c: _outside_transaction(c, "DROP DATABASE moved WITH (FORCE)"))
    admin.close()


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    it = SqlDatabase(url)
    it.open()
    yield it
    it.close()


def alembic(url: str, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *command],
        cwd=ROOT,
        env={**os.environ, "VOX_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_empty_database_gets_its_tables_at_once_and_is_marked(database: SqlDatabase):
    prepare(database)
    database.run_exclusive(assert_ours)


def test_alembic_from_nothing_makes_the_same_tables_as_a_starting_server(url: str, database: SqlDatabase):
    alembic(url, "upgrade", "head")
    by_revisions = database.run_exclusive(described)
    database.run_exclusive(assert_ours)
    alembic(url, "downgrade", "base")
    if not database.is_sqlite:
        database.run_exclusive(lambda c: c.exec_driver_sql("DROP TABLE alembic_version"))
    prepare(database)
    assert database.run_exclusive(described) == by_revisions
    assert "No new upgrade operations" in alembic(url, "check")


@pytest.mark.parametrize(
    ("revision", "is_marked", "way"),
    [
        (WITHOUT_KEY_PACKAGES, True, "start"),
        (WITH_KEY_PACKAGES, True, "alembic"),
        (WITHOUT_KEY_PACKAGES, False, "alembic"),
        (WITH_KEY_PACKAGES, False, "start"),
    ],
)
def test_an_original_database_keeps_what_was_in_it(
    url: str, database: SqlDatabase, revision: str, is_marked: bool, way: str
):
    database.run_sync(lambda c: make_original(c, revision, is_marked))
    before = database.run_sync(counted)
    if way == "start":
        prepare(database)
    else:
        alembic(url, "upgrade", "head")
    database.run_exclusive(assert_ours)
    after = database.run_sync(counted)
    assert {name: after[name] for name in before} == before
    assert row(database, "SELECT created_at, active, federated FROM users WHERE id = 1") == (1_700_000_000, True, False)
    assert row(database, "SELECT expires_at FROM invites WHERE code = 'abc'") == (1_800_000_000,)
    assert row(database, "SELECT uses, feed_id FROM invites WHERE code = 'abc'") == (2, 1)
    assert row(database, "SELECT pair FROM dms WHERE id = 1") == ("1:2",)
    assert row(database, "SELECT kind FROM sessions WHERE id = 1") == ("login",)
    assert row(database, "SELECT kind FROM sessions WHERE id = 2") == ("ticket",)
    assert row(database, "SELECT evidence FROM reports")[0].replace(" ", "") == '[{"msg_id":1}]'
    assert row(database, "SELECT purpose FROM files WHERE id = 'picture'") == ("emoji",)
    assert row(database, "SELECT username FROM users WHERE id = 3") == ("ann~3",)
    assert row(database, "SELECT username_key FROM users WHERE id = 2") == ("bob",)
    assert row(database, "SELECT name_key FROM emoji") == ("p",)
    assert row(database, "SELECT search_text FROM messages WHERE feed_id = 1") == ("hello there",)
    assert row(database, "SELECT token FROM webhooks") == (digest("whk_plain"),)
    found = "SELECT count(*) FROM message_search WHERE message_search MATCH 'hello'"
    if not database.is_sqlite:
        found = "SELECT count(*) FROM messages WHERE search_vector @@ to_tsquery('simple', 'hello')"
    assert row(database, found) == (1,)
    new = "INSERT INTO users (username, created_at) VALUES ('new', 1) RETURNING id"
    assert database.run_sync(lambda c: c.exec_driver_sql(new).scalar_one()) == 4  # goes on counting


def test_the_way_back_to_the_first_release_keeps_the_rows(url: str, database: SqlDatabase):
    database.run_sync(lambda c: make_original(c, WITH_KEY_PACKAGES, True))
    before = database.run_sync(counted)
    prepare(database)
    alembic(url, "downgrade", NAMES_AND_SEARCH)
    assert database.run_sync(counted) == before
    ours = {
        "user_settings",
        "oidc_flows",
        "timeouts",
        "federation_outbox",
        "webhook_subscriptions",
        "mls_messages",
        "imported",
    }
    assert not ours & set(database.run_sync(lambda c: inspect(c).get_table_names()))
    alembic(url, "downgrade", FIRST_RELEASE)
    assert database.run_sync(counted) == before
    assert "search_text" not in database.run_sync(lambda c: [one["name"] for one in inspect(c).get_columns("messages")])
    alembic(url, "downgrade", WITH_KEY_PACKAGES)
    assert database.run_sync(counted) == before
    assert "meta" not in database.run_sync(lambda c: inspect(c).get_table_names())
    prepare(database)
    database.run_exclusive(assert_ours)
    assert row(database, "SELECT created_at FROM users WHERE id = 1") == (1_700_000_000,)


def test_names_and_reactions_that_are_alike_already_do_not_stop_it(url: str, database: SqlDatabase):
    def fill(connection: Connection) -> None:
        make_original(connection, WITH_KEY_PACKAGES, True)
        for statement in (
            f"{NEW_USER} SELECT name, false, true, created_at FROM users, (SELECT 'Ann' AS name UNION SELECT '{WIDE_BOB}') n WHERE id = 1",  # noqa: S608  our own texts
            "INSERT INTO emoji (name, creator_id, image) VALUES ('P', 1, '/api/v1/files/picture')",
            "INSERT INTO reactions (msg_id, user_id, emoji) VALUES (1, 2, '❤'), (1, 2, '❤\ufe0f'), (1, 1, '❤')",
            f"{NEW_MESSAGE} VALUES (2, 1, 1, 'Grüße, dOn\u2019t', 5, false)",
        ):
            connection.exec_driver_sql(statement)

    database.run_sync(fill)
    prepare(database)
    database.run_exclusive(assert_ours)
    keys = database.run_sync(lambda c: c.exec_driver_sql("SELECT username, username_key FROM users ORDER BY id").all())
    assert [tuple(one) for one in keys][:3] == [("ann", "ann"), ("bob", "bob"), ("ann~3", "ann~3")]
    assert sorted(tuple(one) for one in keys[3:]) == [("Ann", None), (WIDE_BOB, None)]
    assert row(database, "SELECT count(*), count(name_key) FROM emoji") == (2, 1)
    reacted = database.run_sync(
        lambda c: c.exec_driver_sql("SELECT user_id, emoji FROM reactions WHERE emoji <> '+1' ORDER BY user_id").all()
    )
    assert [tuple(one) for one in reacted] == [(1, "❤\ufe0f"), (2, "❤\ufe0f")]
    assert row(database, "SELECT search_text FROM messages WHERE id = 2") == ("grusse, don't",)


def test_rows_that_refer_to_nothing_do_not_stop_an_original_on_sqlite(tmp_path: Path):
    database = SqlDatabase(f"sqlite:///{tmp_path / 'vox.db'}")
    database.open()
    database.run_sync(lambda c: make_original(c, WITH_KEY_PACKAGES, False))

    def orphan(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        for statement in (
            "INSERT INTO reactions VALUES (99, 1, 'x')",
            "INSERT INTO messages (id, feed_id, author_id, body, timestamp, federated) VALUES (7, 1, 99, 'left', 5, 0)",
            "INSERT INTO messages (id, feed_id, author_id, body, timestamp, federated) VALUES (8, 99, 1, 'lost', 5, 0)",
        ):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")

    database.run_exclusive(orphan)
    prepare(database)
    assert row(database, "SELECT author_id, body FROM messages WHERE id = 7") == (None, "left")
    assert row(database, "SELECT count(*) FROM messages WHERE id = 8") == (0,)
    assert row(database, "SELECT count(*) FROM reactions") == (1,)
    assert database.run_sync(lambda c: c.exec_driver_sql("PRAGMA foreign_key_check").all()) == []
    database.close()


def test_times_of_an_original_may_be_text_or_numbers(tmp_path: Path):
    file = tmp_path / "vox.db"
    with sqlite3.connect(file) as connection:
        for statement in (
            "CREATE TABLE users (id INTEGER PRIMARY KEY, username VARCHAR, active INTEGER, created_at DATETIME)",
            "CREATE TABLE feeds (id INTEGER PRIMARY KEY, name VARCHAR, type VARCHAR(12))",
            "CREATE TABLE messages (id BIGINT NOT NULL PRIMARY KEY, feed_id INTEGER, body TEXT, timestamp BIGINT)",
            "CREATE TABLE event_log (id BIGINT NOT NULL PRIMARY KEY, event_type TEXT, payload JSON, timestamp BIGINT)",
            "INSERT INTO users VALUES (1, 'text', 1, '2023-11-14 22:13:20.123456'), (2, 'number', 0, 1700000000)",
            "INSERT INTO users VALUES (3, 'zone', 1, '2023-11-14 23:13:20+01:00'), (4, 'none', 1, NULL)",
            "INSERT INTO feeds VALUES (1, 'general', 'TEXT')",
            "INSERT INTO messages VALUES (30, 1, 'late', 3), (5, 1, 'early', 2)",
        ):
            connection.execute(statement)
    connection.close()
    database = SqlDatabase(f"sqlite:///{file}")
    database.open()
    prepare(database)
    times = database.run_sync(lambda c: c.exec_driver_sql("SELECT created_at, active FROM users ORDER BY id").all())
    assert [tuple(time) for time in times] == [(1_700_000_000, 1), (1_700_000_000, 0), (1_700_000_000, 1), (0, 1)]
    assert row(database, "SELECT type FROM feeds") == ("text",)
    assert row(database, "SELECT max(rowid), min(rowid) FROM messages") == (30, 5)
    database.close()


def test_a_database_of_a_later_version_or_of_somebody_else_is_refused(url: str, database: SqlDatabase):
    database.run_sync(lambda c: c.exec_driver_sql("CREATE TABLE users (name TEXT)"))
    with pytest.raises(UsageError) as caught:
        prepare(database)
    assert caught.value.code == "database_unknown"
    database.run_sync(lambda c: c.exec_driver_sql("DROP TABLE users"))
    prepare(database)
    database.run_sync(lambda c: MIGRATIONS.stamp(c, "abcdef012345"))
    with pytest.raises(UsageError) as caught:
        prepare(database)
    assert caught.value.code == "database_unknown"


def test_a_failing_upgrade_leaves_the_original_as_it_was(database: SqlDatabase):
    database.run_sync(lambda c: make_original(c, WITH_KEY_PACKAGES, True))
    database.run_sync(lambda c: c.exec_driver_sql("CREATE TABLE meta (other TEXT)"))
    before = database.run_sync(lambda c: (counted(c), sorted(inspect(c).get_table_names())))
    with pytest.raises(DependencyError):
        prepare(database)
    assert database.run_sync(lambda c: (counted(c), sorted(inspect(c).get_table_names()))) == before


def test_the_mark_of_a_fresh_database_is_the_last_revision():
    assert (
        ScriptDirectory(str(MIGRATIONS.versions), version_locations=[str(MIGRATIONS.versions)]).get_current_head()
        == HEAD
    )


def assert_ours(connection: Connection) -> None:
    assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == HEAD
    assert connection.execute(text("SELECT id, version FROM meta")).all() == [(1, 0)]
    context = MigrationContext.configure(
        connection, opts={"include_object": is_compared, "compare_type": True, "compare_server_default": True}
    )
    assert compare_metadata(context, metadata) == []


def described(connection: Connection) -> Any:
    """Everything about the tables that matters, without the order in which they were made."""
    if connection.dialect.name == "sqlite":
        return {
            (kind, name, " ".join(sql.replace('"', "").split()))
            for kind, name, sql in connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master")
            if sql and name != "alembic_version"
        }
    columns = connection.exec_driver_sql(
        "SELECT table_name, column_name, data_type, is_nullable, generation_expression,"
        " row_number() OVER (PARTITION BY table_name, is_generated ORDER BY ordinal_position),"
        " regexp_replace(coalesce(column_default, ''), '_id_seq[0-9]*', '') FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
    ).all()
    indexes = connection.exec_driver_sql(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    ).all()
    constraints = connection.exec_driver_sql(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass"
    ).all()
    return {*map(tuple, columns), *map(tuple, indexes), *map(tuple, constraints)}


def make_original(connection: Connection, revision: str, is_marked: bool) -> None:
    tables = original_tables()
    wanted = [t for t in tables.sorted_tables if t.name != "mls_key_packages" or revision == WITH_KEY_PACKAGES]
    tables.create_all(connection, tables=wanted)
    if is_marked:
        MIGRATIONS.stamp(connection, revision)
    time, later = "2023-11-14 22:13:20+00:00", "2027-01-15 08:00:00+00:00"
    soon = "2023-11-14 22:18:20+00:00"
    if connection.dialect.name == "sqlite":
        time, later, soon = (moment.replace("+00:00", ".000000") for moment in (time, later, soon))
    for statement in DATA.split(";\n"):
        raw(connection).execute(statement.replace("<time>", time).replace("<later>", later).replace("<soon>", soon))


def counted(connection: Connection) -> dict[str, int]:
    return {
        name: connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one()  # noqa: S608  our names
        for name in original_tables().tables
        if inspect(connection).has_table(name)
    }


def row(database: SqlDatabase, statement: str) -> tuple[Any, ...]:
    return tuple(database.run_sync(lambda c: c.exec_driver_sql(statement).one()))


def _outside_transaction(connection: Connection, *statements: str) -> None:
    driver = raw(connection)
    driver.autocommit = True
    for statement in statements:
        driver.execute(statement)
    driver.autocommit = False
