"""What all tables of the community share: one collection, one way to name constraints, four column types.

Before changing a type: every whole number is 64 bits on both engines, because clients choose positions, colours and limits; a
time is a whole number of Unix seconds except where its column says milliseconds; JSON is stored as text, as it goes on the wire.
SQLite takes these same declarations, and `Whole` becomes INTEGER there, which makes a single key the table's rowid.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Text,
    false,
    text,
    true,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of the community; the names of its constraints are part of the migrations."""

Whole: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A whole number of 64 bits: ids, permissions, sizes, times."""


def numbered() -> Column[Any]:
    """An id that counts up from 1; with `sqlite_autoincrement` a deleted row's id is never used again."""
    return Column("id", Whole, primary_key=True, autoincrement=True)


def snowflake() -> Column[Any]:
    """An id the server chooses, ascending with time (`vox.chat.database.snowflakes`)."""
    return Column("id", Whole, primary_key=True, autoincrement=False)


def whole(name: str, *, default: int | None = None, optional: bool = False, key: bool = False) -> Column[Any]:
    """A whole number."""
    fallback = None if default is None else text(str(default))
    return Column(name, Whole, primary_key=key, autoincrement=False, nullable=optional, server_default=fallback)


def words(name: str, *, default: str | None = None, optional: bool = False, key: bool = False) -> Column[Any]:
    """Text without a length: the limits are settings and may change while the server runs."""
    return Column(name, Text, primary_key=key, nullable=optional, server_default=default)


def flag(name: str, *, default: bool = False) -> Column[Any]:
    """Yes or no; SQLite stores 1 or 0, PostgreSQL a boolean."""
    return Column(name, Boolean, nullable=False, server_default=true() if default else false())


def belongs_to(name: str, target: str, *, key: bool = False) -> Column[Any]:
    """A reference to a row with which this row goes, too."""
    reference = ForeignKey(target, ondelete="CASCADE")
    return Column(name, _type_of(target), reference, primary_key=key, autoincrement=False, nullable=False)


def part_of(name: str, target: str) -> Column[Any]:
    """A reference that may be empty; the row goes with what it refers to."""
    return Column(name, _type_of(target), ForeignKey(target, ondelete="CASCADE"), nullable=True)


def refers_to(name: str, target: str) -> Column[Any]:
    """A reference that is emptied when what it refers to goes."""
    return Column(name, _type_of(target), ForeignKey(target, ondelete="SET NULL"), nullable=True)


def one_of(name: str, *values: str) -> CheckConstraint:
    """Restricts a text column to some values; both engines understand a CHECK, only one an enum type."""
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{name} IN ({allowed})", name=name)


def _type_of(target: str) -> Any:
    return Text if target in {"files.id", "devices.id"} else Whole
