"""The SQL of backups: which files the storage must have."""

from collections.abc import Iterator

from sqlalchemy import Connection, select

from vox.chat.database.schema import files

PAGE = 1000


def stored_file_ids(connection: Connection) -> Iterator[tuple[str, str]]:
    """Id and purpose of every file that can be read, in pages."""
    after = ""
    while True:
        page = connection.execute(
            select(files.c.id, files.c.purpose)
            .where(files.c.state == "ready", files.c.id > after)
            .order_by(files.c.id)
            .limit(PAGE)
        ).all()
        for file_id, purpose in page:
            yield str(file_id), str(purpose)
        if len(page) < PAGE:
            return
        after = page[-1][0]
