"""What becomes of a registration, decided inside its transaction: a new relay, one that comes back, or one that is renewed."""

from dataclasses import replace
from datetime import datetime

from vox.directory.database import audit_log, enrolment, join_tokens, relay_rows
from vox.directory.database.enrolment import Admission, Mode, Verdict
from vox.directory.database.relay_rows import Connection, Record, Tombstone
from vox.directory.errors import url_taken
from vox.directory.health import state_machine
from vox.directory.health.health_registry import HealthRegistry, shown
from vox.directory.registration.access import Caller
from vox.directory.registration.relay_factory import from_registration, is_itself, renew
from vox.directory.relays.relay import iso
from vox.directory.schemas import Registration
from vox.security.http_signatures import fingerprint

REMEMBER_REMOVED_S = 86_400.0


class Joining:
    """Admits relays and writes them; its methods are parts of a unit of work for `SqlDatabase.write`.

    Args:
        mode: what a new relay must bring.
        health: says how a new relay begins.
    """

    def __init__(self, mode: Mode, health: HealthRegistry) -> None:
        self._mode: Mode = mode
        self._health = health

    def is_asked(self, caller: Caller) -> bool:
        """Whether a new relay of this caller must bring a token or wait at all."""
        return enrolment.is_asked(self._mode, caller.signing_key)

    def check(self, connection: Connection, requested: Registration, caller: Caller, now_s: float) -> None:
        """Checks that a new relay may join; nothing is written.

        Raises:
            VoxError: join_token_refused, enrolment_refused or too_many_waiting.
        """
        before = relay_rows.removed_from(connection, requested.url, caller.owner, now_s - REMEMBER_REMOVED_S)
        self._admit(connection, requested, caller, before, now_s)

    def register(
        self, connection: Connection, requested: Registration, caller: Caller, now: datetime, fresh_id: str
    ) -> tuple[Record, bool]:
        """Writes a relay with its verdict and its row in the audit; says whether it is new.

        Args:
            connection: of the transaction.
            requested: what the relay says of itself.
            caller: its owner from now on, where it is new.
            now: wall time.
            fresh_id: its id, unless it had one before.

        Raises:
            UsageError: relay_url_taken where the address belongs to another owner.
            VoxError: join_token_refused, enrolment_refused or too_many_waiting.
        """
        at_s, admission = now.timestamp(), Admission(Verdict.APPROVED)

        def decide(existing: Record | None, before: Tombstone | None) -> Record:
            nonlocal admission
            if existing is None:
                admission = self._admit(connection, requested, caller, before, at_s)
                is_waiting = admission.verdict is Verdict.WAITING
                return self._fresh(requested, caller, iso(now), fresh_id, before, is_waiting=is_waiting)
            if not caller.may_change(existing.relay):
                raise url_taken()
            return replace(existing, relay=renew(existing.relay, requested, iso(now)))

        since_s = at_s - REMEMBER_REMOVED_S
        record, is_new = relay_rows.register(connection, requested.url, caller.owner, since_s, decide)
        relay = record.relay
        detail = fingerprint(relay.signing_key) if relay.signing_key else ""
        action = "register" if is_new else "renew"
        if is_new:
            enrolment.note(connection, relay.id, admission.verdict, at_s)
        if admission.token_id:
            join_tokens.use_up(connection, admission.token_id)
            detail += f", join token {admission.token_id}"
        audit_log.append(connection, audit_log.Entry(at_s, action, relay.id, relay.url, caller.owner, detail))
        return record, is_new

    def _admit(
        self, connection: Connection, requested: Registration, caller: Caller, before: Tombstone | None, now_s: float
    ) -> Admission:
        returning_id = before.relay_id if before is not None and is_itself(before, caller) else ""
        return enrolment.admit(connection, self._mode, caller.signing_key, returning_id, requested.join_token, now_s)

    def _fresh(
        self,
        requested: Registration,
        caller: Caller,
        now: str,
        fresh_id: str,
        before: Tombstone | None,
        *,
        is_waiting: bool,
    ) -> Record:
        relay_id, since, known = fresh_id, now, None
        if before is not None and is_itself(before, caller):
            relay_id, since = before.relay_id, before.registered_at
            known = state_machine.revived(state_machine.load(before.health)) if before.health else None
        relay = replace(from_registration(requested, caller, relay_id, now), registered_at=since, is_waiting=is_waiting)
        found = self._health.seen_as(relay, known)
        return Record(shown(relay, found), state_machine.dump(found))
