from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.schema import feeds, messages
from vox.chat.errors import Refusal
from vox.chat.events.ids import FeedId
from vox.chat.features.messages import search_queries
from vox.chat.features.messages.schemas import SearchQuery
from vox.chat.features.messages.search_queries import Scope, find
from vox.stores.sql import SqlDatabase


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqlDatabase]:
    database = SqlDatabase(f"sqlite:///{tmp_path / 'vox.db'}")
    database.open()
    prepare(database)
    database.run_sync(_fill)
    yield database
    database.close()


def _fill(connection: Connection) -> None:
    connection.execute(insert(feeds).values(id=1, name="f"))
    rows = [
        {"id": number, "feed_id": 1, "search_text": f"word {number}", "timestamp": number} for number in range(1, 101)
    ]
    connection.execute(insert(messages), rows)


def _ids(database: SqlDatabase, text: str) -> list[int]:
    query = SearchQuery(text)
    return [
        message.msg_id
        for message in database.run_sync(lambda c: find(c, scope=Scope([FeedId(1)]), query=query, limit=3))
    ]


def test_the_newest_hits_come_first(database: SqlDatabase):
    assert _ids(database, "word") == [100, 99, 98]


def test_older_hits_than_the_newest_candidates_are_left_out(database: SqlDatabase, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search_queries, "CANDIDATES", 10)
    monkeypatch.setattr(search_queries, "SCANNED", 10)
    assert _ids(database, "ord 7") == []
    assert _ids(database, "word 7") == [7]
    assert _ids(database, "ord 99") == [99]


def test_a_search_that_takes_too_long_is_given_up_and_hurts_no_other(
    database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with monkeypatch.context() as patch:
        patch.setattr(search_queries, "DEADLINE_S", 0.01)
        patch.setattr(search_queries, "_find", lambda connection, *_: connection.exec_driver_sql(endless).all())
        with pytest.raises(Refusal) as refusal:
            _ids(database, "word")
        assert (refusal.value.wire_code, refusal.value.status) == ("UNAVAILABLE", 503)
    assert _ids(database, "word") == [100, 99, 98]
