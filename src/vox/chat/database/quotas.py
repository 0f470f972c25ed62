"""How many of a thing there may be, where a list of it has no pages and everybody gets the whole.

What an older server has beyond a ceiling stays and is shown; only nothing is added.
"""

from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, func, select, true

from vox.chat.errors import refuse

MAX_SPACES: Final = 1000
"""Feeds, rooms and categories, of each: all are in the layout."""
MAX_OVERRIDES: Final = 500
"""Of one feed or room: all are in its description. As many as a new one may be born with."""
MAX_BLOCKS: Final = 5000
"""Of one user."""

_ALL: Final = true()


def check_quota(connection: Connection, table: Table, most: int, what: str, which: ColumnElement[bool] = _ALL) -> None:
    """Refuses one more row where there are as many as there may be.

    Two at the same moment may both be the last one, unless the caller keeps others out.

    Args:
        connection: of the writer.
        table: where the things are.
        most: how many there may be.
        what: the words for them.
        which: the condition on the rows that count, where not all of the table do.

    Raises:
        Refusal: INVALID_OPERATION.
    """
    if connection.execute(select(func.count()).select_from(table).where(which)).scalar_one() >= most:
        raise refuse("INVALID_OPERATION", f"There may be at most {most} {what}.")
