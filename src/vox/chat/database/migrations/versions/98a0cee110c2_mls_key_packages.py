"""Key packages of devices, the original's last change."""

from alembic import op

from vox.chat.database.migrations.original import MLS_KEY_PACKAGES, original_tables

revision = "98a0cee110c2"
down_revision = "9713e33403d0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    original_tables().tables[MLS_KEY_PACKAGES].create(op.get_bind())


def downgrade() -> None:
    """Removes it."""
    op.drop_table(MLS_KEY_PACKAGES)
