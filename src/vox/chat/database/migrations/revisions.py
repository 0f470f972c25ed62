"""The last revision, those of the original, and how its tables are told apart where they bear no mark. A new revision changes `HEAD`."""

from typing import Final

from sqlalchemy import Connection, inspect

from vox.chat.database.schema.conventions import metadata
from vox.errors import UsageError

HEAD: Final = "f3b8d02c6e19"
WITHOUT_KEY_PACKAGES: Final = "9713e33403d0"
WITH_KEY_PACKAGES: Final = "98a0cee110c2"
"""The two revisions of the original."""


def revision_of_unmarked(connection: Connection) -> str | None:
    """The revision of an original's tables that were never marked; None where there are none.

    Raises:
        UsageError: the tables are not the community's (database_unknown).
    """
    tables = set(inspect(connection).get_table_names())
    if tables.isdisjoint(metadata.tables):
        return None
    if {"users", "messages", "feeds", "event_log"} <= tables and "meta" not in tables:
        return WITH_KEY_PACKAGES if "mls_key_packages" in tables else WITHOUT_KEY_PACKAGES
    raise UsageError(
        "the database has tables of the community's names, but they are not the community's",
        code="database_unknown",
        hint="give the chat server a database of its own",
    )
