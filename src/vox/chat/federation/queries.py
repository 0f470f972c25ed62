"""The SQL of federation: peers, lists, own keys, deliveries, receipts, nonces, and users of other servers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from vox.chat.database.schema import (
    config,
    dm_participants,
    dms,
    federation_keys,
    federation_list,
    federation_nonces,
    federation_outbox,
    federation_peers,
    federation_presence_subs,
    federation_received,
    users,
)
from vox.chat.events.ids import DmId, MessageId, UserId
from vox.stores.sql import Connection

ALLOW: Final = "allow:"
"""What an entry of the list begins with that allows a server; any other blocks one."""
HEADS_AT_ONCE: Final = 256
"""Deliveries that are looked at in one round."""
KEPT_S: Final = 30 * 86_400
"""How long receipts of settled deliveries and failed deliveries stay."""

KEPT_SETTLED: Final = 1000
"""How far behind the settled deliveries of its sender a receipt must be to be forgotten."""

KeyState = Literal["next", "active", "retired"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery that waits; times in Unix milliseconds."""

    id: int
    domain: str
    conversation: str
    kind: str
    body: str
    msg_id: MessageId | None
    author_id: UserId | None
    created_at: int
    attempts: int
    not_before: int
    peer_failures: int = 0


@dataclass(frozen=True, slots=True)
class Peer:
    """What is remembered of another server; `not_before` in Unix milliseconds, the other times in seconds."""

    domain: str
    pins: dict[str, int]
    signs_fully: bool
    failures: int
    not_before: int
    last_error: str | None
    first_seen_at: int
    last_seen_at: int | None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key of this server; `private_key` is None where it is in a file."""

    key_id: str
    public_key: str
    private_key: str | None
    state: KeyState
    created_at: int


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of the block or allow list; `created_at` in Unix seconds."""

    domain: str
    reason: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class QueueState:
    """How many deliveries to a server wait, and how many were given up."""

    waiting: int = 0
    failed: int = 0


# Lists


def listed(connection: Connection, domain: str) -> tuple[bool, bool]:
    """Whether a server is blocked, and whether it is allowed."""
    entries = (domain, ALLOW + domain)
    found = set(
        connection.execute(select(federation_list.c.entry).where(federation_list.c.entry.in_(entries))).scalars()
    )
    return domain in found, ALLOW + domain in found


def add_entry(connection: Connection, entry: str, reason: str | None, now_s: int) -> bool:
    """Adds an entry, or gives the one that exists another reason; whether it is new."""
    row = {"entry": entry, "reason": reason, "created_at": now_s}
    if _insert_new(connection, federation_list, row):
        return True
    connection.execute(update(federation_list).where(federation_list.c.entry == entry).values(reason=reason))
    return False


def delete_entry(connection: Connection, entry: str) -> bool:
    """Deletes an entry; False where there is none."""
    return bool(connection.execute(delete(federation_list).where(federation_list.c.entry == entry)).rowcount)


def list_entries(connection: Connection, *, is_allow: bool, limit: int, offset: int) -> list[ListEntry]:
    """Entries of one list in the order they were added."""
    row = federation_list.c
    is_meant = row.entry.like(f"{ALLOW}%") if is_allow else row.entry.not_like(f"{ALLOW}%")
    query = select(row.entry, row.reason, row.created_at).where(is_meant).order_by(row.id).limit(limit).offset(offset)
    return [ListEntry(entry.removeprefix(ALLOW), reason, at) for entry, reason, at in connection.execute(query)]


# Peers


def find_peer(connection: Connection, domain: str) -> Peer | None:
    """What is remembered of a server."""
    row = connection.execute(select(federation_peers).where(federation_peers.c.domain == domain)).first()
    return None if row is None else _peer(row)


def list_peers(connection: Connection, *, after: str, limit: int) -> list[Peer]:
    """Servers by domain."""
    row = federation_peers.c
    query = select(federation_peers).where(row.domain > after).order_by(row.domain).limit(limit)
    return [_peer(found) for found in connection.execute(query)]


def store_pins(connection: Connection, domain: str, pins: Mapping[str, int], now_s: int) -> None:
    """Remembers the keys of a server."""
    _know_peer(connection, domain, now_s)
    text = msgspec.json.encode(pins).decode()
    connection.execute(update(federation_peers).where(federation_peers.c.domain == domain).values(pins=text))


def forget_pins(connection: Connection, domain: str) -> bool:
    """Forgets the keys of a server; False where it is not known."""
    statement = update(federation_peers).where(federation_peers.c.domain == domain).values(pins="{}")
    return bool(connection.execute(statement).rowcount)


