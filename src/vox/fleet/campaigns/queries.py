"""Every SQL statement about campaigns, their recipients and attempts; inside the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import RowMapping, bindparam, exists, func, select, text, update

from vox.fleet.campaigns.ledger import FIRST, Entry
from vox.fleet.campaigns.rules.abandon import AbandonCount
from vox.fleet.campaigns.rules.states import CampaignState, RecipientState
from vox.fleet.database.campaign_tables import attempts, campaigns, ledger, recipients, rules
from vox.fleet.database.schema import attempts as carrier_attempts
from vox.fleet.database.schema import calls
from vox.stores.sql import Connection

Row = RowMapping

_PENDING: Final = RecipientState.PENDING.value
_IN_CALL: Final = RecipientState.IN_CALL.value
_LOCK_ID: Final = 0x766F7863
THIRTY_DAYS_MS: Final = 30 * 86_400_000


def insert_campaign(connection: Connection, values: Mapping[str, Any]) -> None:
    """Writes a new campaign."""
    connection.execute(campaigns.insert().values(**values))


def find_campaign(connection: Connection, campaign_id: str, *, locks: bool = False) -> Row | None:
    """A campaign with its rules as `rules`; locked against other transactions where it is to be changed."""
    query = (
        select(campaigns, rules.c.body.label("rules"))
        .join(rules, rules.c.digest == campaigns.c.rules_digest)
        .where(campaigns.c.id == campaign_id)
    )
    return connection.execute(query.with_for_update(of=campaigns) if locks else query).mappings().first()


def change_campaign(connection: Connection, campaign_id: str, values: Mapping[str, Any]) -> None:
    """Changes columns of a campaign."""
    connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(**values))


def page_of_campaigns(connection: Connection, *, limit: int, before: str = "", state: str = "") -> Sequence[Row]:
    """Campaigns by id, from the end."""
    query = select(campaigns, rules.c.body.label("rules")).join(rules, rules.c.digest == campaigns.c.rules_digest)
    query = query.order_by(campaigns.c.created_at_ms.desc(), campaigns.c.id.desc()).limit(limit)
    if before:
        last = select(campaigns.c.created_at_ms).where(campaigns.c.id == before).scalar_subquery()
        query = query.where(
            (campaigns.c.created_at_ms < last) | ((campaigns.c.created_at_ms == last) & (campaigns.c.id < before))
        )
    if state:
        query = query.where(campaigns.c.state == state)
    return connection.execute(query).mappings().all()


def campaigns_in(connection: Connection, states: Iterable[CampaignState]) -> Sequence[Row]:
    """Campaigns in these states, with their rules."""
    query = (
        select(campaigns, rules.c.body.label("rules"))
        .join(rules, rules.c.digest == campaigns.c.rules_digest)
        .where(campaigns.c.state.in_([state.value for state in states]))
        .order_by(campaigns.c.id)
    )
    return connection.execute(query).mappings().all()


def store_rules(connection: Connection, digest: str, body: str) -> None:
    """Keeps a set of rules under its digest."""
    if connection.execute(select(rules.c.digest).where(rules.c.digest == digest)).first() is None:
        connection.execute(rules.insert().values(digest=digest, body=body))


def find_rules(connection: Connection, digest: str) -> str | None:
    """A set of rules by its digest."""
    return connection.execute(select(rules.c.body).where(rules.c.digest == digest)).scalar_one_or_none()


def take_fence(connection: Connection, campaign_id: str, token: int) -> bool:
    """Locks a campaign for a bridge with this lease; False where a later one has dialled for it already.

    On PostgreSQL it also lets one transaction at a time dial, because caps hold over all campaigns.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK_ID})
    taken = update(campaigns).where(campaigns.c.id == campaign_id, campaigns.c.fence <= token).values(fence=token)
    return connection.execute(taken).rowcount == 1


