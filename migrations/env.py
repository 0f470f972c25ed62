# ruff: noqa: INP001  alembic loads this file by its path
"""What `alembic` runs from the repository's root: the server's own revisions, on the database of VOX_DATABASE_URL.

The revisions are in src/vox/chat/database/migrations, so that an installed server has them, too, and runs them when it starts.
"""

import os

from alembic import context
from alembic.util import CommandError

from vox.chat.database.migrations.autogenerate import is_compared
from vox.chat.database.migrations.prepare import MIGRATIONS
from vox.chat.database.schema import metadata
from vox.stores.engines import make_engine, parse_url

DEFAULT_URL = "sqlite:///vox.db"


def run() -> None:
    """Runs what the command asks for, in one transaction under the lock that a starting server takes."""
    if context.is_offline_mode():
        raise CommandError("the revisions look at the data: run them on a database, without --sql")
    engine = make_engine(parse_url(os.environ.get("VOX_DATABASE_URL") or DEFAULT_URL))
    with engine.connect() as connection:
        is_sqlite = engine.dialect.name == "sqlite"
        if is_sqlite:
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        MIGRATIONS.lock(connection)
        revision = MIGRATIONS.revision_of(connection)
        if revision is not None:
            MIGRATIONS.stamp(connection, revision)  # an original's tables may have been made without a mark
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_object=is_compared,
            render_as_batch=True,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        if is_sqlite:
            connection.exec_driver_sql("COMMIT")
        connection.commit()
    engine.dispose()


run()
