"""What administrators decide: which servers are blocked and allowed, and with which key this one signs."""

from datetime import UTC, datetime
from functools import partial
from typing import Final

from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import Event
from vox.chat.events.ids import DmId, UserId
from vox.chat.events.messages import dm_delivery
from vox.chat.events.people import login_revoked
from vox.chat.features.federation import queries as own
from vox.chat.features.federation.inbound import federation_of
from vox.chat.features.federation.schemas import KeyInfo, Listed, PeerInfo, PeerPage
from vox.chat.federation import queries
from vox.chat.federation.addresses import parse_domain
from vox.chat.federation.dns_records import key_text
from vox.chat.federation.queries import ALLOW, Delivery, QueueState, StoredKey
from vox.chat.federation.service import Federation
from vox.errors import DependencyError, UsageError
from vox.stores.sql import Connection

BLOCKED: Final = "FED_BLOCKED"
BLOCKED_REASON: Final = "Your server was blocked"


def domain_of(text: str) -> str:
    """A domain of a path or body in its one form.

    Raises:
        Refusal: VALIDATION_ERROR.
    """
    domain = parse_domain(text)
    if domain is None:
        raise refuse("VALIDATION_ERROR", "domain: expected the domain of a server, such as chat.example.com")
    return domain


async def block(chat: ChatContext, actor_id: UserId, domain: str, reason: str | None) -> None:
    """Blocks a server: nothing is accepted from it or sent to it, and logins of its users end."""
    await chat.change(
        partial(
            _block,
            federation=chat.federation,
            actor_id=actor_id,
            domain=domain,
            reason=reason,
            now_s=chat.clock.unix_s(),
        )
    )
    if chat.federation is not None:
        chat.federation.outbox.wake()


def unblock(connection: Connection, *, actor_id: UserId, domain: str) -> Change[None]:
    """Lifts a block; without one it changes nothing."""
    if not queries.delete_entry(connection, domain):
        return Change(None)
    return Change(None, (), [AuditEntry("federation_unblock", actor_id, None, {"domain": domain})])


def allow(connection: Connection, *, actor_id: UserId, domain: str, reason: str | None, now_s: int) -> Change[None]:
    """Puts a server on the allow list."""
    queries.add_entry(connection, ALLOW + domain, reason, now_s)
    metadata = {"domain": domain, "reason": reason}
    return Change(None, (), [AuditEntry("federation_allow_added", actor_id, None, metadata)])


def disallow(connection: Connection, *, actor_id: UserId, domain: str) -> Change[None]:
    """Takes a server off the allow list; one that is not on it stays so."""
    if not queries.delete_entry(connection, ALLOW + domain):
        return Change(None)
    return Change(None, (), [AuditEntry("federation_allow_removed", actor_id, None, {"domain": domain})])


def note_block_of(connection: Connection, *, domain: str, reason: str | None) -> Change[None]:
    """Notes in the audit log that another server has blocked this one."""
    metadata = {"domain": domain, "reason": reason}
    return Change(None, (), [AuditEntry("federation_block_request_received", None, None, metadata)])


def listed(connection: Connection, *, is_allow: bool, limit: int, offset: int) -> list[Listed]:
    """Entries of one list."""
    entries = queries.list_entries(connection, is_allow=is_allow, limit=limit, offset=offset)
    return [
        Listed(entry.domain, entry.reason, datetime.fromtimestamp(entry.created_at, UTC).isoformat())
        for entry in entries
    ]


def peers(connection: Connection, *, after: str, limit: int) -> PeerPage:
    """The servers that this one has met, with their queues."""
    found = queries.list_peers(connection, after=after, limit=limit)
    states = queries.queue_states(connection, [peer.domain for peer in found])
    items = [
        PeerInfo(
            peer.domain,
            states.get(peer.domain, QueueState()).waiting,
            states.get(peer.domain, QueueState()).failed,
            peer.failures,
            peer.last_error,
            peer.signs_fully,
            bool(peer.pins) and any(since < 0 for since in peer.pins.values()),
            peer.first_seen_at,
            peer.last_seen_at,
        )
        for peer in found
    ]
    return PeerPage(items, items[-1].domain if items else None)


