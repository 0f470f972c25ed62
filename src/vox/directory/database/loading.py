"""Brings into memory what the database holds: all relays at the start, those of the configuration, and what other directories changed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from vox.directory.database import audit_log, enrolment, relay_rows
from vox.directory.database.relay_rows import Changes, Record
from vox.directory.database.sync_state import SyncState, commit
from vox.directory.health import state_machine
from vox.directory.health.health_registry import HealthRegistry, shown
from vox.directory.health.state_machine import HeartbeatArrived
from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay
from vox.errors import VoxError
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.stores.sql import SqlDatabase

SAVED_AT_ONCE = 200
"""Relays of the configuration in one commit: thousands are quick, and none waits too long for the database."""

_log = get_logger(__name__)


class Probes(Protocol):
    """Who probes which relay: what the prober knows."""

    def watch(self, relay_id: str) -> None:
        """Probes a relay from now on."""
        ...

    def forget(self, relay_id: str) -> None:
        """Probes a relay no more."""
        ...

    def is_ours(self, relay_id: str) -> bool:
        """Whether this directory probes the relay at present."""
        ...

    def token_of(self, relay_id: str) -> int:
        """The token of the lease that the last finding about a relay was made under."""
        ...


class RelayLoader:
    """Puts relays into memory and takes them out, in the registry, the health and the probes together.

    Args:
        database: where they are written.
        state: what memory knows better than the database.
        registry: the relays in memory.
        health: their health.
        probes: told which relays there are.
        clock: for the audit.
    """

    def __init__(
        self,
        database: SqlDatabase,
        state: SyncState,
        registry: Registry,
        health: HealthRegistry,
        probes: Probes,
        clock: Clock,
    ) -> None:
        self._database = database
        self._state = state
        self._registry = registry
        self._health = health
        self._probes = probes
        self._clock = clock

    def add(self, relay: Relay) -> None:
        """Adds a relay, or replaces the one with its id."""
        self._registry.put(relay)
        self._probes.watch(relay.id)

    def drop(self, relay_id: str) -> None:
        """Takes a relay out."""
        self._probes.forget(relay_id)
        self._health.forget(relay_id)
        self._registry.drop(relay_id)

    def record(self, relay_id: str) -> Record | None:
        """A relay as it is to be written; None where it is gone."""
        relay = self._registry.get(relay_id)
        return self.record_of(relay) if relay is not None else None

    def record_of(self, relay: Relay) -> Record:
        """A relay of the registry as it is to be written."""
        return Record(relay, state_machine.dump(self._health.of(relay.id)), self._probes.token_of(relay.id))

    async def load_bootstrap(self, relays: Sequence[Relay]) -> None:
        """Writes relays of the configuration and adds them; relays that others registered at their addresses make way.

        Raises:
            DependencyError: the database failed.
        """
        for first in range(0, len(relays), SAVED_AT_ONCE):
            await self._save(relays[first : first + SAVED_AT_ONCE])

    def learn(self, changes: Changes) -> None:
        """Takes in what was read."""
        for record in changes.records:
            try:
                self._learn_relay(record)
            except (VoxError, ValueError) as error:
                _log.error("a relay in the database cannot be read", relay=record.relay.id, error=str(error))
        gone = set(changes.removed)
        if changes.is_whole:
            gone |= {relay.id for relay in self._registry} - {record.relay.id for record in changes.records}
        for relay_id in gone:
            self.drop(relay_id)

    async def _save(self, relays: Sequence[Relay]) -> None:
        now_s = self._clock.wall().timestamp()
        others = [self.record_of(other) for other in self._others_at_addresses_of(relays)]
        health_of = {relay.id: self._health.seen_as(relay) for relay in relays}
        records = [
            Record(shown(relay, health_of[relay.id]), state_machine.dump(health_of[relay.id])) for relay in relays
        ]

        def unit(connection: relay_rows.Connection) -> None:
            for one in others:
                relay_rows.remove(connection, one, now_s)
                enrolment.removed(connection, one.relay.id, "remove", now_s)
                entry = audit_log.Entry(now_s, "remove", one.relay.id, one.relay.url, audit_log.DIRECTORY)
                audit_log.append(connection, entry)
            for one in records:
                relay_rows.save(connection, one)

        await commit(self._database, self._state, unit)
        for one in others:
            self.drop(one.relay.id)
            _log.info("relay removed", relay=one.relay.id, url=one.relay.url)
        for relay in relays:
            self.add(self._health.enter(relay, health_of[relay.id]))

    def _others_at_addresses_of(self, relays: Sequence[Relay]) -> Iterator[Relay]:
        for relay in relays:
            other = self._registry.at_url(relay.url)
            if other is not None and other.id != relay.id:
                yield other

    def _learn_relay(self, record: Record) -> None:
        ours = self._registry.get(record.relay.id)
        read = self._state.merge(record.relay, ours)
        known = state_machine.load(record.health) if record.health else None
        if ours is not None and known is not None and self._state.has_drain(read.id):
            known = replace(known, drain=self._health.of(read.id).drain)
        if ours is None or not self._probes.is_ours(read.id):
            self.add(self._health.enter(read, known, is_ours=self._database.is_sqlite))
            return
        # Its health is judged here; what another directory heard of it counts as heard, and its drain is as it is written.
        if known is not None:
            self._health.learn_drain(read.id, known.drain)
        if read.last_seen_at > ours.last_seen_at:
            self._health.observe(read, HeartbeatArrived())
        else:
            self._registry.put(shown(read, self._health.of(read.id)))
