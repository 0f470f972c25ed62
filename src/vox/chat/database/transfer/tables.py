"""What a community's database consists of, as a copy of it sees it: tables in the order of their references, columns, counters.

The names come from the tables' declarations, so that a table that is added later is copied, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Boolean, Connection, Integer, Table, inspect, text

from vox.chat.database.schema.conventions import metadata

REVISIONS: Final = "alembic_version"


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """One table.

    Args:
        name: of the table.
        columns: their names, in the order of the declaration.
        flags: positions of the columns that hold yes or no.
        numbers: positions of the columns that hold whole numbers.
    """

    name: str
    columns: tuple[str, ...]
    flags: tuple[int, ...]
    numbers: tuple[int, ...]

    @property
    def column_list(self) -> str:
        """The columns as SQL."""
        return ", ".join(f'"{name}"' for name in self.columns)


def copied_tables() -> list[CopiedTable]:
    """All tables, what is referred to before what refers to it."""
    return [_copied(table) for table in metadata.sorted_tables]


def present_tables(connection: Connection) -> set[str]:
    """Names of the community's tables that the database has."""
    return set(inspect(connection).get_table_names()) & metadata.tables.keys()


def revision(connection: Connection) -> str | None:
    """The revision that the tables are marked with; None where they are not."""
    if not inspect(connection).has_table(REVISIONS):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {REVISIONS}")).scalar_one_or_none()  # noqa: S608  a constant
    return None if found is None else str(found)


def read_counters(connection: Connection) -> dict[str, int]:
    """The last id that each numbered table gave out, also where that row is gone."""
    if connection.dialect.name == "sqlite":
        return {
            str(name): int(last) for name, last in connection.execute(text("SELECT name, seq FROM sqlite_sequence"))
        }
    found: dict[str, int] = {}
    for name, sequence in _sequences(connection).items():
        last, is_called = connection.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608  the database's own name
        found[name] = int(last) if is_called else 0
    return found


def write_counters(connection: Connection, counters: Mapping[str, int]) -> None:
    """Makes numbered tables go on above the ids that were given out before; those of unknown tables are passed over."""
    if connection.dialect.name == "sqlite":
        for name in _numbered(counters):
            values = {"name": name, "last": counters[name]}
            if not connection.execute(
                text("UPDATE sqlite_sequence SET seq = :last WHERE name = :name"), values
            ).rowcount:
                connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), values)
        return
    sequences = _sequences(connection)
    for name in _numbered(counters):
        if name in sequences:
            connection.execute(
                text("SELECT setval(CAST(:sequence AS regclass), greatest(:last, 1), :last > 0)"),
                {"sequence": sequences[name], "last": counters[name]},
            )


def _numbered(counters: Mapping[str, int]) -> Sequence[str]:
    return [name for name in counters if name in metadata.tables]


def _sequences(connection: Connection) -> dict[str, str]:
    """The sequence behind each table's id."""
    found: dict[str, str] = {}
    for name in sorted(present_tables(connection)):
        if "id" in metadata.tables[name].c:
            sequence = connection.execute(
                text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": f'"{name}"'}
            ).scalar_one()
            if sequence is not None:
                found[name] = str(sequence)
    return found


def _copied(table: Table) -> CopiedTable:
    columns = list(table.columns)
    return CopiedTable(
        str(table.name),
        tuple(str(column.name) for column in columns),
        tuple(place for place, column in enumerate(columns) if isinstance(column.type, Boolean)),
        tuple(place for place, column in enumerate(columns) if isinstance(column.type, Integer)),
    )
