"""What readiness asks of the database: that it takes a write and gives a row back, and that its file is there."""

from sqlalchemy import Connection, update

from vox.chat.database.schema import meta
from vox.errors import DependencyError


def write_and_read(connection: Connection) -> None:
    """Writes the community's one row as it is, and reads it.

    Raises:
        DependencyError: database_damaged, the row is not there.
    """
    if connection.execute(update(meta).values(version=meta.c.version)).rowcount != 1:
        raise DependencyError("the community's row is missing", code="database_damaged")
