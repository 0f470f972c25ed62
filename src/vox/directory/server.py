"""The directory as an object: what may be done to relays, in memory and in the database.

Enter it before the first request. Registrations, deletions and drains are in the database before they are answered;
heartbeats and probe results follow within half a second.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Self, TypeVar
from uuid import UUID

from vox.directory.database import audit_log, enrolment, join_tokens, relay_rows
from vox.directory.database.enrolment import Admission, Verdict
from vox.directory.database.join_tokens import JoinTokens
from vox.directory.database.journal import Journal
from vox.directory.database.opening import database_of, opened
from vox.directory.database.relay_rows import Changes, Record, Tombstone
from vox.directory.database.signing_key import signing_key
from vox.directory.errors import relay_busy, relay_not_found, relay_not_waiting, url_refused, url_taken
from vox.directory.health import state_machine
from vox.directory.health.gauges import Gauges
from vox.directory.health.health_registry import HealthRegistry, shown
from vox.directory.health.state_machine import DrainEnded, DrainRequested, HeartbeatArrived
from vox.directory.metrics import CHANGES
from vox.directory.probing.prober import Prober
from vox.directory.registration.access import Authorizer, Caller
from vox.directory.registration.relay_factory import from_config, from_registration, is_itself, renew
from vox.directory.relays.address_quota import Addresses
from vox.directory.relays.long_poll import LongPoll
from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay, iso
from vox.directory.relays.signed_list import ListSigner
from vox.directory.schemas import Heartbeat, Registration
from vox.directory.selection.failure_holds import FailureHolds
from vox.directory.selection.peer_assignments import PeerAssignments
from vox.directory.selection.round_trips import RoundTrips
from vox.directory.selection.selector import RelaySelector
from vox.directory.settings import DirectorySettings
from vox.errors import DependencyError, UsageError, VoxError
from vox.runtime.clock import Clock
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Metrics
from vox.security.http_signatures import NONCE_MEMORY_S, fingerprint
from vox.stores.leases import MemoryLeases, SqlLeases, forget_leases

REMEMBER_REMOVED_S = 86_400.0
RESOLVE_TIMEOUT_S = 3.0
FIND_TIMEOUT_S = 2.0
SAVED_AT_ONCE = 200
"""Relays of the configuration in one commit: thousands are quick, and none waits too long for the database."""
SEQ_WINDOW = 64
"""A heartbeat whose number is behind the last one by less than this came late or twice; by more, its relay began anew."""

T = TypeVar("T")

_log = get_logger(__name__)
_asking: ContextVar[str] = ContextVar("asking", default="")
"""Who makes the request at hand, for the audit; set once the caller is proven."""


@dataclass(slots=True)
class Parts:
    """What a directory stands on; tests hand in their own."""

    clock: Clock
    metrics: Metrics
    lifecycle: Lifecycle
    random: Random


class Directory:
    """Everything behind the routes, while the block runs."""

    def __init__(self, settings: DirectorySettings, parts: Parts) -> None:
        self.settings = settings
        self.clock = parts.clock
        self.metrics = parts.metrics
        self.lifecycle = parts.lifecycle
        self.random = parts.random
        self.registry = Registry()
        self.authorizer = Authorizer(settings.access, settings.server.public_url, parts.clock)
        self.database = database_of(settings.database)
        self._changing = asyncio.Lock()
        self.journal = Journal(self.database, self._record, self._learn, parts.metrics, self._changing)
        self.health = HealthRegistry(settings.health_check, self.registry, parts.clock, parts.metrics)
        shared = None if self.database.is_sqlite else SqlLeases(self.database, parts.clock)
        self.addresses = Addresses(self.registry, settings.outbound.relays_per_address)
        self.prober = Prober(
            settings,
            self.registry,
            self.health,
            self.journal,
            shared or MemoryLeases(parts.clock),
            self.remove,
            self.addresses.found,
            parts.clock,
            parts.metrics,
            parts.random,
        )
        self._shared_leases = shared
        self.join_tokens = JoinTokens(self.database, parts.clock)
        self.long_poll = LongPoll(self.registry, parts.lifecycle, parts.clock, parts.random)
        self._gauges = Gauges(self.registry, self.health, parts.metrics)
        self.selector = RelaySelector(self.registry, self.health, parts.clock, parts.metrics, parts.random)
        self.peer_assignments: PeerAssignments | None = None
        if shared is not None:
            holder = f"{parts.random.getrandbits(96):024x}"
            self.peer_assignments = PeerAssignments(self.database, self.selector, parts.clock, holder)
        self.round_trips = RoundTrips()
        self.failure_holds = FailureHolds(self.registry, self.health, parts.clock, parts.metrics)
        self._list_signer: ListSigner | None = None
        self.is_open = False
        self._seqs: dict[str, int] = {}
        self._running_changes = set[asyncio.Task[Any]]()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(opened(self.database, self.settings.database.path))
            if self._shared_leases is not None:
                await self._shared_leases.create()
            await stack.enter_async_context(self.journal.running())
            await self._load_bootstrap()
            key = await signing_key(self.database, self.settings.database.path, self.settings.database.signing_key_file)
            self._list_signer = ListSigner(key, self.clock)
            stack.callback(self.failure_holds.close)
            if self.peer_assignments is not None:
                await stack.enter_async_context(self.peer_assignments.running())
            if self.settings.health_check.enabled:
                await stack.enter_async_context(self.prober.running())
            self._stack = stack.pop_all()
        self.is_open = True
        self.lifecycle.ready()
        _log.info("relays loaded", relays=len(self.registry), listed=self.registry.listed_count)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.is_open = False
        await asyncio.gather(*self._running_changes, return_exceptions=True)
        await self._stack.aclose()

    async def check_address(self, url: str) -> str:
        """The address behind a URL, as the probes would find it; empty where relays are not probed.

        Raises:
            UsageError: url_refused, for what leads into networks that are not permitted, and for what leads nowhere.
        """
        if not self.settings.health_check.enabled:
            return ""
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                return (await self.prober.guard.resolve(url)).address
        except (TimeoutError, VoxError) as error:
            reason = error.args[0] if isinstance(error, VoxError) else "nobody knows its host in time"
            _log.info("relay's url refused", url=url, reason=reason)
            raise url_refused() from None

    async def check_nonce(self, caller: Caller) -> None:
        """Whether a signed request comes for the first time at any of the directories on this database, restarts included.

        Raises:
            UsageError: signature_replayed.
            DependencyError: the database failed: what may be a replay is refused.
        """
        _asking.set(caller.owner)
        if not caller.nonce:
            return
        now_s = int(self.clock.wall().timestamp())
        nonce = f"{caller.owner} {caller.nonce}"
        until_s = now_s + int(NONCE_MEMORY_S)
        if not await self.database.write(lambda connection: relay_rows.use_nonce(connection, nonce, now_s, until_s)):
            raise UsageError("The request was seen before.", code="signature_replayed", hint="sign each request afresh")

    async def check_enrolment(self, wanted: Registration, caller: Caller) -> None:
        """Whether a new relay may join, asked before anything is looked up for it.

        Raises:
            VoxError: join_token_refused, enrolment_refused or too_many_waiting.
        """
        if not enrolment.is_asked(self.settings.access.mode, caller.signing_key):
            return
        now_s = self.clock.wall().timestamp()
        since_s = now_s - REMEMBER_REMOVED_S

        def look(connection: relay_rows.Connection) -> None:
            before = relay_rows.removed_from(connection, wanted.url, caller.owner, since_s)
            self._admission(connection, wanted, caller, before, now_s)

        await self.database.read(look)

    async def register(self, wanted: Registration, caller: Caller) -> tuple[Relay, bool]:
        """Adds a relay, or renews the one at the same address; says whether it is new.

        Raises:
            UsageError: relay_url_taken where somebody else holds the address.
            DependencyError: the database failed; nothing is changed then.
        """
        relay, is_new = await self._shielded(self._register(wanted, caller))
        if not relay.healthy:
            self.prober.look_at(relay.id)
        _log.info("relay registered", relay=relay.id, url=relay.url, region=relay.region, new=is_new)
        return relay, is_new

    async def _register(self, wanted: Registration, caller: Caller) -> tuple[Relay, bool]:
        wall = self.clock.wall()
        at_s, now, fresh_id = wall.timestamp(), iso(wall), self._new_id()

        def unit(connection: relay_rows.Connection) -> tuple[Record, bool]:
            admission = Admission(Verdict.APPROVED)

            def decide(existing: Record | None, before: Tombstone | None) -> Record:
                nonlocal admission
                if existing is None:
                    admission = self._admission(connection, wanted, caller, before, at_s)
                    is_waiting = admission.verdict is Verdict.WAITING
                    return self._fresh(wanted, caller, now, fresh_id, before, is_waiting=is_waiting)
                if not caller.may_change(existing.relay):
                    raise url_taken()
                return replace(existing, relay=renew(existing.relay, wanted, now))

            since_s = at_s - REMEMBER_REMOVED_S
            record, is_new = relay_rows.register(connection, wanted.url, caller.owner, since_s, decide)
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

        async with self._changing:
            record, is_new = await self._commit(unit)
            self._seqs.pop(record.relay.id, None)
            if self.registry.get(record.relay.id) is None:
                relay = self.health.enter(record.relay, state_machine.load(record.health) if record.health else None)
            else:
                relay = self.health.enter(record.relay)
            self._add(relay)
            self._count("register")
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
        changed = replace(relay, last_seen_at=iso(self.clock.wall()), **given)
        interval_s = beat.interval_ms / 1000 if beat.interval_ms else None
        changed = self.health.observe(changed, HeartbeatArrived(interval_s, beat.draining))
        if beat.current_connections is not None:
            self.selector.reported(relay.id)
        self.journal.heard(relay.id)
        if changed.is_draining is not relay.is_draining:
            self.journal.drained(relay.id)
        self._count("heartbeat")
        return changed

    async def drain(self, relay: Relay, wanted: DrainRequested | DrainEnded) -> Relay:
        """Takes a relay out of lists, or puts it back, without touching what runs on it."""
        action = "drain" if isinstance(wanted, DrainRequested) else "resume"
        changed = await self._shielded(self._drain(relay.id, wanted, action))
        self._count(action)
        return changed

    async def _drain(self, relay_id: str, wanted: DrainRequested | DrainEnded, action: str) -> Relay:
        async with self._changing:
            relay = self.require(relay_id)
            drained = replace(self.health.of(relay_id), drain=self.health.drain_after(relay_id, wanted))
            record = Record(relay, state_machine.dump(drained))
            detail = wanted.reason if isinstance(wanted, DrainRequested) else ""
            entry = self._entry(action, relay, detail)

            def unit(connection: relay_rows.Connection) -> bool:
                if not relay_rows.save_drains(connection, [record]):
                    return False
                audit_log.append(connection, entry)
                return True

            if not await self._commit(unit):
                self._drop(relay_id)  # another directory removed it
                raise relay_not_found()
            return self.health.observe(self.require(relay_id), wanted)

    async def approve(self, relay: Relay) -> Relay:
        """Lets a relay join that waits for it; one that does not wait stays as it is."""
        changed, was_waiting = await self._shielded(self._approve(relay.id))
        if was_waiting:
            self._count("approve")
            _log.info("relay approved", relay=relay.id, url=relay.url)
        return changed

    async def _approve(self, relay_id: str) -> tuple[Relay, bool]:
        async with self._changing:
            relay, now_s = self._approved(relay_id), self.clock.wall().timestamp()
            entry = self._entry("approve", relay)

            def unit(connection: relay_rows.Connection) -> bool | None:
                was_waiting = relay_rows.approve(connection, relay, now_s)
                if was_waiting:
                    audit_log.append(connection, entry)
                return was_waiting

            was_waiting = await self._commit(unit)
            if was_waiting is None:
                self._drop(relay_id)  # another directory removed it
                raise relay_not_found()
            changed = self._approved(relay_id)
            self._add(changed)
            return changed, was_waiting

    async def refuse(self, relay: Relay, reason: str) -> None:
        """Removes a relay that waits for approval; it may not ask again for a day.

        Raises:
            UsageError: relay_not_waiting.
        """
        if not relay.is_waiting:
            raise relay_not_waiting()
        await self._shielded(self._remove(relay.id, "refuse", _asking.get(), reason))
        self._count("refuse")

    async def replace_key(self, relay: Relay, signing_key: str) -> Relay:
        """Puts a relay's new key in the place of its old one."""
        changed = await self._shielded(self._replace_key(relay.id, signing_key))
        self._count("key")
        _log.info("relay's key changed", relay=relay.id, key=fingerprint(signing_key))
        return changed

    async def _replace_key(self, relay_id: str, signing_key: str) -> Relay:
        async with self._changing:
            relay = self.require(relay_id)
            owner = f"signed:{fingerprint(signing_key)}" if relay.owner.startswith("signed:") else relay.owner
            changed = replace(relay, signing_key=signing_key, owner=owner)
            entry = self._entry("key", relay, f"now {fingerprint(signing_key)}")

            def unit(connection: relay_rows.Connection) -> bool:
                if not relay_rows.renew(connection, changed):
                    return False
                audit_log.append(connection, entry)
                return True

            if not await self._commit(unit):
                self._drop(relay_id)  # another directory removed it
                raise relay_not_found()
            # What was seen of the relay meanwhile stays.
            changed = replace(self.require(relay_id), signing_key=signing_key, owner=owner)
            self._add(changed)
            return changed

    async def delete(self, relay: Relay, *, force: bool) -> None:
        """Forgets a relay.

        Raises:
            UsageError: relay_busy where connections are on it and force is not asked for.
        """
        if relay.current_connections and relay.healthy and not force:
            raise relay_busy(relay.current_connections)
        await self._shielded(self._remove(relay.id, "force_delete" if force else "delete", _asking.get()))
        self._count("delete")

    async def remove(self, relay_id: str) -> None:
        """Takes a relay out of database and memory, because it is dead for long."""
        await self._shielded(self._remove(relay_id, "remove", audit_log.DIRECTORY))

    async def _remove(self, relay_id: str, action: str, actor: str, detail: str = "") -> None:
        async with self._changing:
            relay = self.registry.get(relay_id)
            if relay is None:
                return
            record, now_s = self._record_of(relay), self.clock.wall().timestamp()

            def unit(connection: relay_rows.Connection) -> None:
                if action == "refuse" and enrolment.verdict_of(connection, relay_id) is not Verdict.WAITING:
                    raise relay_not_waiting()  # another directory approved it this very moment
                relay_rows.remove(connection, record, now_s)
                enrolment.removed(connection, relay_id, action, now_s)
                audit_log.append(connection, audit_log.Entry(now_s, action, relay_id, relay.url, actor, detail))
                if self._shared_leases is not None:
                    forget_leases(connection, [relay_id])

            await self._commit(unit)
            self._drop(relay_id)
        _log.info("relay removed", relay=relay_id, url=relay.url)

    @property
    def list_signer(self) -> ListSigner:
        """Makes signed lists; there once the directory is open."""
        if self._list_signer is None:
            raise DependencyError("the directory is not open yet", code="database_failed", retryable=True)
        return self._list_signer

    def require(self, relay_id: str) -> Relay:
        """The relay with that id; relay_not_found where there is none."""
        relay = self.registry.get(relay_id)
        if relay is None:
            raise relay_not_found()
        return relay

    async def find(self, relay_id: str) -> Relay:
        """The relay with that id, also where another directory registered it this very moment.

        Raises:
            UsageError: relay_not_found.
            DependencyError: the database does not say whether there is one.
        """
        if self.registry.get(relay_id) is None and not self.database.is_sqlite:
            try:
                async with asyncio.timeout(FIND_TIMEOUT_S):
                    await self.journal.catch_up()
            except TimeoutError:
                raise DependencyError("The database does not answer", code="database_busy", retryable=True) from None
        return self.require(relay_id)

    async def check_database(self) -> None:
        """Raises where the database does not answer."""
        await self.database.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())

    def measure(self) -> None:
        """Sets the gauges that are counted over all relays; done when somebody asks for metrics."""
        self._gauges.measure(self._list_signer.age_s if self._list_signer is not None else 0.0)

    def _approved(self, relay_id: str) -> Relay:
        return shown(replace(self.require(relay_id), is_waiting=False), self.health.of(relay_id))

    def _admission(
        self,
        connection: relay_rows.Connection,
        wanted: Registration,
        caller: Caller,
        before: Tombstone | None,
        now_s: float,
    ) -> Admission:
        returning_id = before.relay_id if before is not None and is_itself(before, caller) else ""
        mode = self.settings.access.mode
        return enrolment.admit(connection, mode, caller.signing_key, returning_id, wanted.join_token, now_s)

    def _fresh(
        self,
        wanted: Registration,
        caller: Caller,
        now: str,
        fresh_id: str,
        before: Tombstone | None,
        *,
        is_waiting: bool,
    ) -> Record:
        is_same = before is not None and is_itself(before, caller)
        relay_id = before.relay_id if before is not None and is_same else fresh_id
        since = before.registered_at if before is not None and is_same else now
        relay = replace(from_registration(wanted, caller, relay_id, now), registered_at=since, is_waiting=is_waiting)
        known = None
        if before is not None and is_same and before.health:
            known = state_machine.revived(state_machine.load(before.health))
        found = self.health.seen_as(relay, known)
        return Record(shown(relay, found), state_machine.dump(found))

    async def _load_bootstrap(self) -> None:
        wanted = from_config(self.settings.bootstrap_relays, self.registry, iso(self.clock.wall()))
        for first in range(0, len(wanted), SAVED_AT_ONCE):
            await self._save(wanted[first : first + SAVED_AT_ONCE])

    async def _save(self, relays: Sequence[Relay]) -> None:
        """Writes relays of the configuration; whoever else registered their addresses makes way."""
        now_s = self.clock.wall().timestamp()
        others = [
            self._record_of(other)
            for relay in relays
            if (other := self.registry.at_url(relay.url)) is not None and other.id != relay.id
        ]
        health_of = {relay.id: self.health.seen_as(relay) for relay in relays}
        wanted = [
            Record(shown(relay, found), state_machine.dump(found))
            for relay in relays
            for found in [health_of[relay.id]]
        ]

        def unit(connection: relay_rows.Connection) -> None:
            for one in others:
                relay_rows.remove(connection, one, now_s)
                enrolment.removed(connection, one.relay.id, "remove", now_s)
                entry = audit_log.Entry(now_s, "remove", one.relay.id, one.relay.url, audit_log.DIRECTORY)
                audit_log.append(connection, entry)
            for one in wanted:
                relay_rows.save(connection, one)

        await self._commit(unit)
        for one in others:
            self._drop(one.relay.id)
            _log.info("relay removed", relay=one.relay.id, url=one.relay.url)
        for relay in relays:
            self._add(self.health.enter(relay, health_of[relay.id]))

    def _add(self, relay: Relay) -> None:
        self.registry.put(relay)
        self.prober.watch(relay.id)

    async def _commit(self, unit: Callable[[relay_rows.Connection], T]) -> T:
        try:
            return await self.database.write(unit)
        except DependencyError:
            self.journal.doubt()  # a unit that missed its deadline may be written nevertheless
            raise

    async def _shielded(self, change: Coroutine[Any, Any, T]) -> T:
        """Carries a change out also where whoever asked for it leaves: what is in the database is to be in memory too."""
        task = asyncio.create_task(change)
        self._running_changes.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._running_changes.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked raises it; those who left need not

    def _entry(self, action: str, relay: Relay, detail: str = "") -> audit_log.Entry:
        now_s = self.clock.wall().timestamp()
        return audit_log.Entry(now_s, action, relay.id, relay.url, _asking.get(), detail)

    def _is_late(self, relay_id: str, seq: int | None) -> bool:
        if seq is None:
            return False
        last = self._seqs.get(relay_id, -1)
        if last - SEQ_WINDOW < seq <= last:
            return True
        self._seqs[relay_id] = seq
        return False

    def _record(self, relay_id: str) -> Record | None:
        relay = self.registry.get(relay_id)
        return self._record_of(relay) if relay is not None else None

    def _record_of(self, relay: Relay) -> Record:
        return Record(relay, state_machine.dump(self.health.of(relay.id)), self.prober.token_of(relay.id))

    def _learn(self, changes: Changes) -> None:
        for record in changes.records:
            try:
                self._learn_of(record)
            except (VoxError, ValueError) as error:
                _log.error("a relay in the database cannot be read", relay=record.relay.id, error=str(error))
        gone = set(changes.removed)
        if changes.is_whole:
            gone |= {relay.id for relay in self.registry} - {record.relay.id for record in changes.records}
        for relay_id in gone:
            self._drop(relay_id)

    def _learn_of(self, record: Record) -> None:
        ours = self.registry.get(record.relay.id)
        read = self.journal.ours_over(record.relay, ours)
        known = state_machine.load(record.health) if record.health else None
        if ours is not None and known is not None and self.journal.knows_drain_better(read.id):
            known = replace(known, drain=self.health.of(read.id).drain)
        if ours is None or not self.prober.is_ours(read.id):
            self._add(self.health.enter(read, known, is_ours=self.database.is_sqlite))
            return
        # Its health is judged here; what another directory heard of it counts as heard, and its drain is as it is written.
        if known is not None:
            self.health.learn_drain(read.id, known.drain)
        if read.last_seen_at > ours.last_seen_at:
            self.health.observe(read, HeartbeatArrived())
        else:
            self.registry.put(shown(read, self.health.of(read.id)))

    def _drop(self, relay_id: str) -> None:
        self.prober.forget(relay_id)
        self.health.forget(relay_id)
        self._seqs.pop(relay_id, None)
        self.registry.drop(relay_id)

    def _new_id(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def _count(self, kind: str) -> None:
        self.metrics.counter(CHANGES, kind).inc()
