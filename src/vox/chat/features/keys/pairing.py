"""Pairing a new device: a prompt to the account's other sessions, one answer, five minutes.

The server only knows that a session of the account asked and that another one answered. Whether both mean each other is for the
payload of the pairing (CPace, or a scanned code), which is relayed unread.
"""

import re
import secrets
from typing import Final

from vox.chat.database.unit_of_work import Change, lock_event_order
from vox.chat.errors import rate_limited, refuse
from vox.chat.events import device_pair_prompt
from vox.chat.events.ids import LoginId, UserId
from vox.chat.events.keys import cpace_message
from vox.chat.features.keys import device_queries as queries
from vox.chat.features.keys.limits import MAX_PENDING_PAIRINGS, PAIRING_S
from vox.chat.features.keys.schemas import NewPairing
from vox.stores.sql import Connection

PREFIX: Final = "pair_"
_OURS: Final = re.compile(r"pair_[A-Za-z0-9_-]{22}")


def new_pair_id() -> str:
    """An id that cannot be guessed."""
    return PREFIX + secrets.token_urlsafe(16)


def is_ours(pair_id: str) -> bool:
    """Whether an id has the form of those that the server gives."""
    return _OURS.fullmatch(pair_id) is not None


def begin(
    connection: Connection,
    *,
    user_id: UserId,
    login_id: LoginId,
    pair_id: str,
    asked: NewPairing,
    ip: str,
    now_s: int,
) -> Change[None]:
    """Stores a pairing and prompts the account's sessions.

    Raises:
        Refusal: RATE_LIMITED, too many pairings wait for an answer.
    """
    lock_event_order(connection)
    pending = queries.pending_pairings(connection, user_id, now_s)
    if len(pending) >= MAX_PENDING_PAIRINGS:
        raise rate_limited(pending[0] - now_s, "Too many pairings wait for an answer")
    queries.insert_pairing(
        connection, pair_id=pair_id, user_id=user_id, login_id=login_id, expires_at=now_s + PAIRING_S
    )
    prompt = device_pair_prompt(
        user_id=user_id,
        device_name=asked.device_name,
        ip=ip,
        pair_id=pair_id,
        method=asked.method,
        temp_public_key=asked.temp_public_key,
    )
    return Change(None, [prompt])


def answer(
    connection: Connection, *, user_id: UserId, login_id: LoginId, pair_id: str, is_approved: bool, now_s: int
) -> Change[None]:
    """Stores the one answer to a pairing, of another session of the account, and tells all of them.

    Raises:
        Refusal: PAIRING_NOT_FOUND, also where it has expired; PAIRING_ANSWERED; FORBIDDEN for the session that asked.
    """
    known = queries.find_pairing(connection, user_id, pair_id)
    if known is None or known.expires_at <= now_s:
        raise refuse(
            "PAIRING_NOT_FOUND", "This pairing is unknown or has expired; begin it once more on the new device."
        )
    if known.login_id == login_id:
        raise refuse("FORBIDDEN", "A pairing is answered on another device of the account, not on the one that asks.")
    verdict = "approved" if is_approved else "denied"
    if not queries.answer_pairing(connection, pair_id, verdict):
        raise refuse("PAIRING_ANSWERED", "This pairing has been answered already.")
    return Change(None, [cpace_message("confirm", user_id=user_id, pair_id=pair_id, data=verdict)])


def assert_relayed(connection: Connection, *, user_id: UserId, pair_id: str, now_s: int) -> None:
    """Refuses payload for a pairing that is over. Names that clients made up are relayed as the original does.

    Raises:
        Refusal: PAIRING_NOT_FOUND.
    """
    if not is_ours(pair_id):
        return
    known = queries.find_pairing(connection, user_id, pair_id)
    if known is None or known.state == "denied" or known.expires_at <= now_s:
        raise refuse("PAIRING_NOT_FOUND", "This pairing is unknown, was denied or has expired.")
