"""Keys of relays' URLs in their normal form (RFC 3986 section 6.2.2).

The former keys told `/%7Ex` from `/~x`. Of two relays that turn out to be one address, the one that registered first keeps it.
"""

from alembic import op
from sqlalchemy import text

from vox.directory.relays.url_keys import url_key

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Writes the keys that have changed."""
    connection = op.get_bind()
    expected: dict[str, str] = {}
    for relay_id, url in connection.execute(text("SELECT id, url FROM relays ORDER BY registered_at, id")):
        expected.setdefault(url_key(url), relay_id)
    rows = connection.execute(text("SELECT url_key, relay_id FROM relay_urls")).all()
    stored = {row.url_key: row.relay_id for row in rows}
    for key, relay_id in stored.items():
        if expected.get(key) != relay_id:
            connection.execute(text("DELETE FROM relay_urls WHERE url_key = :key"), {"key": key})
    for key, relay_id in expected.items():
        if stored.get(key) != relay_id:
            connection.execute(
                text("INSERT INTO relay_urls (url_key, relay_id) VALUES (:key, :relay_id)"),
                {"key": key, "relay_id": relay_id},
            )
