"""Round trips that clients measured and reported, learned by network: what neighbours measure tells what to expect. Pure.

No address is kept. A report counts for the /24 (IPv6: /48) it came from, once per relay however often it is sent, and is used
for the /16 (IPv6: /32) around it as soon as five different networks in there reported the same relay: no single network can
make a relay look near or far to others. Kept in memory only; the oldest surroundings are forgotten first.
"""

from collections import OrderedDict
from collections.abc import Mapping
from statistics import median

from vox.security.addresses import surrounding_networks

FRESH_S = 6 * 3600.0
LEAST_NETWORKS = 5
MOST_NETWORKS = 64
"""Networks remembered per surroundings and relay."""
MOST_RELAYS = 256
"""Relays remembered per surroundings."""
MOST_REPORTS = 200_000

_Reports = OrderedDict[int, tuple[float, float]]
"""Round trip in ms and when it was reported, by network; the newest last."""


class RoundTrips:
    """Learns round trips. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._areas: OrderedDict[str, OrderedDict[str, _Reports]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def note(self, address: str, relay_id: str, rtt_ms: float, now: float) -> None:
        """A client at that address measured that relay; what is no address is not noted."""
        found = surrounding_networks(address)
        if found is None:
            return
        area, network = found
        relays = self._areas.setdefault(area, OrderedDict())
        self._areas.move_to_end(area)
        reports = relays.setdefault(relay_id, OrderedDict())
        relays.move_to_end(relay_id)
        self._count += network not in reports
        reports[network] = rtt_ms, now
        reports.move_to_end(network)
        if len(reports) > MOST_NETWORKS:
            reports.popitem(last=False)
            self._count -= 1
        if len(relays) > MOST_RELAYS:
            self._count -= len(relays.popitem(last=False)[1])
        while self._count > MOST_REPORTS:
            _, oldest = self._areas.popitem(last=False)
            self._count -= sum(map(len, oldest.values()))

    def learned(self, address: str, now: float) -> Mapping[str, float]:
        """What clients around that address may expect, in ms by relay id."""
        found = surrounding_networks(address)
        relays = self._areas.get(found[0]) if found else None
        if relays is None:
            return {}
        medians: dict[str, float] = {}
        for relay_id, reports in relays.items():
            fresh = [rtt_ms for rtt_ms, at in reports.values() if now - at <= FRESH_S]
            if len(fresh) >= LEAST_NETWORKS:
                medians[relay_id] = median(fresh)
        return medians
