"""A statement that any working database answers, for readiness checks."""

from sqlalchemy import Connection, text


def select_one(connection: Connection) -> int:
    """Runs `SELECT 1`."""
    return connection.execute(text("SELECT 1")).scalar_one()
