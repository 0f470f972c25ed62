"""Moves data from tables of one shape into tables of another: rename the old, make the new, copy, remove the old.

Both directions of the step between the original's tables and ours use it. It looks at the types it finds, because the original
published only names: a time may be text, a timestamp or a number, JSON may be a type of its own, a choice an enum. A row that
refers to nothing (the original did not enforce references on SQLite) loses the reference where it may be empty, else it is
left out; how many were is logged.
"""

import base64
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import Inspector

from vox.runtime.logging import get_logger
from vox.stores.engines import raw

OLD: Final = "old_"
_JSON_COLUMNS: Final = frozenset({"evidence", "params", "metadata", "embed"})
_CHOICES: Final = frozenset({"type", "status", "space_type", "target_type", "dm_permission"})

_log = get_logger(__name__)


def rebuild(connection: Connection, names: list[str], create: Callable[[Connection], None]) -> None:
    """Replaces tables by those that `create` makes, and copies what was in them.

    Args:
        connection: in a transaction, with SQLite's foreign keys off.
        names: the tables to replace; missing ones are made empty.
        create: makes the new tables, from nothing.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        raw(connection).create_function("vox_base64", 1, _as_base64, deterministic=True)
        connection.exec_driver_sql("PRAGMA legacy_alter_table=ON")  # references stay with the names
    present = set(inspect(connection).get_table_names())
    old = [name for name in names if name in present]
    for name in old:
        (_set_aside_sqlite if is_sqlite else _set_aside_postgresql)(connection, name)
    create(connection)
    look = inspect(connection)
    for name in [found for found, _ in look.get_sorted_table_and_fkc_names() if found is not None]:
        if name in old:
            _copy(connection, look, name)
    for name in reversed(old):
        connection.exec_driver_sql(f'DROP TABLE "{OLD}{name}"' + ("" if is_sqlite else " CASCADE"))
    if is_sqlite:
        connection.exec_driver_sql("PRAGMA legacy_alter_table=OFF")


def _set_aside_sqlite(connection: Connection, name: str) -> None:
    made = text("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = :name AND sql IS NOT NULL")
    for (index,) in connection.execute(made, {"name": name}).all():
        connection.exec_driver_sql(f'DROP INDEX "{index}"')
    connection.exec_driver_sql(f'ALTER TABLE "{name}" RENAME TO "{OLD}{name}"')


def _set_aside_postgresql(connection: Connection, name: str) -> None:
    """Renames a table with its indexes and sequences, whose names would be in the way."""
    connection.exec_driver_sql(f'ALTER TABLE "{name}" RENAME TO "{OLD}{name}"')
    belonging = text(
        "SELECT c.oid, c.relname, c.relkind::text FROM pg_class c WHERE c.oid IN ("
        "SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass(:name)"
        " UNION SELECT objid FROM pg_depend WHERE refobjid = to_regclass(:name) AND deptype IN ('a', 'i')"
        ") AND c.relkind IN ('i', 'S')"
    )
    for oid, relation, kind in connection.execute(belonging, {"name": f'"{OLD}{name}"'}).all():
        what = "INDEX" if kind == "i" else "SEQUENCE"
        connection.exec_driver_sql(f'ALTER {what} "{relation}" RENAME TO "{OLD}{oid}"')


def _copy(connection: Connection, look: Inspector, name: str) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    found = {column["name"]: column for column in look.get_columns(f"{OLD}{name}")}
    references: dict[str, tuple[str, str, bool]] = {}
    for reference in look.get_foreign_keys(name):
        empties = str(reference.get("options", {}).get("ondelete", "")).upper() == "SET NULL"
        parent, key = reference["referred_table"], reference["referred_columns"][0]
        references[reference["constrained_columns"][0]] = (parent, key, empties)
    targets: list[str] = []
    values: list[str] = []
    conditions: list[str] = []
    for column in look.get_columns(name):
        label = column["name"]
        if label not in found or column.get("computed"):
            continue
        source = f'o."{label}"'
        value = _converted(source, label, str(found[label]["type"]), str(column["type"]), is_sqlite=is_sqlite)
        if label in references:
            parent, key, empties = references[label]
            exists = f'EXISTS (SELECT 1 FROM "{parent}" p WHERE p."{key}" = {value})'  # noqa: S608  names from the database's catalogue
            if empties and column["nullable"]:
                value = f"CASE WHEN {exists} THEN {value} END"
            else:
                conditions.append(f"({source} IS NULL OR {exists})" if column["nullable"] else exists)
        elif not column["nullable"]:
            value = f"COALESCE({value}, {_nothing(column)})"
        targets.append(f'"{label}"')
        values.append(value)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    before = _count(connection, f"{OLD}{name}")
    into, what = ", ".join(targets), ", ".join(values)
    connection.exec_driver_sql(f'INSERT INTO "{name}" ({into}) SELECT {what} FROM "{OLD}{name}" o{where}')  # noqa: S608  as above
    after = _count(connection, name)
    if after != before:
        _log.warning("rows that referred to nothing were left out", table=name, rows=before - after)
    if not is_sqlite:
        _advance(connection, name)


def _converted(source: str, label: str, was: str, becomes: str, *, is_sqlite: bool) -> str:
    was, becomes = was.upper(), becomes.upper()
    convert = _converted_sqlite if is_sqlite else _converted_postgresql
    value = convert(source, was, becomes)
    if becomes.startswith(("TEXT", "VARCHAR")):
        if label in _CHOICES:
            value = f"lower({value})"
        if label in _JSON_COLUMNS:
            value = f"NULLIF({value}, 'null')"
    return value


def _converted_sqlite(source: str, was: str, becomes: str) -> str:
    if "INT" in becomes:
        return (
            f"CASE WHEN {source} IS NULL THEN NULL WHEN typeof({source}) = 'text' AND {source} GLOB '????-??-??*'"
            f" THEN CAST(strftime('%s', {source}) AS INTEGER) ELSE CAST({source} AS INTEGER) END"
        )
    if "BOOL" in becomes:
        return f"CASE WHEN {source} IS NULL THEN NULL ELSE lower({source}) IN ('1', 'true', 't') END"
    if "DATE" in becomes and "INT" in was:
        return f"strftime('%Y-%m-%d %H:%M:%S.000000', {source}, 'unixepoch')"
    if becomes.startswith(("TEXT", "VARCHAR")):
        return f"CASE WHEN typeof({source}) = 'blob' THEN vox_base64({source}) ELSE {source} END"
    return source


def _converted_postgresql(source: str, was: str, becomes: str) -> str:
    if "INT" in becomes:
        if was.startswith(("TIMESTAMP", "DATE")):
            return f"floor(extract(epoch FROM {source}))::bigint"
        return f"{source}::int::bigint" if "BOOL" in was else f"{source}::bigint"
    if "BOOL" in becomes:
        return f"lower({source}::text) IN ('1', 'true', 't')"
    if becomes.startswith("TIMESTAMP") and "INT" in was:
        return f"to_timestamp({source})"
    if becomes.startswith("JSON"):
        return f"{source}::json"
    if becomes.startswith(("TEXT", "VARCHAR")):
        return f"encode({source}, 'base64')" if was == "BYTEA" else f"{source}::text"
    return source


def _nothing(column: Any) -> str:
    """What stands for a missing value where one is needed: the column's default, or the type's empty value."""
    default = column.get("default")
    if default is not None and "nextval" not in default:
        return str(default)
    kind = str(column["type"]).upper()
    if "BOOL" in kind:
        return "false"
    if kind.startswith("TIMESTAMP"):
        return "to_timestamp(0)"
    if kind.startswith("JSON"):
        return "'null'"
    return "0" if "INT" in kind else "''"


def _advance(connection: Connection, name: str) -> None:
    """Lets PostgreSQL's counter go on after the ids that were copied."""
    counter = connection.execute(
        text(
            "SELECT pg_get_serial_sequence(:name, 'id') FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = :name AND column_name = 'id'"
        ),
        {"name": name},
    ).scalar_one_or_none()
    if counter:
        last = f'SELECT max(id) FROM "{name}"'  # noqa: S608  as above
        connection.exec_driver_sql(f"SELECT setval('{counter}', GREATEST(({last}), 1), ({last}) IS NOT NULL)")


def _count(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one())  # noqa: S608  as above


def _as_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
