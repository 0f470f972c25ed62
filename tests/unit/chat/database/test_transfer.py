"""Digests of rows, and counters of ids."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.chat.database.migrations.prepare import prepare
from vox.chat.database.transfer.row_digest import TableDigest
from vox.chat.database.transfer.tables import copied_tables, read_counters, write_counters
from vox.stores.sql import SqlDatabase, sqlite_url

ROWS = st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.one_of(st.none(), st.text(max_size=20)), st.booleans()))


@given(ROWS, st.randoms(use_true_random=False))
def test_a_digest_depends_on_the_rows_and_not_on_their_order_batches_or_kind_of_flag(rows, random):
    one, two = TableDigest([2]), TableDigest([2])
    one.add(rows)
    mixed = [(a, b, int(c)) for a, b, c in rows]
    random.shuffle(mixed)
    cut = random.randint(0, len(mixed))
    two.add(mixed[:cut])
    two.add(mixed[cut:])
    assert (one.rows, one.hex) == (two.rows, two.hex)


@given(ROWS.filter(bool), st.data())
def test_one_changed_value_changes_the_digest(rows, data):
    place = data.draw(st.integers(0, len(rows) - 1))
    number, text, flag = rows[place]
    changed = [*rows[:place], (number ^ 1, text, flag), *rows[place + 1 :]]
    one, two = TableDigest([2]), TableDigest([2])
    one.add(rows)
    two.add(changed)
    assert one.hex != two.hex


def test_every_table_follows_those_that_it_refers_to():
    names = [table.name for table in copied_tables()]
    assert names.index("users") < names.index("messages") < names.index("reactions")
    assert names.index("feeds") < names.index("threads")


def test_counters_keep_ids_that_were_given_out(tmp_path: Path):
    database = SqlDatabase(sqlite_url(tmp_path / "x.db"))
    database.open()
    try:
        prepare(database)
        database.run_sync(lambda c: write_counters(c, {"users": 41, "unknown": 9}))
        assert database.run_sync(read_counters)["users"] == 41
        add = "INSERT INTO users (username, created_at) VALUES ('ada', 1) RETURNING id"
        assert database.run_sync(lambda c: c.exec_driver_sql(add).scalar_one()) == 42
    finally:
        database.close()


@pytest.mark.parametrize("flags", [(), (0,)])
def test_no_rows_are_zero(flags):
    assert TableDigest(flags).hex == "0" * 32
