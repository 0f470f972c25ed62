"""The relays in memory: what every read is answered from.

Each relay's list form is encoded when it changes; a request only joins bytes. Everything runs on the event loop's thread and
nothing awaits, so a reader never sees half a change. What must survive a restart is the journal's business.

A relay that leaves the list, because it is full for instance, mostly comes back soon, and taking it out of the index costs all
questions around it. So it stays in there and is passed over; who left longest ago is taken out once they are many.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from random import Random

from vox.directory.relays.geography import NearestIndex
from vox.directory.relays.nearest_cells import NearestCells
from vox.directory.relays.place import Place
from vox.directory.relays.relay import Relay, list_form
from vox.directory.relays.url_keys import url_key

Listener = Callable[[str, Relay | None], None]
"""Called after each change with the relay's id and the relay, or None where it is gone."""

CANDIDATES = 4
"""Relays drawn per place of an unordered list, so that the better half of them can be taken."""
LEAST_PASSED_OVER = 32
PASSED_OVER_SHARE = 1 / 32
"""Relays that stay in the index without being listed, at most, as a share of the listed ones: a question looks at each of them
where they are all around it."""
MOST_LISTED = 100
"""The longest list of the nearest relays."""
_LISTS = tuple(
    b'{"relays":[%b],"count":%d}' % (b",".join([b'%b,"distance_km":%.3f}'] * count), count)
    for count in range(MOST_LISTED + 1)
)
"""Lists by their length, with a place for each relay's form and its distance."""


