"""Who may still come in: the configured limit, and below it one that follows how late the audio is.

A call that would be one too many is refused before the upgrade, because a caller who hears "busy" is better served than
three hundred who hear stutter. A connection takes its place before it has said anything; where all places are taken, one
that has been silent for its probation makes room, so that silence cannot keep callers out. Of the configured places one
network has a share, so that it cannot keep the others out with calls that it does hold.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from vox.runtime.metrics import Counter, Gauge, Metrics, NullMetrics
from vox.security.addresses import is_global, network_key, parse_address

CALLS_ACTIVE = Gauge("vox_agent_calls_active", "Calls in progress")
CALLS_LIMIT = Gauge("vox_agent_calls_limit", "Calls that may be held at present (0: no limit)")
CALLS_ADMITTED = Counter("vox_agent_calls_admitted_total", "Calls taken")
CALLS_REFUSED = Counter("vox_agent_calls_refused_total", "Calls refused before the upgrade", ("reason",))
CALLS_EVICTED = Counter(
    "vox_agent_calls_evicted_total", "Connections closed to make room, because they had not begun a call"
)

LATE_SHARE = 0.005
"""Half of the 1 % of late frames that a call may have: the limit acts before the promise breaks."""
BUSY_SHARE = 0.85
"""CPU share of one core from which no further call is taken; measured: lateness begins to show beyond it."""
EASY_SHARE = 0.4
"""CPU share of one core below which there is no limit: one second of new calls cannot fill the rest of the core."""
GROWTH = 1.1
"""Growth per observation after a cut: at two observations a second, twice the calls within four seconds."""
SILENT_S = 2.0
"""Carriers send their first messages with the upgrade, and audio from then on; what is silent for so long may have to go."""
CLIENT_SILENT_S = 10.0
"""The same for clients of `/ws`: a person may be asked for the microphone first."""
MIN_LIMIT = 4
MIN_SAMPLE = 16
"""Calls from which the cost per call is worth an estimate; fewer drown in the process's own noise."""
SMOOTHING = 0.3


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured since the last observation: late share of the frames, CPU seconds per second, calls held.

    `is_flooded`: a network sent more than it may, so lateness and CPU time are not those of the calls.
    """

    late_share: float
    busy_share: float
    calls: int
    is_flooded: bool = False


@dataclass(slots=True)
class AdaptiveLimit:
    """Estimates the number of calls that this machine serves without late audio. Pure; `observe` about twice a second.

    There is none (None) while the core is at ease. Beyond `EASY_SHARE` it is the number of calls that would fill
    `BUSY_SHARE`, by what one costs now, so that it stands before the flood has come in. Late frames cut it by a tenth each
    time, and it grows back no faster than `GROWTH`. A flood teaches nothing: what is known of a call's cost goes on counting.
    """

    limit: int | None = None
    _cost: float | None = None

    def observe(self, load: Load) -> int | None:
        """The limit after this observation; None while there is no reason for one."""
        if load.is_flooded:
            if self.limit is None and self._cost and load.busy_share >= EASY_SHARE:
                self.limit = self._affordable(self._cost)
            return self.limit
        if load.calls >= MIN_SAMPLE:
            cost = load.busy_share / load.calls
            self._cost = cost if self._cost is None else self._cost + SMOOTHING * (cost - self._cost)
        if load.late_share > LATE_SHARE and load.calls >= MIN_LIMIT:
            self.limit = max(MIN_LIMIT, int(min(load.calls, self.limit or load.calls) * 0.9))
        elif load.busy_share < EASY_SHARE:
            self.limit = None
        elif self._cost:
            affordable = self._affordable(self._cost)
            grown = affordable if self.limit is None else max(self.limit + 1, int(self.limit * GROWTH))
            self.limit = min(affordable, grown)
        return self.limit

    @staticmethod
    def _affordable(cost: float) -> int:
        return max(MIN_LIMIT, int(BUSY_SHARE / cost))


@dataclass(frozen=True, slots=True)
class Busy:
    """The refusal of a call: why, and when to try again."""

    reason: str
    retry_after_s: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where a connection comes from, as far as its share of the places goes; `network` is empty where it has none."""

    network: str = ""
    is_public: bool = False

    @classmethod
    def at(cls, address: str) -> "Source":
        """The source of a connection from this address."""
        parsed = parse_address(address)
        return cls(network_key(address), parsed is not None and is_global(parsed))


UNBOUND = Source()
"""A connection that has proven to be a carrier's, which brings many calls from one address."""


@dataclass(slots=True, eq=False)
class Reservation:
    """The place of one call; `release` it once, when the call is over.

    A silent one is on probation until `begin` is called: `on_evicted` is called when another call takes the place, from
    `evictable_at` on.
    """

    admission: "Admission"
    evictable_at: float = 0.0
    network: str = ""
    on_evicted: Callable[[], None] | None = None
    is_released: bool = False

    def begin(self) -> None:
        """Ends the probation: the call has begun."""
        self.admission.probation.pop(self, None)

    def release(self) -> None:
        """Gives the place back; idempotent."""
        if not self.is_released:
            self.is_released = True
            self.admission.probation.pop(self, None)
            self.admission.leave(self.network)


