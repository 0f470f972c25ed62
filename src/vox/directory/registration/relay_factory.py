"""Relays as registrations and the configuration describe them. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from vox.directory.database.relay_rows import Tombstone
from vox.directory.registration.access import Caller
from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay
from vox.directory.schemas import Registration
from vox.directory.settings import BootstrapRelay


def from_registration(requested: Registration, caller: Caller, relay_id: str, now: str) -> Relay:
    """A relay that registers for the first time."""
    return Relay(
        id=relay_id,
        name=requested.name,
        url=requested.url,
        latitude=requested.latitude,
        longitude=requested.longitude,
        region=requested.region,
        capacity=requested.capacity,
        public_key=requested.public_key,
        registered_at=now,
        last_seen_at=now,
        owner=caller.owner,
        signing_key=caller.signing_key,
        features=tuple(requested.features),
    )


def renew(known: Relay, requested: Registration, now: str) -> Relay:
    """A relay that registers again, at the same address."""
    return replace(
        known,
        name=requested.name,
        latitude=requested.latitude,
        longitude=requested.longitude,
        region=requested.region,
        capacity=requested.capacity,
        public_key=requested.public_key,
        features=tuple(requested.features),
        last_seen_at=now,
        current_connections=0,
        signing_key=requested.signing_key or known.signing_key,
    )


def is_itself(before: Tombstone, caller: Caller) -> bool:
    """Whether the relay that was removed is the one that comes back."""
    return before.signing_key in {"", caller.signing_key}


def from_config(bootstrap: Iterable[BootstrapRelay], registry: Registry, now: str) -> list[Relay]:
    """The relays of the configuration that are not there as it has them, and those that left it."""
    changes: list[Relay] = []
    named = set[str]()
    for one in bootstrap:
        named.add(one.id)
        known = registry.get(one.id)
        fixed: dict[str, Any] = {
            "name": one.name or one.id,
            "url": one.url,
            "latitude": one.lat,
            "longitude": one.lon,
            "region": one.region,
            "capacity": one.capacity,
            "public_key": one.public_key,
            "is_bootstrap": True,
            "is_waiting": False,
        }
        if one.signing_key:
            fixed["signing_key"] = one.signing_key
        if known is None:
            changes.append(Relay(id=one.id, registered_at=now, last_seen_at=now, **fixed))
        elif (changed := replace(known, **fixed)) != known:
            changes.append(changed)
    changes += [replace(one, is_bootstrap=False) for one in registry if one.is_bootstrap and one.id not in named]
    return changes
