"""What clients say of their sessions on relays, and when that is enough to doubt a relay whose probes succeed. Pure.

A network (/24; IPv6: /48) is one voice per relay, its last word counts for two minutes, and its surroundings (/16; IPv6: /32) have
eight voices at most. Failures must come from three surroundings at least: neither one client nor one provider's customer decides.
Kept in memory only, bounded; the relay that was spoken of longest ago is forgotten first.
"""

from collections import Counter, OrderedDict
from typing import Final

from vox.security.addresses import surrounding_networks

WINDOW_S: Final = 120.0
LEAST_SESSIONS: Final = 30
FAILED_SHARE: Final = 0.1
"""More than this share must have failed. Window, least number and share are jicofo's."""
MOST_PER_AREA: Final = 8
LEAST_FAILING_AREAS: Final = 3
MOST_NETWORKS: Final = 256
"""Networks remembered per relay."""
MOST_REPORTS: Final = 200_000

_Reports = OrderedDict[tuple[str, int], tuple[bool, float]]
"""Whether it failed and when it was said, by surroundings and network; the newest last."""


class FailureReports:
    """Remembers what was said. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._relays: OrderedDict[str, _Reports] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def note(self, address: str, relay_id: str, now: float, *, has_failed: bool) -> None:
        """A client at that address had a session there; what is no address is not noted."""
        network = surrounding_networks(address)
        if network is None:
            return
        reports = self._relays.setdefault(relay_id, OrderedDict())
        self._relays.move_to_end(relay_id)
        self._count += network not in reports
        reports[network] = has_failed, now
        reports.move_to_end(network)
        if len(reports) > MOST_NETWORKS:
            reports.popitem(last=False)
            self._count -= 1
        while self._count > MOST_REPORTS:
            _, oldest = self._relays.popitem(last=False)
            self._count -= len(oldest)

    def is_failing(self, relay_id: str, now: float) -> bool:
        """Whether so many sessions failed there that no more clients should be sent."""
        sessions = failed = 0
        voices, failing = Counter[str](), set[str]()
        for (area, _), (has_failed, at) in reversed(self._relays.get(relay_id, _Reports()).items()):
            if now - at > WINDOW_S:
                break
            voices[area] += 1
            if voices[area] > MOST_PER_AREA:
                continue
            sessions += 1
            if has_failed:
                failed += 1
                failing.add(area)
        if sessions < LEAST_SESSIONS or len(failing) < LEAST_FAILING_AREAS:
            return False
        return failed > sessions * FAILED_SHARE

    def forget(self, relay_id: str) -> None:
        """Begins anew with a relay."""
        self._count -= len(self._relays.pop(relay_id, ()))