async def believe_keys(chat: ChatContext, actor_id: UserId, domain: str) -> None:
    """Forgets the keys of a server, so that those the DNS shows now are believed.

    Raises:
        Refusal: NOT_FOUND.
    """

    def unit(connection: Connection) -> Change[bool]:
        if not queries.forget_pins(connection, domain):
            return Change(False)
        return Change(True, (), [AuditEntry("federation_keys_believed", actor_id, None, {"domain": domain})])

    if not await chat.change(unit):
        raise refuse("NOT_FOUND", f"{domain} is not known.")
    federation_of(chat).discovery.forget(domain)


async def keys(chat: ChatContext) -> list[KeyInfo]:
    """The keys of this server."""
    federation = federation_of(chat)
    return [key_info(federation, key) for key in await federation.keyring.keys()]


async def make_key(chat: ChatContext, actor_id: UserId) -> KeyInfo:
    """Makes the key that follows the active one, or returns it where it is made already.

    Raises:
        Refusal: INVALID_OPERATION where there are too many.
    """
    federation = federation_of(chat)
    try:
        key = await federation.keyring.make_next()
    except UsageError as error:
        raise refuse("INVALID_OPERATION", f"{error.args[0]} Delete the retired ones first.") from None
    await _audit(chat, "federation_key_made", actor_id, key.key_id)
    return key_info(federation, key)


async def activate_key(chat: ChatContext, actor_id: UserId, key_id: str) -> None:
    """Signs with another key from now on, once the DNS shows it.

    Raises:
        Refusal: NOT_FOUND, INVALID_OPERATION where the DNS does not show it.
    """
    federation = federation_of(chat)
    key = next((one for one in await federation.keyring.keys() if one.key_id == key_id), None)
    if key is None:
        raise refuse("NOT_FOUND", "There is no such key.")
    try:
        shown = await federation.discovery.published_keys(federation.domain)
    except DependencyError:
        raise refuse("UNAVAILABLE", "The DNS gives no answer; try again.", retry_after_ms=2000) from None
    if key.public_key not in shown:
        raise refuse(
            "INVALID_OPERATION", f"The DNS does not show this key yet: add its record at _voxkey.{federation.domain}."
        )
    await federation.keyring.activate(key_id)
    await _audit(chat, "federation_key_activated", actor_id, key_id)


async def delete_key(chat: ChatContext, actor_id: UserId, key_id: str) -> None:
    """Deletes a key that is not the active one.

    Raises:
        Refusal: NOT_FOUND.
    """
    if not await federation_of(chat).keyring.delete(key_id):
        raise refuse("NOT_FOUND", "There is no such key, or it is the active one.")
    await _audit(chat, "federation_key_deleted", actor_id, key_id)


def key_info(federation: Federation, key: StoredKey) -> KeyInfo:
    """A key with the record that publishes it."""
    return KeyInfo(
        key.key_id, key.state, key.public_key, f"_voxkey.{federation.domain}", key_text(key.public_key), key.created_at
    )


async def _audit(chat: ChatContext, kind: str, actor_id: UserId, key_id: str) -> None:
    entry = AuditEntry(kind, actor_id, None, {"key_id": key_id})
    await chat.change(lambda _connection: Change(None, (), [entry]))


def _block(
    connection: Connection,
    *,
    federation: Federation | None,
    actor_id: UserId,
    domain: str,
    reason: str | None,
    now_s: int,
) -> Change[None]:
    lock_event_order(connection)
    is_new = queries.add_entry(connection, domain, reason, now_s)
    events: list[Event] = [
        login_revoked(user_id, login_ids, reason=BLOCKED_REASON)
        for user_id, login_ids in own.end_logins_of(connection, domain)
    ]
    gone = queries.fail_all(connection, domain, BLOCKED)
    events += [event for delivery in gone if (event := _failed(delivery)) is not None]
    queries.unsubscribe_all(connection, domain)
    if is_new and federation is not None and federation.policy != "closed":
        federation.tell_block(connection, domain, reason)
    metadata = {"domain": domain, "reason": reason}
    return Change(None, events, [AuditEntry("federation_block_sent", actor_id, None, metadata)])


def _failed(delivery: Delivery) -> Event | None:
    if delivery.author_id is None or delivery.msg_id is None:
        return None
    dm_id = DmId(int(delivery.conversation.removeprefix("dm:")))
    return dm_delivery(user_id=delivery.author_id, dm_id=dm_id, msg_id=delivery.msg_id, state="failed", code=BLOCKED)
