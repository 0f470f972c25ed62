"""The original's first tables."""

from alembic import op

from vox.chat.database.migrations.original import MLS_KEY_PACKAGES, original_tables

revision = "9713e33403d0"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes them."""
    tables = original_tables()
    created = [table for table in tables.sorted_tables if table.name != MLS_KEY_PACKAGES]
    tables.create_all(op.get_bind(), tables=created)


def downgrade() -> None:
    """Removes them."""
    tables = original_tables()
    tables.drop_all(op.get_bind(), tables=[table for table in tables.sorted_tables if table.name != MLS_KEY_PACKAGES])