def due_recipients(connection: Connection, campaign_id: str, at_ms: int, limit: int) -> Sequence[Row]:
    """Recipients that are due and that no other transaction or claim holds, the longest due first."""
    query = (
        select(recipients)
        .where(
            recipients.c.campaign_id == campaign_id,
            recipients.c.state == _PENDING,
            recipients.c.due_at_ms <= at_ms,
            recipients.c.claim_until_ms <= at_ms,
        )
        .order_by(recipients.c.due_at_ms, recipients.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(query).mappings().all()


def claimed_recipients(connection: Connection, fences: Mapping[int, int], at_ms: int) -> Sequence[Row]:
    """Those of the recipients whose claim still holds, by id and fence."""
    query = (
        select(recipients)
        .where(recipients.c.id.in_(fences), recipients.c.state == _PENDING, recipients.c.claim_until_ms > at_ms)
        .order_by(recipients.c.id)
        .with_for_update()
    )
    rows = connection.execute(query).mappings().all()
    return [row for row in rows if row["fence"] == fences[row["id"]]]


def change_recipients(connection: Connection, changes: Sequence[Mapping[str, Any]]) -> None:
    """Changes many recipients alike: each mapping has `id` and the same columns."""
    if not changes:
        return
    columns = [name for name in changes[0] if name != "id"]
    changed = update(recipients).where(recipients.c.id == bindparam("_id"))
    changed = changed.values({name: bindparam(f"_{name}") for name in columns})
    connection.execute(changed, [{f"_{name}": value for name, value in one.items()} for one in changes])


def find_recipient(connection: Connection, recipient_id: int) -> Row | None:
    """A recipient by id."""
    return connection.execute(select(recipients).where(recipients.c.id == recipient_id)).mappings().first()


def page_of_recipients(
    connection: Connection, campaign_id: str, *, limit: int, after: int, state: str = ""
) -> Sequence[Row]:
    """Recipients of a campaign in the order in which they came."""
    query = select(recipients).where(recipients.c.campaign_id == campaign_id, recipients.c.id > after)
    if state:
        query = query.where(recipients.c.state == state)
    return connection.execute(query.order_by(recipients.c.id).limit(limit)).mappings().all()


def end_pending(connection: Connection, campaign_id: str, state: RecipientState, at_ms: int) -> None:
    """Gives up all recipients who are still to be called."""
    pending = update(recipients).where(recipients.c.campaign_id == campaign_id, recipients.c.state == _PENDING)
    connection.execute(pending.values(state=state.value, due_at_ms=at_ms))


def recipients_by_state(connection: Connection, campaign_id: str) -> dict[str, int]:
    """How many recipients are in each state."""
    query = (
        select(recipients.c.state, func.count())
        .where(recipients.c.campaign_id == campaign_id)
        .group_by(recipients.c.state)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def has_unfinished(connection: Connection, campaign_id: str) -> bool:
    """Whether a recipient is still to be called, or in a call."""
    found = exists().where(recipients.c.campaign_id == campaign_id, recipients.c.state.in_([_PENDING, _IN_CALL]))
    return bool(connection.execute(select(found)).scalar())


def recent_attempts(
    connection: Connection, tenant: str, numbers: Sequence[str], since_ms: int
) -> dict[str, list[tuple[int, bool]]]:
    """When each number was called since then in campaigns of the tenant, and whether that call is still open; oldest first."""
    query = (
        select(attempts.c.number, attempts.c.started_at_ms, attempts.c.is_open)
        .where(
            attempts.c.tenant == tenant,
            attempts.c.number.in_(numbers),
            attempts.c.started_at_ms > since_ms,
            attempts.c.is_dialled,
        )
        .order_by(attempts.c.started_at_ms)
    )
    found: dict[str, list[tuple[int, bool]]] = {}
    for number, started_at_ms, is_open in connection.execute(query):
        found.setdefault(number, []).append((started_at_ms, is_open))
    return found


def insert_attempts(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes attempts; the second one with a number of the same recipient is a conflict."""
    if rows:
        connection.execute(attempts.insert(), [dict(row) for row in rows])


def find_attempt(connection: Connection, call_id: str) -> Row | None:
    """An attempt by its call."""
    return connection.execute(select(attempts).where(attempts.c.call_id == call_id)).mappings().first()


def change_attempt(connection: Connection, call_id: str, values: Mapping[str, Any]) -> None:
    """Changes columns of an attempt."""
    connection.execute(update(attempts).where(attempts.c.call_id == call_id).values(**values))


def was_dialled(connection: Connection, call_id: str) -> bool:
    """Whether a carrier was asked to place a call; one that ended while it waited for its turn was not."""
    return bool(connection.execute(select(exists().where(carrier_attempts.c.call_id == call_id))).scalar())


def attempts_ended_since(connection: Connection, since_ms: int, limit: int) -> Sequence[Row]:
    """Attempts whose outcome became known after a time, in that order."""
    query = select(attempts).where(attempts.c.ended_at_ms > since_ms).order_by(attempts.c.ended_at_ms)
    return connection.execute(query.limit(limit)).mappings().all()


def open_calls(connection: Connection, campaign_ids: Sequence[str]) -> Sequence[tuple[str, str, str, bool]]:
    """The calls of campaigns that are not over: campaign, call, its status, and whether it has a worker's slot."""
    query = (
        select(attempts.c.campaign_id, attempts.c.call_id, calls.c.status, calls.c.worker_id)
        .join(calls, calls.c.id == attempts.c.call_id)
        .where(attempts.c.campaign_id.in_(campaign_ids), attempts.c.is_open)
    )
    return [(campaign, call, status, bool(worker)) for campaign, call, status, worker in connection.execute(query)]


def has_open_calls(connection: Connection, campaign_id: str) -> bool:
    """Whether a call of the campaign is not over."""
    return bool(
        connection.execute(select(exists().where(attempts.c.campaign_id == campaign_id, attempts.c.is_open))).scalar()
    )


def abandon_count(connection: Connection, campaign_id: str, since_ms: int) -> AbandonCount:
    """The answered and the abandoned calls of a campaign that were dialled since then."""
    query = select(func.count().filter(attempts.c.is_answered), func.count().filter(attempts.c.is_abandoned)).where(
        attempts.c.campaign_id == campaign_id, attempts.c.started_at_ms >= since_ms
    )
    answered, abandoned = connection.execute(query).one()
    return AbandonCount(answered, abandoned)


def outcomes_of(connection: Connection, campaign_id: str) -> dict[str, int]:
    """How many attempts of a campaign ended in which way."""
    query = (
        select(attempts.c.outcome, func.count())
        .where(attempts.c.campaign_id == campaign_id, ~attempts.c.is_open)
        .group_by(attempts.c.outcome)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def last_digest(connection: Connection, campaign_id: str, before: int | None = None) -> str:
    """The digest of a campaign's last entry in the ledger, or of the one before an entry."""
    query = select(ledger.c.digest).where(ledger.c.campaign_id == campaign_id)
    if before is not None:
        query = query.where(ledger.c.number < before)
    return connection.execute(query.order_by(ledger.c.number.desc()).limit(1)).scalar_one_or_none() or FIRST


def insert_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    """Writes entries of the ledger, in order."""
    if entries:
        connection.execute(
            ledger.insert(), [{name: getattr(one, name) for name in Entry.__struct_fields__} for one in entries]
        )


def entries_of_call(connection: Connection, call_id: str) -> Sequence[Row]:
    """The entries about a call, in order."""
    query = select(ledger).where(ledger.c.call_id == call_id).order_by(ledger.c.number)
    return connection.execute(query).mappings().all()


def page_of_entries(
    connection: Connection, campaign_id: str, *, limit: int, after: int, recipient_id: int = 0
) -> Sequence[Row]:
    """Entries of a campaign, in order."""
    query = select(ledger).where(ledger.c.campaign_id == campaign_id, ledger.c.number > after)
    if recipient_id:
        query = query.where(ledger.c.recipient_id == recipient_id)
    return connection.execute(query.order_by(ledger.c.number).limit(limit)).mappings().all()
