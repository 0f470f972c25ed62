"""What a relay is, and its three JSON forms: in a list, as a status, and whole.

A relay is immutable: every change makes a new one, so that its list form is encoded once per change and never per request.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from vox.errors import UsageError
from vox.security.urls import parse_url

SCHEMES = {"wss": "https", "ws": "http", "https": "https", "http": "http"}


@dataclass(frozen=True, slots=True)
class Relay:
    """One relay as the directory knows it; times are ISO 8601 in UTC with milliseconds, as the original writes them."""

    id: str
    name: str
    url: str
    latitude: float
    longitude: float
    region: str
    capacity: int
    public_key: str
    registered_at: str
    last_seen_at: str
    current_connections: int = 0
    healthy: bool = False
    failed_checks: int = 0
    state: str = "pending"
    is_draining: bool = False
    is_bootstrap: bool = False
    is_waiting: bool = False
    """For an operator's approval; until then clients are not told of it, and it counts as pending."""
    owner: str = ""
    signing_key: str = ""
    version: str = ""
    stress: float = 0.0
    features: tuple[str, ...] = ()

    @property
    def is_listed(self) -> bool:
        """Whether clients are told of it: healthy, not on its way out, and with room."""
        return self.healthy and not self.is_draining and self.current_connections < self.capacity

    @property
    def probe_url(self) -> str:
        """Where its health is asked: `/_health` below its own path, over HTTP also where clients use a WebSocket."""
        parts = parse_url(self.url, allowed_schemes=SCHEMES)
        path = parts.path.partition("?")[0].rstrip("/")
        return str(replace(parts, scheme=SCHEMES[parts.scheme], path=f"{path}/_health"))


def list_form(relay: Relay) -> bytes:
    """The JSON object of a list without its closing brace: the distance, where asked for, is appended per request."""
    return msgspec.json.encode(listed_form(relay))[:-1]


def whole_form(relay: Relay) -> dict[str, Any]:
    """All that callers may know of a relay, as registration answers it."""
    return {**listed_form(relay), "state": relay.state, "draining": relay.is_draining, **_approval(relay)}


def status_form(relay: Relay) -> dict[str, Any]:
    """The answer of the status route."""
    return {
        "id": relay.id,
        "name": relay.name,
        "url": relay.url,
        "region": relay.region,
        "healthy": relay.healthy,
        "current_connections": relay.current_connections,
        "capacity": relay.capacity,
        "last_seen_at": relay.last_seen_at,
        "state": relay.state,
        "draining": relay.is_draining,
        **_approval(relay),
    }


def iso(moment: datetime) -> str:
    """A time as it stands in answers and in the database: 2026-03-04T12:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_relay_url(url: str) -> bool:
    """Whether clients could connect there: ws, wss, http or https, a host, and no password."""
    try:
        parse_url(url, allowed_schemes=SCHEMES)
    except UsageError:
        return False
    return True


def listed_form(relay: Relay) -> dict[str, Any]:
    """The documented fields."""
    return {
        "id": relay.id,
        "name": relay.name,
        "url": relay.url,
        "latitude": relay.latitude,
        "longitude": relay.longitude,
        "region": relay.region,
        "capacity": relay.capacity,
        "current_connections": relay.current_connections,
        "public_key": relay.public_key,
        "registered_at": relay.registered_at,
        "last_seen_at": relay.last_seen_at,
        "healthy": relay.healthy,
        "failed_checks": relay.failed_checks,
    }


def _approval(relay: Relay) -> dict[str, Any]:
    return {"approval": "waiting"} if relay.is_waiting else {}