@dataclass(slots=True, eq=False)
class Admission:
    """Limits the calls of one process. `max_calls` 0 leaves only the adaptive limit, if there is one.

    `max_per_network` bounds every source but `UNBOUND`. 0 gives each public network half of `max_calls`; private ones are
    not bound then, because a proxy or a gateway that brings everyone's calls has such an address. `has_room` is asked whether
    those that a call needs can serve one more, `set_aside` how many places are promised to calls that have yet to come.
    """

    max_calls: int = 0
    max_per_network: int = 0
    retry_after_s: int = 5
    adaptive: AdaptiveLimit | None = None
    metrics: Metrics | NullMetrics = field(default_factory=NullMetrics)
    has_room: Callable[[], bool] = lambda: True
    set_aside: Callable[[], int] = lambda: 0
    is_closed: bool = False
    calls: int = 0
    probation: dict[Reservation, None] = field(default_factory=dict[Reservation, None])
    networks: dict[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        """Has the series there before the first call: one that is absent reads as no data, not as 0."""
        self.metrics.gauge(CALLS_ACTIVE).set(0)
        self.metrics.gauge(CALLS_LIMIT).set(self.limit)
        for counter in (CALLS_ADMITTED, CALLS_EVICTED):
            self.metrics.counter(counter)

    @property
    def limit(self) -> int:
        """The limit in force; 0 for none."""
        adaptive = self.adaptive.limit if self.adaptive else None
        if adaptive is None:
            return self.max_calls
        return min(adaptive, self.max_calls) if self.max_calls else adaptive

    @property
    def taken(self) -> int:
        """Calls that run, and places promised to calls that have yet to come."""
        return self.calls + self.set_aside()

    def share(self, source: Source) -> int:
        """How many calls may come from this source; 0 for any number."""
        if not source.network:
            return 0
        if self.max_per_network:
            return self.max_per_network
        return (self.max_calls + 1) // 2 if source.is_public else 0

    def why_full(self, now: float, source: Source = UNBOUND) -> Busy | None:
        """Why one more call would be refused; None where it would not."""
        if self.is_closed:
            return Busy("draining", self.retry_after_s)
        limit, has_share = self.limit, self._has_share(source)
        taken = self.taken
        room = self._silent(now, source) if not has_share or (limit and taken >= limit) else None
        if limit and (taken > limit or (taken == limit and has_share and room is None)):
            return Busy("full" if limit == self.max_calls else "strained", self.retry_after_s)
        if not has_share and room is None:
            return Busy("address", self.retry_after_s)
        if not self.has_room():
            return Busy("speech", self.retry_after_s)
        return None

    def reserve(
        self,
        now: float,
        source: Source = UNBOUND,
        *,
        is_silent: bool = False,
        probation_s: float = SILENT_S,
        is_promised: bool = False,
    ) -> Reservation | Busy:
        """A place for one more call, or why not.

        Args:
            now: seconds of any clock.
            source: whose share the place counts against.
            is_silent: whether the call has yet to begin.
            probation_s: how long it may take that before it has to make room for others.
            is_promised: whether the place was set aside for this very call, which then is not refused, in a drain neither.
        """
        busy = None if is_promised else self.why_full(now, source)
        if busy is not None:
            self.metrics.counter(CALLS_REFUSED, busy.reason).inc()
            return busy
        if not is_promised and ((self.limit and self.taken >= self.limit) or not self._has_share(source)):
            self._evict(now, source)
        self.calls += 1
        if source.network:
            self.networks[source.network] = self.networks.get(source.network, 0) + 1
        self.metrics.counter(CALLS_ADMITTED).inc()
        self.metrics.gauge(CALLS_ACTIVE).set(self.calls)
        place = Reservation(self, now + probation_s, source.network)
        if is_silent:
            self.probation[place] = None
        return place

    def _has_share(self, source: Source) -> bool:
        share = self.share(source)
        return not share or self.networks.get(source.network, 0) < share

    def _silent(self, now: float, source: Source) -> Reservation | None:
        """The oldest place whose probation is over; one of the source's own where its share is used up."""
        network = "" if self._has_share(source) else source.network
        ripe = (one for one in self.probation if now >= one.evictable_at and (not network or one.network == network))
        return next(ripe, None)

    def _evict(self, now: float, source: Source) -> None:
        place = self._silent(now, source)
        if place is not None:
            place.release()
            self.metrics.counter(CALLS_EVICTED).inc()
            if place.on_evicted is not None:
                place.on_evicted()

    def leave(self, network: str) -> None:
        """A call ended."""
        self.calls -= 1
        self.metrics.gauge(CALLS_ACTIVE).set(self.calls)
        if network:
            self.networks[network] -= 1
            if not self.networks[network]:
                del self.networks[network]

    def observe(self, load: Load) -> None:
        """Lets the adaptive limit follow the load."""
        if self.adaptive is not None:
            self.adaptive.observe(load)
        self.metrics.gauge(CALLS_LIMIT).set(self.limit)
