from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from vox.errors import DependencyError
from vox.stores.sql import Connection, SqlDatabase
from vox.stores.time_limits import Interruption, TimeLimitError, time_limit

LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT count(*) FROM n"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def test_a_statement_that_never_ends_is_ended_and_hurts_no_later_one(tmp_path: Path):
    def endless(connection: Connection) -> None:
        with time_limit(connection, 0.01):
            connection.exec_driver_sql(ENDLESS).all()

    async with SqlDatabase(f"sqlite:///{tmp_path / 'a.db'}", readers=1) as database:
        with pytest.raises(TimeLimitError):
            await database.read(endless)
        assert await database.read(lambda c: c.exec_driver_sql("SELECT 1").scalar_one()) == 1


def test_an_error_of_another_kind_stays_what_it_is(tmp_path: Path):
    def broken(connection: Connection) -> None:
        with time_limit(connection, 60):
            connection.exec_driver_sql("SELECT nothing FROM nowhere")

    database = SqlDatabase(f"sqlite:///{tmp_path / 'a.db'}")
    database.open()
    with pytest.raises(DependencyError) as error:
        database.run_sync(broken)
    assert error.value.code == "database_failed"
    database.close()


def in_a_database(tmp_path: Path, unit: Callable[[Connection], None]) -> None:
    database = SqlDatabase(f"sqlite:///{tmp_path / 'a.db'}")
    database.open()
    database.run_sync(unit)
    database.close()


def test_after_the_work_is_over_nothing_is_interrupted(tmp_path: Path):
    def unit(connection: Connection) -> None:
        interruption = Interruption(connection)
        interruption.finish()
        interruption.interrupt()
        assert not interruption.has_happened
        assert connection.exec_driver_sql(LONG).scalar_one() == 100_000

    in_a_database(tmp_path, unit)


def test_an_interrupt_between_two_statements_ends_the_next(tmp_path: Path):
    def unit(connection: Connection) -> None:
        outer = Interruption(connection)
        outer.interrupt()
        with pytest.raises(OperationalError), time_limit(connection, 60):
            connection.exec_driver_sql(ENDLESS).all()
        outer.finish()
        assert connection.exec_driver_sql(LONG).scalar_one() == 100_000

    in_a_database(tmp_path, unit)