def heard_from(connection: Connection, domain: str, now_s: int, *, is_full: bool) -> None:
    """A server has sent a request that is rightly signed: it is there, and what waits for it is due."""
    _know_peer(connection, domain, now_s)
    values: dict[str, Any] = {"last_seen_at": now_s, "failures": 0, "not_before": 0}
    if is_full:
        values["signs_fully"] = True
    connection.execute(update(federation_peers).where(federation_peers.c.domain == domain).values(values))


def peer_away(connection: Connection, domain: str, *, failures: int, not_before: int, error: str, now_s: int) -> None:
    """Nothing reaches a server at present."""
    _know_peer(connection, domain, now_s)
    values = {"failures": failures, "not_before": not_before, "last_error": error}
    connection.execute(update(federation_peers).where(federation_peers.c.domain == domain).values(values))


def peer_answers(connection: Connection, domain: str) -> None:
    """A server has answered: all that waits for it is due."""
    row = federation_peers.c
    away = (row.domain == domain) & ((row.failures != 0) | (row.not_before != 0))
    connection.execute(update(federation_peers).where(away).values(failures=0, not_before=0, last_error=None))


# Nonces


def spend(connection: Connection, name: str, now_s: int, expires_at: int) -> bool:
    """Notes a nonce; False where it was noted before."""
    return _insert_new(connection, federation_nonces, {"nonce": name, "seen_at": now_s, "expires_at": expires_at})


def delete_expired(connection: Connection, now_s: int) -> int:
    """Deletes nonces, receipts of settled deliveries and failed deliveries whose time is over; how many."""
    removed = connection.execute(delete(federation_nonces).where(federation_nonces.c.expires_at < now_s)).rowcount
    row = federation_outbox.c
    old = (row.state == "failed") & (row.created_at < (now_s - KEPT_S) * 1000)
    return removed + connection.execute(delete(federation_outbox).where(old)).rowcount


# Own keys


def list_keys(connection: Connection) -> list[StoredKey]:
    """The keys of this server, oldest first."""
    row = federation_keys.c
    query = select(row.key_id, row.public_key, row.private_key, row.state, row.created_at)
    return [StoredKey(*found) for found in connection.execute(query.order_by(row.created_at, row.key_id))]


def insert_key(connection: Connection, key: StoredKey) -> bool:
    """Stores a key; False where it is there already."""
    return _insert_new(
        connection,
        federation_keys,
        {
            "key_id": key.key_id,
            "public_key": key.public_key,
            "private_key": key.private_key,
            "state": key.state,
            "created_at": key.created_at,
        },
    )


def set_key_state(connection: Connection, key_id: str, state: KeyState) -> bool:
    """Gives a key another state; False where there is none."""
    statement = update(federation_keys).where(federation_keys.c.key_id == key_id).values(state=state)
    return bool(connection.execute(statement).rowcount)


def delete_key(connection: Connection, key_id: str) -> bool:
    """Deletes a key that is not in use; False where there is none."""
    row = federation_keys.c
    return bool(connection.execute(delete(federation_keys).where(row.key_id == key_id, row.state != "active")).rowcount)


def configured_private_key(connection: Connection) -> str | None:
    """The private key that an original server left in its settings."""
    return connection.execute(select(config.c.value).where(config.c.key == "federation_private_key")).scalar()


# Outbox


def enqueue(connection: Connection, row: Mapping[str, Any]) -> int:
    """Adds a delivery and returns its number; `row` has a value for each column without a default."""
    return connection.execute(insert(federation_outbox).values(row).returning(federation_outbox.c.id)).scalar_one()


