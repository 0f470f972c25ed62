"""What may be done to relays: registered, renewed, drained, approved, refused, given a new key, deleted.

Every change is in the database before it is answered and in memory right after it, also where its caller leaves meanwhile. Heartbeats
change memory at once and follow into the database with the journal's next write.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import replace
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from vox.directory.database import audit_log, enrolment, relay_rows
from vox.directory.database.enrolment import Verdict
from vox.directory.database.journal import Journal
from vox.directory.database.loading import RelayLoader
from vox.directory.database.relay_rows import Connection, Record
from vox.directory.database.sync_state import SyncState, commit
from vox.directory.errors import relay_busy, relay_not_found, relay_not_waiting
from vox.directory.health import state_machine
from vox.directory.health.health_registry import HealthRegistry, shown
from vox.directory.health.state_machine import DrainEnded, DrainRequested, HeartbeatArrived
from vox.directory.metrics import CHANGES
from vox.directory.registration.access import Caller
from vox.directory.registration.joining import Joining
from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay, iso
from vox.directory.schemas import Heartbeat, Registration
from vox.errors import DependencyError, UsageError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security.http_signatures import NONCE_MEMORY_S, fingerprint
from vox.stores.leases import forget_leases
from vox.stores.sql import SqlDatabase

FIND_TIMEOUT_S = 2.0
SEQ_WINDOW = 64
"""A heartbeat whose number is behind the last one by less than this came late or twice; by more, its relay began anew."""

T = TypeVar("T")
Write = Callable[[Connection], bool | None]
"""Writes a change of one relay: False where there was nothing to change, None where the relay is gone."""

_log = get_logger(__name__)
_caller: ContextVar[str] = ContextVar("caller", default="")
"""Who makes the present request, for the audit; set once the caller is proven."""


class RegistrationService:
    """Changes relays, one change at a time.

    Args:
        database: open while changes are made.
        registry: the relays in memory.
        health: their health.
        loader: adds relays to memory and takes them out.
        state: told what waits to be written.
        journal: reads what other directories wrote.
        joining: decides about registrations.
        changing: held during each change; the journal holds it while it reads.
        reported: told which relay just said its load.
        look_at: told which relay is to be probed at once.
        clock: wall time says when things happened.
        metrics: counts changes.
        random: makes ids.
    """

    def __init__(
        self,
        *,
        database: SqlDatabase,
        registry: Registry,
        health: HealthRegistry,
        loader: RelayLoader,
        state: SyncState,
        journal: Journal,
        joining: Joining,
        changing: asyncio.Lock,
        reported: Callable[[str], None],
        look_at: Callable[[str], None],
        clock: Clock,
        metrics: Metrics,
        random: Random,
    ) -> None:
        self._database = database
        self._registry = registry
        self._health = health
        self._loader = loader
        self._state = state
        self._journal = journal
        self._joining = joining
        self._changing = changing
        self._reported = reported
        self._look_at = look_at
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self._seqs: dict[str, int] = {}
        self._running_changes = set[asyncio.Task[Any]]()
        registry.subscribe(self._follow)

    async def finish(self) -> None:
        """Returns when no change is in progress any more."""
        await asyncio.gather(*self._running_changes, return_exceptions=True)

    def require(self, relay_id: str) -> Relay:
        """The relay with that id.

        Raises:
            UsageError: relay_not_found.
        """
        relay = self._registry.get(relay_id)
        if relay is None:
            raise relay_not_found()
        return relay

    async def find(self, relay_id: str) -> Relay:
        """The relay with that id, also where another directory registered it this very moment.

        Raises:
            UsageError: relay_not_found.
            DependencyError: the database does not say whether there is one.
        """
        if self._registry.get(relay_id) is None and not self._database.is_sqlite:
            try:
                async with asyncio.timeout(FIND_TIMEOUT_S):
                    await self._journal.catch_up()
            except TimeoutError:
                raise DependencyError("The database does not answer", code="database_busy", retryable=True) from None
        return self.require(relay_id)

    async def check_nonce(self, caller: Caller) -> None:
        """Checks that a signed request comes for the first time at any of the directories on this database, restarts included.

        Raises:
            UsageError: signature_replayed.
            DependencyError: the database failed: what may be a replay is refused.
        """
        _caller.set(caller.owner)
        if not caller.nonce:
            return
        now_s = self._clock.unix_s()
        nonce = f"{caller.owner} {caller.nonce}"
        until_s = now_s + int(NONCE_MEMORY_S)
        if not await self._database.write(lambda connection: relay_rows.use_nonce(connection, nonce, now_s, until_s)):
            raise UsageError("The request was seen before.", code="signature_replayed", hint="sign each request afresh")

    async def check_enrolment(self, requested: Registration, caller: Caller) -> None:
        """Checks that a new relay may join, before anything is looked up for it.

        Raises:
            VoxError: join_token_refused, enrolment_refused or too_many_waiting.
        """
        if self._joining.is_asked(caller):
            now_s = self._clock.wall().timestamp()
            await self._database.read(lambda connection: self._joining.check(connection, requested, caller, now_s))

    async def register(self, requested: Registration, caller: Caller) -> tuple[Relay, bool]:
        """Adds a relay, or renews the one at the same address; says whether it is new.

        Raises:
            UsageError: relay_url_taken where the address belongs to another owner.
            DependencyError: the database failed; nothing is changed then.
        """
        relay, is_new = await self._shielded(self._register(requested, caller))
        if not relay.healthy:
            self._look_at(relay.id)
        _log.info("relay registered", relay=relay.id, url=relay.url, region=relay.region, new=is_new)
        return relay, is_new

    def heartbeat(self, relay: Relay, beat: Heartbeat) -> Relay:
        """Takes in what a relay says of itself. It proves that the relay can speak, not that it can be reached.

        A heartbeat that came late or twice (`seq`) is a sign of life, and what it says is old. `cpu` and `egress_bps` are
        taken for what other implementations send, and not kept: `stress` is what a relay makes of them.
        """
        if self._is_late(relay.id, beat.seq):
            beat = Heartbeat()
        given = {
            name: value
            for name, value in (
                ("current_connections", beat.current_connections),
                ("capacity", beat.capacity),
                ("version", beat.version),
                ("stress", beat.stress),
                ("features", tuple(beat.features) if beat.features is not None else None),
            )
            if value is not None
        }
        changed = replace(relay, last_seen_at=iso(self._clock.wall()), **given)
        interval_s = beat.interval_ms / 1000 if beat.interval_ms else None
        changed = self._health.observe(changed, HeartbeatArrived(interval_s, beat.draining))
        if beat.current_connections is not None:
            self._reported(relay.id)
        self._state.add_heartbeat(relay.id)
        if changed.is_draining is not relay.is_draining:
            self._state.add_drain(relay.id)
        self._count("heartbeat")
        return changed

    async def drain(self, relay: Relay, requested: DrainRequested | DrainEnded) -> Relay:
        """Takes a relay out of lists, or puts it back, without touching what runs on it.

        Raises:
            UsageError: relay_not_found.
            DependencyError: the database failed.
        """
        is_begun = isinstance(requested, DrainRequested)
        action, detail = ("drain", requested.reason) if is_begun else ("resume", "")

        def write(present: Relay) -> Write:
            drained = replace(self._health.of(present.id), drain=self._health.drain_after(present.id, requested))
            record = Record(present, state_machine.dump(drained))
            return lambda connection: True if relay_rows.save_drains(connection, [record]) else None

        changed, _ = await self._shielded(
            self._commit_change(relay.id, action, write, lambda now: self._health.observe(now, requested), detail)
        )
        self._count(action)
        return changed

    async def approve(self, relay: Relay) -> Relay:
        """Lets a relay join that waits for it; one that does not wait stays as it is.

        Raises:
            UsageError: relay_not_found.
            DependencyError: the database failed.
        """
        now_s = self._clock.wall().timestamp()

        def write(present: Relay) -> Write:
            approved = self._approved(present)
            return lambda connection: relay_rows.approve(connection, approved, now_s)

        changed, was_waiting = await self._shielded(
            self._commit_change(relay.id, "approve", write, lambda now: self._added(self._approved(now)))
        )
        if was_waiting:
            self._count("approve")
            _log.info("relay approved", relay=relay.id, url=relay.url)
        return changed

    async def refuse(self, relay: Relay, reason: str) -> None:
        """Removes a relay that waits for approval; it may not ask again for a day.

        Raises:
            UsageError: relay_not_waiting.
            DependencyError: the database failed.
        """
        if not relay.is_waiting:
            raise relay_not_waiting()
        await self._shielded(self._remove(relay.id, "refuse", _caller.get(), reason))
        self._count("refuse")

    async def replace_key(self, relay: Relay, signing_key: str) -> Relay:
        """Puts a relay's new key in the place of its old one.

        Raises:
            UsageError: relay_not_found.
            DependencyError: the database failed.
        """
        key_id = fingerprint(signing_key)

        def with_key(present: Relay) -> Relay:
            owner = f"signed:{key_id}" if present.owner.startswith("signed:") else present.owner
            return replace(present, signing_key=signing_key, owner=owner)

        def write(present: Relay) -> Write:
            changed = with_key(present)
            return lambda connection: relay_rows.renew(connection, changed) or None

        changed, _ = await self._shielded(
            self._commit_change(relay.id, "key", write, lambda now: self._added(with_key(now)), f"now {key_id}")
        )
        self._count("key")
        _log.info("relay's key changed", relay=relay.id, key=key_id)
        return changed

    async def delete(self, relay: Relay, *, force: bool) -> None:
        """Forgets a relay.

        Raises:
            UsageError: relay_busy where connections are on it and force is not asked for.
            DependencyError: the database failed.
        """
        if relay.current_connections and relay.healthy and not force:
            raise relay_busy(relay.current_connections)
        await self._shielded(self._remove(relay.id, "force_delete" if force else "delete", _caller.get()))
        self._count("delete")

    async def remove(self, relay_id: str) -> None:
        """Takes a relay out of database and memory, because it has been dead for long.

        Raises:
            DependencyError: the database failed.
        """
        await self._shielded(self._remove(relay_id, "remove", audit_log.DIRECTORY))

    async def _register(self, requested: Registration, caller: Caller) -> tuple[Relay, bool]:
        now, fresh_id = self._clock.wall(), self._new_id()
        async with self._changing:
            record, is_new = await commit(
                self._database,
                self._state,
                lambda connection: self._joining.register(connection, requested, caller, now, fresh_id),
            )
            self._seqs.pop(record.relay.id, None)
            if self._registry.get(record.relay.id) is None:
                relay = self._health.enter(record.relay, state_machine.load(record.health) if record.health else None)
            else:
                relay = self._health.enter(record.relay)
            self._loader.add(relay)
            self._count("register")
        return relay, is_new

    async def _commit_change(
        self,
        relay_id: str,
        action: str,
        write: Callable[[Relay], Write],
        follow: Callable[[Relay], Relay],
        detail: str = "",
    ) -> tuple[Relay, bool]:
        """Changes one relay in the database, with its row in the audit, and then in memory.

        Args:
            relay_id: the relay.
            action: what the audit calls it.
            write: makes the unit of work, of the relay as it is before.
            follow: brings memory up to date, of the relay as it is afterwards, and returns it; heartbeats may have changed it.
            detail: what else the audit says.

        Returns:
            The changed relay, and whether there was anything to change.
        """
        async with self._changing:
            relay = self.require(relay_id)
            change = write(relay)
            now_s = self._clock.wall().timestamp()
            entry = audit_log.Entry(now_s, action, relay.id, relay.url, _caller.get(), detail)

            def unit(connection: Connection) -> bool | None:
                is_written = change(connection)
                if is_written:
                    audit_log.append(connection, entry)
                return is_written

            is_written = await commit(self._database, self._state, unit)
            if is_written is None:
                self._loader.drop(relay_id)  # another directory removed it
                raise relay_not_found()
            return follow(self.require(relay_id)), is_written

    async def _remove(self, relay_id: str, action: str, actor: str, detail: str = "") -> None:
        async with self._changing:
            relay = self._registry.get(relay_id)
            if relay is None:
                return
            record, now_s = self._loader.record_of(relay), self._clock.wall().timestamp()

            def unit(connection: Connection) -> None:
                if action == "refuse" and enrolment.verdict_of(connection, relay_id) is not Verdict.WAITING:
                    raise relay_not_waiting()  # another directory approved it this very moment
                relay_rows.remove(connection, record, now_s)
                enrolment.removed(connection, relay_id, action, now_s)
                audit_log.append(connection, audit_log.Entry(now_s, action, relay_id, relay.url, actor, detail))
                if not self._database.is_sqlite:
                    forget_leases(connection, [relay_id])

            await commit(self._database, self._state, unit)
            self._loader.drop(relay_id)
        _log.info("relay removed", relay=relay_id, url=relay.url)

    def _approved(self, relay: Relay) -> Relay:
        return shown(replace(relay, is_waiting=False), self._health.of(relay.id))

    def _added(self, relay: Relay) -> Relay:
        self._loader.add(relay)
        return relay

    async def _shielded(self, change: Coroutine[Any, Any, T]) -> T:
        """Carries a change out also where its caller leaves: what is in the database is to be in memory too."""
        task = asyncio.create_task(change)
        self._running_changes.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._running_changes.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that waits raises it; one that left need not

    def _is_late(self, relay_id: str, seq: int | None) -> bool:
        if seq is None:
            return False
        last = self._seqs.get(relay_id, -1)
        if last - SEQ_WINDOW < seq <= last:
            return True
        self._seqs[relay_id] = seq
        return False

    def _follow(self, relay_id: str, relay: Relay | None) -> None:
        if relay is None:
            self._seqs.pop(relay_id, None)

    def _new_id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _count(self, kind: str) -> None:
        self._metrics.counter(CHANGES, kind).inc()
