"""Calls to hand over within one process: for tests, and for a client whose network changes under it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from vox.fleet.handover.contract import ENDED_S, INVITATIONS_S, KEPT_S, MOST_INVITATIONS, Kept, digest
from vox.runtime.clock import Clock


@dataclass(slots=True)
class _Row:
    fence: int
    record: bytes
    line: str
    expires_at: float
    has_ended: bool = False
    token: str = ""
    token_until: float = 0.0
    offers: int = 0
    invitations: int = 0
    invited_since: float = 0.0


class MemoryHandover:
    """Implements `vox.fleet.handover.contract.HandoverStore`.

    Args:
        clock: for everything that expires.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: dict[str, _Row] = {}
        self._lines: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None

    async def save(self, call_id: str, fence: int, record: bytes, *, line: str = "") -> bool:
        """See `HandoverStore`."""
        until, row = self._clock.now() + KEPT_S, self._row(call_id)
        if row is None:
            self._rows[call_id] = _Row(fence, record, line, until)
            if line:
                self._lines[line] = call_id
            return True
        if row.has_ended or row.fence != fence:
            return False
        row.record, row.expires_at = record, until
        return True

    async def renew(self, calls: Mapping[str, int]) -> Collection[str]:
        """See `HandoverStore`."""
        self._forget_expired()
        lost: set[str] = set()
        for call_id, fence in calls.items():
            row = self._rows.get(call_id)
            if row is None:
                continue
            if row.has_ended or row.fence != fence:
                lost.add(call_id)
            else:
                row.expires_at = self._clock.now() + KEPT_S
        return lost

    async def invite(self, name: str, token: str, *, ttl_s: float, fence: int = 0) -> Kept | None:
        """See `HandoverStore`."""
        call_id, now = self._lines.get(name, name), self._clock.now()
        row = self._row(call_id)
        if row is None or row.has_ended or (fence and row.fence != fence):
            return None
        if now - row.invited_since > INVITATIONS_S:
            row.invitations, row.invited_since = 0, now
        if row.invitations >= MOST_INVITATIONS:
            return None
        row.invitations += 1
        row.offers += 1
        row.token, row.token_until = digest(token), now + ttl_s
        row.expires_at = max(row.expires_at, now + min(ttl_s, KEPT_S))
        return Kept(call_id, row.fence, row.record, row.offers)

    async def withdraw(self, call_id: str, fence: int) -> bool:
        """See `HandoverStore`."""
        row = self._row(call_id)
        if row is None or row.has_ended or row.fence != fence:
            return False
        row.token = ""
        return True

    async def claim(self, token: str) -> Kept | None:
        """See `HandoverStore`."""
        now, key = self._clock.now(), digest(token)
        found = next((one for one in self._rows.items() if one[1].token == key), None)
        if found is None or found[1].has_ended or found[1].token_until <= now or found[1].expires_at <= now:
            return None
        call_id, row = found
        row.fence += 1
        row.token, row.offers, row.expires_at = "", 0, now + KEPT_S
        return Kept(call_id, row.fence, row.record)

    async def finish(self, call_id: str, fence: int) -> bool:
        """See `HandoverStore`."""
        until, row = self._clock.now() + ENDED_S, self._row(call_id)
        if row is None:
            return False
        if row.has_ended or row.fence != fence:
            return False
        row.has_ended, row.record, row.token, row.expires_at = True, b"", "", until
        return True

    async def check(self) -> None:
        """Memory always works."""

    def _row(self, call_id: str) -> _Row | None:
        row = self._rows.get(call_id)
        return None if row is None or row.expires_at <= self._clock.now() else row

    def _forget_expired(self) -> None:
        now = self._clock.now()
        for call_id in [call_id for call_id, row in self._rows.items() if row.expires_at <= now]:
            line = self._rows.pop(call_id).line
            if self._lines.get(line) == call_id:
                del self._lines[line]