def count_waiting(connection: Connection, domain: str, most: int) -> int:
    """How many deliveries wait for a server, counted up to a bound."""
    row = federation_outbox.c
    some = select(row.id).where(row.state == "pending", row.domain == domain).limit(most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def drop_untried(connection: Connection, domain: str, conversation: str, kind: str) -> None:
    """Deletes deliveries of a kind that were never tried, before a newer one takes their place."""
    row = federation_outbox.c
    connection.execute(
        delete(federation_outbox).where(
            row.state == "pending",
            row.domain == domain,
            row.conversation == conversation,
            row.kind == kind,
            row.attempts == 0,
        )
    )


def heads(connection: Connection, now_ms: int, longest_ms: int, without: Collection[str] = ()) -> list[Delivery]:
    """The oldest delivery of each conversation, where neither it nor its server has to wait.

    Args:
        connection: any.
        now_ms: Unix milliseconds.
        longest_ms: the longest wait that is ever set; a longer one is the trace of a clock that was set back.
        without: servers that are left out.
    """
    row, peer = federation_outbox.c, federation_peers.c
    oldest = select(func.min(row.id)).where(row.state == "pending").group_by(row.domain, row.conversation)
    waits_until = func.coalesce(peer.not_before, 0)
    query = (
        select(*_DELIVERY, func.coalesce(peer.failures, 0))
        .outerjoin(federation_peers, peer.domain == row.domain)
        .where(
            row.id.in_(oldest),
            row.domain.not_in(without),
            or_(row.not_before <= now_ms, row.not_before > now_ms + longest_ms),
            or_(waits_until <= now_ms, waits_until > now_ms + longest_ms),
        )
        .order_by(row.id)
        .limit(HEADS_AT_ONCE)
    )
    return [Delivery(*found) for found in connection.execute(query)]


def next_due_ms(connection: Connection, now_ms: int) -> int | None:
    """When the next waiting delivery comes due, Unix milliseconds; None where none does later than now."""
    row, peer = federation_outbox.c, federation_peers.c
    own, server = row.not_before, func.coalesce(peer.not_before, 0)
    later = func.max(own, server) if connection.dialect.name == "sqlite" else func.greatest(own, server)
    query = select(func.min(later)).outerjoin(federation_peers, peer.domain == row.domain)
    return connection.execute(query.where(row.state == "pending", later > now_ms)).scalar()


def oldest_waiting(connection: Connection, domain: str) -> int:
    """The lowest number of a delivery to a server that is not settled; 0 where all are."""
    row = federation_outbox.c
    query = select(func.min(row.id)).where(row.state == "pending", row.domain == domain)
    return connection.execute(query).scalar() or 0


def settle(connection: Connection, delivery_id: int) -> None:
    """Deletes a delivery that has arrived."""
    connection.execute(delete(federation_outbox).where(federation_outbox.c.id == delivery_id))


def fail(connection: Connection, delivery_id: int, code: str) -> bool:
    """Gives a delivery up; False where it was settled meanwhile."""
    row = federation_outbox.c
    is_meant = (row.id == delivery_id) & (row.state == "pending")
    return bool(
        connection.execute(update(federation_outbox).where(is_meant).values(state="failed", code=code)).rowcount
    )


def postpone(connection: Connection, delivery_id: int, not_before: int, code: str) -> None:
    """Counts an attempt and sets when the next may be."""
    row = federation_outbox.c
    values = {"attempts": row.attempts + 1, "not_before": not_before, "code": code}
    connection.execute(update(federation_outbox).where(row.id == delivery_id).values(values))


def fail_all(connection: Connection, domain: str, code: str) -> list[Delivery]:
    """Gives up all deliveries to a server, and returns them."""
    row = federation_outbox.c
    is_meant = (row.domain == domain) & (row.state == "pending")
    gone = [Delivery(*found) for found in connection.execute(select(*_DELIVERY).where(is_meant))]
    connection.execute(update(federation_outbox).where(is_meant).values(state="failed", code=code))
    return gone


def queue_states(connection: Connection, domains: Collection[str]) -> dict[str, QueueState]:
    """The queues of some servers."""
    row = federation_outbox.c
    query = select(row.domain, row.state, func.count()).where(row.domain.in_(domains)).group_by(row.domain, row.state)
    counts: dict[str, dict[str, int]] = {}
    for domain, state, count in connection.execute(query):
        counts.setdefault(domain, {})[state] = count
    return {domain: QueueState(found.get("pending", 0), found.get("failed", 0)) for domain, found in counts.items()}


# Received


def note_received(connection: Connection, domain: str, delivery_id: str, sequence: int, now_s: int) -> bool:
    """Notes that a delivery has come; False where it was noted before. On PostgreSQL the second of two waits for the first."""
    row = {"domain": domain, "delivery_id": delivery_id, "sequence": sequence, "received_at": now_s}
    return _insert_new(connection, federation_received, row)


def link_received(connection: Connection, domain: str, delivery_id: str, dm_id: DmId, msg_id: MessageId) -> None:
    """Notes which message a delivery has become."""
    row = federation_received.c
    is_meant = (row.domain == domain) & (row.delivery_id == delivery_id)
    connection.execute(update(federation_received).where(is_meant).values(dm_id=dm_id, msg_id=msg_id))


def forget_settled(connection: Connection, domain: str, before: int, now_s: int) -> None:
    """Forgets receipts of deliveries that their sender calls settled, long after that by its count and by the clock.

    No bound alone is enough: a network doubles and delays requests, a sender restored from a backup sends again what it had settled,
    and a clock that jumps ahead makes everything look old.
    """
    row = federation_received.c
    settled = (row.domain == domain) & (row.sequence < before - KEPT_SETTLED)
    connection.execute(delete(federation_received).where(settled, row.received_at < now_s - KEPT_S))


def last_received(connection: Connection, dm_id: DmId, domain: str, up_to: MessageId) -> str | None:
    """The name of the last message of a server in a conversation, up to a message."""
    row = federation_received.c
    query = select(row.delivery_id).where(row.dm_id == dm_id, row.domain == domain, row.msg_id <= up_to)
    return connection.execute(query.order_by(row.msg_id.desc()).limit(1)).scalar()


# Users of other servers


def find_remote_user(connection: Connection, address: str, domain: str) -> UserId | None:
    """The user with an address."""
    query = select(users.c.id).where(users.c.username == address, users.c.home_domain == domain)
    return connection.execute(query).scalar()


def insert_remote_user(
    connection: Connection, address: str, domain: str, display_name: str, now_s: int, *, is_contact: bool
) -> UserId | None:
    """Stores a user of another server; None where there is one with that address."""
    row = {
        "username": address,
        "display_name": display_name,
        "federated": True,
        "home_domain": domain,
        "created_at": now_s,
        "contact": is_contact,
    }
    statement = _on_conflict(connection, users, row).returning(users.c.id)
    found = connection.execute(statement).first()
    return None if found is None else found[0]


def count_remote_users(connection: Connection, domain: str) -> int:
    """How many users of a server are known here."""
    return connection.execute(select(func.count()).select_from(users).where(users.c.home_domain == domain)).scalar_one()


def users_of(connection: Connection, domain: str) -> list[UserId]:
    """The users of a server."""
    return list(connection.execute(select(users.c.id).where(users.c.home_domain == domain)).scalars())


def pair_of(connection: Connection, one: UserId, other: UserId) -> DmId | None:
    """The conversation of two users."""
    low, high = sorted((one, other))
    return connection.execute(select(dms.c.id).where(dms.c.pair == f"{low}:{high}")).scalar()


def is_pair(connection: Connection, dm_id: DmId) -> bool:
    """Whether a conversation is one of two users."""
    return connection.execute(select(dms.c.pair).where(dms.c.id == dm_id)).scalar() is not None


# Presence


def subscribe(connection: Connection, domain: str, address: str, most: int) -> bool:
    """Notes who wants to know of a user's presence; False where the server has too many."""
    row = federation_presence_subs.c
    held = select(func.count()).select_from(federation_presence_subs).where(row.domain == domain)
    if connection.execute(held).scalar_one() >= most:
        known = select(row.id).where(row.domain == domain, row.user_address == address)
        return connection.execute(known).first() is not None
    _insert_new(connection, federation_presence_subs, {"domain": domain, "user_address": address})
    return True


def unsubscribe_all(connection: Connection, domain: str) -> None:
    """Tells a server of no one's presence any more."""
    connection.execute(delete(federation_presence_subs).where(federation_presence_subs.c.domain == domain))


def subscribers(connection: Connection, address: str, user_id: UserId) -> list[str]:
    """The servers that asked for a user's presence and have a user the user writes with."""
    mine, theirs = dm_participants.alias(), dm_participants.alias()
    shares = (
        select(users.c.home_domain)
        .join(theirs, theirs.c.user_id == users.c.id)
        .join(mine, mine.c.dm_id == theirs.c.dm_id)
        .where(mine.c.user_id == user_id)
    )
    row = federation_presence_subs.c
    query = select(row.domain).where(row.user_address == address, row.domain.in_(shares))
    return list(connection.execute(query).scalars())


_DELIVERY: Final = (
    federation_outbox.c.id,
    federation_outbox.c.domain,
    federation_outbox.c.conversation,
    federation_outbox.c.kind,
    federation_outbox.c.body,
    federation_outbox.c.msg_id,
    federation_outbox.c.author_id,
    federation_outbox.c.created_at,
    federation_outbox.c.attempts,
    federation_outbox.c.not_before,
)


def _peer(row: Any) -> Peer:
    return Peer(
        row.domain,
        msgspec.json.decode(row.pins, type=dict[str, int]),
        bool(row.signs_fully),
        row.failures,
        row.not_before,
        row.last_error,
        row.first_seen_at,
        row.last_seen_at,
    )


def _know_peer(connection: Connection, domain: str, now_s: int) -> None:
    _insert_new(connection, federation_peers, {"domain": domain, "first_seen_at": now_s})


def _insert_new(connection: Connection, table: Any, row: Mapping[str, Any]) -> bool:
    return bool(connection.execute(_on_conflict(connection, table, row)).rowcount)


def _on_conflict(connection: Connection, table: Any, row: Mapping[str, Any]) -> Any:
    insert_new = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return insert_new(table).values(row).on_conflict_do_nothing()
