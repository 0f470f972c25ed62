"""Whether a relay that brings nothing but its own key may join: with a token, or once an operator says so.

One row per relay that joined, in a table of its own: the verdict outlives a dead relay's removal for a day, so that it comes
back without asking again, and one that was refused does not come back by asking again. What an owner or an administrator
deleted is forgotten. All functions are parts of a unit of work for `SqlDatabase.write`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from sqlalchemy import Connection, delete, func, insert, select

from vox.directory.database import join_tokens
from vox.directory.database.schema import relay_enrolments as _enrolments
from vox.errors import UsageError, VoxError

MAX_WAITING: Final = 1000
"""Relays that may wait for approval at once; those that answer no probe leave by themselves."""

Mode = Literal["open", "keys", "signed", "token", "approval"]


class Verdict(StrEnum):
    """What became of a relay that asked to join."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Admission:
    """A relay may join: at once or when approved; `token_id` is to be used up with it."""

    verdict: Verdict
    token_id: str = ""


def is_asked(mode: Mode, signing_key: str) -> bool:
    """Whether a new relay with that key must bring a token or wait at all."""
    return mode in {"token", "approval"} and bool(signing_key)


def admit(
    connection: Connection, mode: Mode, signing_key: str, returning_id: str, token: str, now_s: float
) -> Admission:
    """Whether a new relay may join; nothing is written.

    Args:
        connection: of the transaction in which it joins, or of a look beforehand.
        mode: the operator's choice; only `token` and `approval` ask for anything.
        signing_key: what the relay signed with; empty where an API key or its network let it in.
        returning_id: the relay's id where it was removed not long ago, else empty.
        token: the join token it brought.
        now_s: seconds since 1970.

    Raises:
        UsageError: join_token_refused or enrolment_refused.
        VoxError: too_many_waiting.
    """
    if not is_asked(mode, signing_key):
        return Admission(Verdict.APPROVED)
    earlier = verdict_of(connection, returning_id) if returning_id else None
    if earlier is Verdict.REFUSED:
        raise UsageError("An operator refused this relay", code="enrolment_refused")
    if earlier is Verdict.APPROVED:
        return Admission(Verdict.APPROVED)
    if mode == "token":
        return Admission(Verdict.APPROVED, join_tokens.find(connection, token, now_s))
    waiting = select(func.count()).select_from(_enrolments).where(_enrolments.c.verdict == Verdict.WAITING)
    if connection.execute(waiting).scalar_one() >= MAX_WAITING:
        raise VoxError("Too many relays wait for approval", code="too_many_waiting", retryable=True, retry_after_s=600)
    return Admission(Verdict.WAITING)


def verdict_of(connection: Connection, relay_id: str) -> Verdict | None:
    """What became of a relay; None where nothing is known, as of relays of earlier versions."""
    found = select(_enrolments.c.verdict).where(_enrolments.c.relay_id == relay_id)
    verdict = connection.execute(found).scalar_one_or_none()
    return Verdict(verdict) if verdict is not None else None


def note(connection: Connection, relay_id: str, verdict: Verdict, now_s: float) -> None:
    """Writes a verdict in the place of an earlier one."""
    forget(connection, relay_id)
    connection.execute(insert(_enrolments).values(relay_id=relay_id, verdict=verdict.value, asked_at_s=now_s))


def forget(connection: Connection, *relay_ids: str) -> None:
    """Forgets what became of relays."""
    connection.execute(delete(_enrolments).where(_enrolments.c.relay_id.in_(relay_ids)))


def removed(connection: Connection, relay_id: str, action: str, now_s: float) -> None:
    """A relay was removed: dead and approved it may come back, refused it may not, and deleted it begins anew."""
    if action == "refuse":
        note(connection, relay_id, Verdict.REFUSED, now_s)
    elif action != "remove" or verdict_of(connection, relay_id) is Verdict.WAITING:
        forget(connection, relay_id)
