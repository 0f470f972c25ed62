"""Gives what an imported placeholder said to the account of the person it stands for, and removes the placeholder.

Messages move in batches, so a running server's writers wait for milliseconds; what was cut is gone on with by the same command. The
placeholder goes last, and with it what later imports know it by points to the account.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

from vox.chat.database.transfer.move import OnProgress
from vox.chat.database.unit_of_work import AuditEntry, Change, NextId, lock_event_order, persist_outcome
from vox.chat.imports import claim_queries as queries
from vox.chat.imports.queries import count_version
from vox.errors import UsageError
from vox.stores.sql import Connection, SqlDatabase

BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose messages go where."""

    placeholder_id: int
    account_id: int


def claim_placeholder(
    database: SqlDatabase, placeholder: str, account: str, next_id: NextId, now_ms: int, on_progress: OnProgress
) -> int:
    """Moves everything of a placeholder to an account, and returns the number of messages. Blocks.

    Args:
        database: open, with this version's tables; a server may run on it.
        placeholder: user name of a person that an import made.
        account: user name of the account that gets it.
        next_id: gives snowflakes.
        now_ms: Unix milliseconds.
        on_progress: is told how far it is.

    Raises:
        UsageError: there is no such placeholder or account (claim_refused).
        DependencyError: the database failed; the same command goes on.
    """
    claim = database.run_sync(partial(_found, placeholder=placeholder, account=account))
    total = database.run_sync(partial(queries.count_messages, user_id=claim.placeholder_id))
    moved = 0
    while True:
        count = database.run_sync(
            partial(queries.move_messages, source=claim.placeholder_id, target=claim.account_id, limit=BATCH)
        )
        moved += count
        on_progress("messages", moved, max(total, moved))
        if count < BATCH:
            break
    database.run_sync(partial(_finish, claim=claim, moved=moved, next_id=next_id, now_ms=now_ms), deadline_s=60)
    return moved


def _found(connection: Connection, *, placeholder: str, account: str) -> Claim:
    placeholder_id = queries.find_placeholder(connection, placeholder)
    if placeholder_id is None:
        raise UsageError(
            f"{placeholder} is no placeholder of an import",
            code="claim_refused",
            hint="name one that an import made; an account that can log in belongs to a person already",
        )
    account_id = queries.find_account(connection, account)
    if account_id is None or account_id == placeholder_id:
        raise UsageError(
            f"{account} is no account that can take it", code="claim_refused", hint="let the person register first"
        )
    return Claim(placeholder_id, account_id)


def _finish(connection: Connection, *, claim: Claim, moved: int, next_id: NextId, now_ms: int) -> None:
    lock_event_order(connection)
    queries.move_messages(connection, source=claim.placeholder_id, target=claim.account_id, limit=BATCH * 1000)
    queries.move_rest(connection, source=claim.placeholder_id, target=claim.account_id)
    queries.repoint(connection, source=claim.placeholder_id, target=claim.account_id)
    queries.delete_placeholder(connection, claim.placeholder_id)
    count_version(connection)
    details = {"placeholder_id": claim.placeholder_id, "messages": moved}
    entry = AuditEntry("import.claim", None, claim.account_id, details)
    persist_outcome(connection, Change(None, (), [entry]), next_id, now_ms)
