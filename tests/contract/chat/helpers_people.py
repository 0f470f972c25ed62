"""Short words for what tests of people do again and again."""

from datetime import datetime, timedelta
from typing import Any

import httpx2

from tests.contract.chat.harness import API, Person, Rig
from vox.chat.events.permissions import P
from vox.runtime.clock import SystemClock

BASE = int(P.VIEW_SPACE | P.SEND_MESSAGES | P.READ_HISTORY)


class LateClock(SystemClock):
    """The machine's clock, with a date that a test moves on; what holds a lease on the monotonic clock keeps it."""

    def __init__(self) -> None:
        self._late = timedelta()

    def wall(self) -> datetime:
        return super().wall() + self._late

    def advance(self, seconds: float) -> None:
        self._late += timedelta(seconds=seconds)


def outcome(reply: httpx2.Response) -> tuple[int, str]:
    """Status and error code; the code is empty on success."""
    return reply.status_code, "" if reply.is_success else reply.json()["error"]["code"]


async def anonymous(rig: Rig, method: str, path: str, body: Any = None) -> httpx2.Response:
    """A request without a token."""
    return await rig.http.request(method, API + path, **({} if body is None else {"json": body}))


async def make_role(admin: Person, permissions: int, position: int, name: str = "role") -> int:
    """A new role's id."""
    body = {"name": name, "permissions": int(permissions), "position": position}
    return (await admin.ok("POST", "/roles", body))["role_id"]


async def give_role(admin: Person, person: Person, permissions: int, position: int, name: str = "role") -> int:
    """A new role that somebody has then."""
    role_id = await make_role(admin, permissions, position, name)
    await admin.ok("PUT", f"/members/{person.user_id}/roles/{role_id}")
    return role_id


async def set_everyone(admin: Person, permissions: int) -> None:
    """Other permissions for everybody."""
    await admin.ok("PATCH", "/roles/1", {"permissions": int(permissions)})


async def audited(admin: Person, event_type: str) -> list[dict[str, Any]]:
    """The entries of the audit log of a type."""
    return (await admin.ok("GET", "/audit-log", event_type=event_type))["entries"]


async def log_in(rig: Rig, name: str, password: str, **more: Any) -> httpx2.Response:
    """A try to log in."""
    return await anonymous(rig, "POST", "/auth/login", {"username": name, "password": password, **more})
