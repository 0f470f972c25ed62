"""Who is who in an export, on disk rather than in memory: an export may list a million people, few of them writers."""

import sqlite3
from collections.abc import Iterable
from functools import lru_cache

from vox.chat.imports.model import ForeignPerson


class PeopleIndex:
    """People by their id, in a temporary database that is gone with it."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT, shown TEXT) WITHOUT ROWID")
        self.find = lru_cache(maxsize=20_000)(self._find)

    def add(self, people: Iterable[ForeignPerson]) -> int:
        """Takes people in, and returns how many there were."""
        count = 0

        def rows() -> Iterable[tuple[str, str, str]]:
            nonlocal count
            for person in people:
                count += 1
                yield person.id, person.username, person.display_name

        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO people VALUES (?, ?, ?)", rows())
        self._database.execute("COMMIT")
        return count

    def close(self) -> None:
        """Deletes it."""
        self._database.close()

    def _find(self, foreign_id: str) -> ForeignPerson | None:
        row = self._database.execute("SELECT id, name, shown FROM people WHERE id = ?", (foreign_id,)).fetchone()
        return None if row is None else ForeignPerson(*row)
