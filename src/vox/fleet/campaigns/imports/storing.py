"""The SQL of imports: recipients and do-not-call numbers in batches, each batch with the import's progress in one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import RowMapping, select, update

from vox.errors import UsageError
from vox.fleet.campaigns import lifecycle, queries
from vox.fleet.campaigns.imports.csv_rows import BadRow
from vox.fleet.campaigns.imports.recipient_rows import Recipient
from vox.fleet.campaigns.rules.states import CampaignEvent, CampaignState, RecipientState, after
from vox.fleet.database.campaign_tables import import_errors, imports, recipients
from vox.stores.sql import Connection

_CLOSED: Final = frozenset({CampaignState.CANCELED, CampaignState.EXPIRED})


def check_takes_recipients(connection: Connection, campaign_id: str, at_ms: int) -> None:
    """A campaign that was cancelled or has expired takes no more; one that was completed is paused, to be resumed.

    Raises:
        UsageError: campaign_not_found, campaign_state_conflict.
    """
    row = lifecycle.found(connection, campaign_id, locks=True)
    state = CampaignState(row["state"])
    if state in _CLOSED:
        raise UsageError(f"a campaign that is {state.value} takes no recipients", code="campaign_state_conflict")
    if state is CampaignState.COMPLETED:
        following = after(state, CampaignEvent.RECIPIENTS_ADDED)
        queries.change_campaign(connection, campaign_id, {"state": following.value, "updated_at_ms": at_ms})


def insert_recipients(connection: Connection, campaign_id: str, given: Sequence[Recipient], at_ms: int) -> int:
    """Adds recipients that the campaign does not have yet; returns how many those were."""
    by_number = {one.number: one for one in reversed(given)}  # of several rows with a number the first one counts
    known = connection.execute(
        select(recipients.c.number).where(recipients.c.campaign_id == campaign_id, recipients.c.number.in_(by_number))
    ).scalars()
    for number in known.all():
        del by_number[number]
    rows = [_row(campaign_id, one, at_ms) for one in reversed(by_number.values())]
    if rows:
        connection.execute(recipients.insert(), rows)
    return len(rows)


def find_import(connection: Connection, import_id: str) -> RowMapping | None:
    """An import by its id."""
    return connection.execute(select(imports).where(imports.c.id == import_id)).mappings().first()


def insert_import(connection: Connection, values: Mapping[str, Any]) -> None:
    """Writes a new import."""
    connection.execute(imports.insert().values(**values))


def change_import(connection: Connection, import_id: str, values: Mapping[str, Any]) -> None:
    """Writes how far an import has come."""
    connection.execute(update(imports).where(imports.c.id == import_id).values(**values))


def insert_errors(connection: Connection, import_id: str, errors: Sequence[BadRow]) -> None:
    """Names rows that could not be used."""
    if errors:
        rows = [{"import_id": import_id, "row": one.row, "column": one.column, "reason": one.reason} for one in errors]
        connection.execute(import_errors.insert(), rows)


def page_of_errors(connection: Connection, import_id: str, *, limit: int, after: int) -> Sequence[RowMapping]:
    """The rows that could not be used, in order."""
    query = select(import_errors.c.row, import_errors.c.column, import_errors.c.reason).where(
        import_errors.c.import_id == import_id, import_errors.c.row > after
    )
    return connection.execute(query.order_by(import_errors.c.row).limit(limit)).mappings().all()


def _row(campaign_id: str, one: Recipient, at_ms: int) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "number": one.number,
        "region": one.region,
        "zones": " ".join(one.zones),
        "variables": msgspec.json.encode(one.variables).decode(),
        "state": RecipientState.PENDING.value,
        "due_at_ms": at_ms,
        "attempts": 0,
        "submissions": 0,
        "last_outcome": "",
        "claim_until_ms": 0,
        "fence": 0,
    }
