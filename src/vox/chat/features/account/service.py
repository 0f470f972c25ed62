"""The end of an account: what its owner said goes or stays without a name, everything else that names them goes.

Messages go first, in batches, while the account still works: what is interrupted is simply asked for again. The row of the account
stays, empty, because answers of others and the audit log refer to it.
"""

import secrets
from functools import partial

from vox.chat.api.hierarchy import assert_administrator_left
from vox.chat.community import administrators_in
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import Refusal, refuse
from vox.chat.events import member_leave, member_update, user_update
from vox.chat.events.ids import UserId
from vox.chat.events.people import login_revoked
from vox.chat.features.account import queries
from vox.chat.features.account.schemas import AccountExport, Deletion
from vox.chat.features.auth.queries import read_password_hash
from vox.chat.features.members.rejoin import deactivate
from vox.chat.features.members.service import deletion_events
from vox.chat.features.messages.delete import BATCH, delete_messages_of_author
from vox.stores.sql import Connection

LONGEST_PASSWORD = 4096
NAMELESS = "Deleted user"


def export(connection: Connection, *, user_id: UserId) -> AccountExport:
    """What is kept of an account besides messages and files."""
    return AccountExport(
        queries.read_profile(connection, user_id),
        queries.read_tables(connection, user_id),
        queries.count(connection, "messages", user_id),
        queries.count(connection, "files", user_id),
    )


async def delete_account(chat: ChatContext, body: Deletion, *, user_id: UserId) -> None:
    """Deletes the caller's account.

    Raises:
        Refusal: AUTH_FAILED for a wrong password, INVALID_TARGET for the last administrator.
    """
    stored = await chat.read(partial(read_password_hash, user_id=user_id))
    verdict = await chat.logins.passwords.check(body.password[:LONGEST_PASSWORD], stored)
    if stored is None or not verdict.is_right:
        raise _wrong_password()
    await chat.read(partial(_assert_not_last, user_id=user_id))
    if body.messages == "delete":
        while await chat.change(partial(_delete_batch, user_id=user_id)) == BATCH:
            pass
    await chat.change(partial(_delete, user_id=user_id, stored=stored, deletes_messages=body.messages == "delete"))


def _assert_not_last(connection: Connection, *, user_id: UserId) -> None:
    if administrators_in(connection) == frozenset((user_id,)):
        raise refuse("INVALID_TARGET", "You are the only administrator: make another one first.")


def _delete_batch(connection: Connection, *, user_id: UserId) -> Change[int]:
    removed = delete_messages_of_author(connection, user_id, 0)
    return Change(len(removed), deletion_events(removed))


def _delete(connection: Connection, *, user_id: UserId, stored: str, deletes_messages: bool) -> Change[None]:
    lock_event_order(connection)
    if read_password_hash(connection, user_id=user_id) != stored:
        raise _wrong_password()
    was_administrator = user_id in administrators_in(connection)
    events = [login_revoked(user_id), *deactivate(connection, user_id)]
    if was_administrator:
        assert_administrator_left(connection)
    if deletes_messages:  # what was sent since the batches
        while removed := delete_messages_of_author(connection, user_id, 0):
            events += deletion_events(removed)
    username = f"deleted-{user_id}-{secrets.token_hex(4)}"
    queries.erase(connection, user_id, username, NAMELESS)
    changed = {"username": username, "display_name": NAMELESS, "avatar": None, "bio": None}
    events += [
        user_update(user_id=user_id, changed=changed),
        member_update(user_id=user_id, nickname=None),
        member_leave(user_id=user_id),
    ]
    return Change(
        None, events, [AuditEntry("account.delete", user_id, user_id, {"messages_deleted": deletes_messages})]
    )


def _wrong_password() -> Refusal:
    return refuse("AUTH_FAILED", "The password is wrong, or this account has none: ask an administrator then.")
