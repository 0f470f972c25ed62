"""Hand-written statements for hot paths, on the driver's own connection: no compilation, no result objects.

One text serves both engines: parameters are written `:name`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from vox.stores.engines import raw

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)")


class Statement:
    """One statement, ready to run.

    Args:
        text: SQL that both engines understand, parameters as `:name`; it comes from the code, never from a client.
        postgresql: SQL for PostgreSQL where it must differ.
    """

    __slots__ = ("_postgresql", "_sqlite")

    def __init__(self, text: str, postgresql: str | None = None) -> None:
        self._sqlite = text
        self._postgresql = _PARAMETER.sub(r"%(\1)s", (postgresql or text).replace("%", "%%"))

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The driver's cursor after running it; in the unit's transaction."""
        text = self._sqlite if connection.dialect.name == "sqlite" else self._postgresql
        return raw(connection).execute(text, values)

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """All rows as tuples."""
        return self.run(connection, values).fetchall()

    def row(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """The first row, None where there is none."""
        return self.run(connection, values).fetchone()
