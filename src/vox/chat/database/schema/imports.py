"""What came from another program: which row here stands for which thing there, so that an import goes on where it was cut."""

from typing import Final

from sqlalchemy import Index, Table

from vox.chat.database.schema.conventions import metadata, one_of, whole, words

imported: Final = Table(
    "imported",
    metadata,
    words("origin", key=True),
    words("kind", key=True),
    words("foreign_id", key=True),
    whole("local_id", optional=True),
    words("detail", optional=True),
    one_of("origin", "discord", "slack"),
    one_of("kind", "person", "category", "feed", "thread", "part"),
    Index(None, "kind", "local_id"),
)
"""No foreign keys: what was imported may be deleted here, and is imported anew then. `part` is a file of an archive that was
imported to its end; its `foreign_id` is a digest."""
