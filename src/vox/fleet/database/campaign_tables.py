"""The tables of campaigns: recipients, attempts, the ledger of decisions, do-not-call lists, imports.

They belong to the bridge's other tables (`schema.py`), whose rules hold here too: times are whole Unix milliseconds, and a change
needs a revision that leads to the same.
"""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from vox.fleet.database.schema import NUMBER, metadata

campaigns: Final = Table(
    "bridge_campaigns",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("bot_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("rules_digest", String, nullable=False),
    Column("plan", Text, nullable=False),  # how its calls are made, as JSON
    Column("problem", Text, nullable=False),  # why its last validation failed
    Column("starts_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("first_dial_ms", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),  # of the last bridge that dialled for it
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Index("idx_bridge_campaigns_state", "state"),
)

rules: Final = Table(
    "bridge_campaign_rules",
    metadata,
    Column("digest", String, primary_key=True),
    Column("body", Text, nullable=False),
)

recipients: Final = Table(
    "bridge_campaign_recipients",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("campaign_id", String, ForeignKey("bridge_campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("number", String, nullable=False),
    Column("region", String, nullable=False),
    Column("zones", Text, nullable=False),  # separated by spaces
    Column("variables", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("due_at_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("submissions", Integer, nullable=False),  # attempts, and calls that were never dialled
    Column("last_outcome", String, nullable=False),
    Column("claim_until_ms", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),  # grows with each claim
    UniqueConstraint("campaign_id", "number"),
    Index("idx_bridge_campaign_recipients_due", "campaign_id", "state", "due_at_ms", "id"),
)

attempts: Final = Table(
    "bridge_campaign_attempts",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("campaign_id", String, nullable=False),
    Column("recipient_id", BigInteger, nullable=False),
    Column("submission", Integer, nullable=False),
    Column("tenant", String, nullable=False),
    Column("number", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("caller_id", String, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("is_dialled", Boolean, nullable=False),  # False once it is known that the carrier was never asked
    Column("outcome", String, nullable=False),
    Column("is_answered", Boolean, nullable=False),  # by a person
    Column("is_abandoned", Boolean, nullable=False),
    Column("ended_at_ms", BigInteger, nullable=False),
    UniqueConstraint("recipient_id", "submission"),
    Index("idx_bridge_campaign_attempts_open", "campaign_id", "is_open"),
    Index("idx_bridge_campaign_attempts_started", "campaign_id", "started_at_ms"),
    Index("idx_bridge_campaign_attempts_number", "tenant", "number", "started_at_ms"),
    Index("idx_bridge_campaign_attempts_ended", "ended_at_ms"),
)

ledger: Final = Table(
    "bridge_dial_ledger",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("campaign_id", String, nullable=False),
    Column("recipient_id", BigInteger, nullable=False),
    Column("call_id", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("verdict", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("not_before_ms", BigInteger, nullable=False),
    Column("rules_digest", String, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("digest", String, nullable=False),  # over this entry and the digest of the campaign's one before
    Index("idx_bridge_dial_ledger_call", "call_id"),
    Index("idx_bridge_dial_ledger_campaign", "campaign_id", "number"),
    Index("idx_bridge_dial_ledger_recipient", "recipient_id", "number"),
)

do_not_call: Final = Table(
    "bridge_do_not_call",
    metadata,
    Column("digest", String, primary_key=True),
    Column("scope", String, primary_key=True),
    Column("owner", String, primary_key=True),  # the tenant or the campaign; empty for the global list
    Column("source", String, nullable=False),
    Column("added_at_ms", BigInteger, nullable=False),
    Index("idx_bridge_do_not_call_scope", "scope", "owner"),
)

imports: Final = Table(
    "bridge_imports",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("state", String, nullable=False),
    Column("last_row", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("rows_digest", String, nullable=False),  # over the rows up to the last one
    Column("problem", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
)

import_errors: Final = Table(
    "bridge_import_errors",
    metadata,
    Column("import_id", String, ForeignKey("bridge_imports.id", ondelete="CASCADE"), primary_key=True),
    Column("row", BigInteger, primary_key=True),
    Column("column", String, nullable=False),
    Column("reason", Text, nullable=False),
)