class Registry:
    """All relays by id and by address, the listed ones also by place."""

    def __init__(self) -> None:
        self.revision = 0
        self.membership = 0
        """Rises when a relay enters or leaves the list, or says something else of itself than its load and its times."""
        self._relays: dict[str, Relay] = {}
        self._by_url: dict[str, str] = {}
        self._listed: dict[str, bytes] = {}
        self._listed_ids: list[str] = []
        self._places_in_ids: dict[str, int] = {}
        self._cells = NearestCells()
        self._index = NearestIndex(self._cells.exchange)
        self._passed_over: dict[str, None] = {}  # in the index and not listed, who left last at the end
        self._held = set[str]()
        self._listeners: list[Listener] = []

    def __len__(self) -> int:
        return len(self._relays)

    def __iter__(self) -> Iterator[Relay]:
        return iter(self._relays.values())

    @property
    def listed_count(self) -> int:
        """How many relays clients are told of."""
        return len(self._listed)

    def get(self, relay_id: str) -> Relay | None:
        """The relay with that id."""
        return self._relays.get(relay_id)

    def at_url(self, url: str) -> Relay | None:
        """The relay at that address, however it is written."""
        relay_id = self._by_url.get(url_key(url))
        return self._relays[relay_id] if relay_id is not None else None

    def put(self, relay: Relay) -> None:
        """Adds a relay, or replaces the one with its id."""
        before = self._relays.get(relay.id)
        if before == relay:
            return
        if before is None or before.url != relay.url:
            if before is not None:
                self._leave_url(before)
            self._by_url[url_key(relay.url)] = relay.id
        self._relays[relay.id] = relay
        self._list(relay, before)
        self._changed(relay.id, relay)

    def drop(self, relay_id: str) -> Relay | None:
        """Takes a relay out and returns it."""
        relay = self._relays.pop(relay_id, None)
        if relay is not None:
            self._leave_url(relay)
            self._unlist(relay_id)
            self._passed_over.pop(relay_id, None)
            self._index.remove(relay_id)
            self._changed(relay_id, None)
        return relay

    def hold(self, relay_id: str) -> None:
        """Keeps a relay off the list, whatever its health, until `release`; also if it is dropped and put again meanwhile."""
        self._held.add(relay_id)
        relay = self._relays.get(relay_id)
        if relay is not None:
            self._unlist(relay_id)
            self._changed(relay_id, relay)

    def release(self, relay_id: str) -> None:
        """Lists a relay again if nothing else speaks against it."""
        self._held.discard(relay_id)
        relay = self._relays.get(relay_id)
        if relay is not None:
            self._list(relay, None)
            self._changed(relay_id, relay)

    def nearest_json(self, place: Place, limit: int) -> bytes:
        """The list of the nearest listed relays with their distance, nearest first, as a JSON object."""
        listed = self._listed
        found = self._nearest(place, limit)[:limit]
        return _LISTS[len(found)] % tuple([part for km, relay_id in found for part in (listed[relay_id], km)])

    def spread_json(self, limit: int, random: Random) -> bytes:
        """A list of relays without a place to go by as a JSON object: a fresh draw each time, those with more room first."""
        listed, ids = self._listed, self._listed_ids
        drawn = random.sample(ids, min(len(ids), limit * CANDIDATES))
        drawn.sort(key=self._room)
        found = [listed[relay_id] + b"}" for relay_id in drawn[:limit]]
        return b'{"relays":[%b],"count":%d}' % (b",".join(found), len(found))

    def is_listed(self, relay_id: str) -> bool:
        """Whether clients are told of that relay."""
        return relay_id in self._listed

    def nearest_ids(self, place: Place, limit: int) -> list[str]:
        """The nearest listed relays, nearest first."""
        return [relay_id for _, relay_id in self._nearest(place, limit)[:limit]]

    def spread_ids(self, limit: int, random: Random) -> list[str]:
        """A fresh draw of listed relays."""
        return random.sample(self._listed_ids, min(len(self._listed_ids), limit))

    def listed(self) -> Iterable[Relay]:
        """The relays that clients are told of."""
        return (self._relays[relay_id] for relay_id in self._listed_ids)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls the listener after each change, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _nearest(self, place: Place, limit: int) -> list[tuple[float, str]]:
        """Km and ids of the nearest listed relays in order, and perhaps of some more."""
        listed = self._listed
        found = self._cells.nearest(place.latitude, place.longitude, limit, listed)
        if found is None:
            all_found = self._index.nearest(place.latitude, place.longitude, listed.__contains__)
            found = [(km, relay_id) for relay_id, km in islice(all_found, limit)]
        return found

    def _leave_url(self, relay: Relay) -> None:
        key = url_key(relay.url)
        if self._by_url.get(key) == relay.id:
            del self._by_url[key]

    def _room(self, relay_id: str) -> float:
        relay = self._relays[relay_id]
        return max(relay.current_connections / relay.capacity, relay.stress)

    def _list(self, relay: Relay, before: Relay | None) -> None:
        if not relay.is_listed or relay.id in self._held:
            self._unlist(relay.id)
            return
        is_new = relay.id not in self._listed
        self.membership += is_new or before is None or _lasting(relay) != _lasting(before)
        self._listed[relay.id] = list_form(relay)
        if is_new:
            self._places_in_ids[relay.id] = len(self._listed_ids)
            self._listed_ids.append(relay.id)
            self._passed_over.pop(relay.id, None)
        moved = before is None or (before.latitude, before.longitude) != (relay.latitude, relay.longitude)
        if is_new or moved:
            self._index.add(relay.id, relay.latitude, relay.longitude)

    def _unlist(self, relay_id: str) -> None:
        if self._listed.pop(relay_id, None) is None:
            return
        self.membership += 1
        self._pass_over(relay_id)
        place, last = self._places_in_ids.pop(relay_id), self._listed_ids.pop()
        if last != relay_id:  # the last one fills the gap, so that a random draw stays one index away
            self._listed_ids[place] = last
            self._places_in_ids[last] = place

    def _pass_over(self, relay_id: str) -> None:
        self._passed_over[relay_id] = None
        while len(self._passed_over) > max(LEAST_PASSED_OVER, int(len(self._listed) * PASSED_OVER_SHARE)):
            first = next(iter(self._passed_over))
            del self._passed_over[first]
            self._index.remove(first)

    def _changed(self, relay_id: str, relay: Relay | None) -> None:
        self.revision += 1
        for listener in tuple(self._listeners):
            listener(relay_id, relay)


def _lasting(relay: Relay) -> tuple[object, ...]:
    return relay.name, relay.url, relay.latitude, relay.longitude, relay.region, relay.capacity, relay.public_key
