"""Who may still come in: the configured limit, and below it one that follows how late the audio is.

A call that would be one too many is refused before the upgrade, because a caller who hears "busy" is better served than
three hundred who hear stutter. A connection takes its place before it has said who calls; where all places are taken, one
that has been silent for `SILENT_S` makes room, so that silence cannot keep callers out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from vox.runtime.metrics import Counter, Gauge, Metrics, NullMetrics

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
"""Carriers send their first messages with the upgrade; who has said nothing for so long may have to go."""
MIN_LIMIT = 4
MIN_SAMPLE = 16
"""Calls from which the cost per call is worth an estimate; fewer drown in the process's own noise."""
SMOOTHING = 0.3


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured since the last observation: late share of the frames, CPU seconds per second, calls held."""

    late_share: float
    busy_share: float
    calls: int


@dataclass(slots=True)
class AdaptiveLimit:
    """Estimates the number of calls that this machine serves without late audio. Pure; `observe` about twice a second.

    There is none (None) while the core is at ease. Beyond `EASY_SHARE` it is the number of calls that would fill
    `BUSY_SHARE`, by what one costs now, so that it stands before the flood has come in. Late frames cut it by a tenth each
    time, and it grows back no faster than `GROWTH`.
    """

    limit: int | None = None
    _cost: float | None = None

    def observe(self, load: Load) -> int | None:
        """The limit after this observation; None while there is no reason for one."""
        if load.calls >= MIN_SAMPLE:
            cost = load.busy_share / load.calls
            self._cost = cost if self._cost is None else self._cost + SMOOTHING * (cost - self._cost)
        if load.late_share > LATE_SHARE and load.calls >= MIN_LIMIT:
            self.limit = max(MIN_LIMIT, int(min(load.calls, self.limit or load.calls) * 0.9))
        elif load.busy_share < EASY_SHARE:
            self.limit = None
        elif self._cost:
            affordable = max(MIN_LIMIT, int(BUSY_SHARE / self._cost))
            grown = affordable if self.limit is None else max(self.limit + 1, int(self.limit * GROWTH))
            self.limit = min(affordable, grown)
        return self.limit


@dataclass(frozen=True, slots=True)
class Busy:
    """The refusal of a call: why, and when to try again."""

    reason: str
    retry_after_s: int


@dataclass(slots=True, eq=False)
class Reservation:
    """The place of one call; `release` it once, when the call is over.

    A silent one is on probation until `begin` is called: `on_evicted` is called when another call takes the place.
    """

    admission: "Admission"
    since: float = 0.0
    on_evicted: Callable[[], None] | None = None
    is_released: bool = False

    def begin(self) -> None:
        """Ends the probation: the stream named its call."""
        self.admission.probation.pop(self, None)

    def release(self) -> None:
        """Gives the place back; idempotent."""
        if not self.is_released:
            self.is_released = True
            self.admission.probation.pop(self, None)
            self.admission.leave()


@dataclass(slots=True, eq=False)
class Admission:
    """Limits the calls of one process. `max_calls` 0 leaves only the adaptive limit, if there is one.

    `has_room` is asked whether those that a call needs can serve one more.
    """

    max_calls: int = 0
    retry_after_s: int = 5
    adaptive: AdaptiveLimit | None = None
    metrics: Metrics | NullMetrics = field(default_factory=NullMetrics)
    has_room: Callable[[], bool] = lambda: True
    is_closed: bool = False
    calls: int = 0
    probation: dict[Reservation, None] = field(default_factory=dict[Reservation, None])

    @property
    def limit(self) -> int:
        """The limit in force; 0 for none."""
        adaptive = self.adaptive.limit if self.adaptive else None
        if adaptive is None:
            return self.max_calls
        return min(adaptive, self.max_calls) if self.max_calls else adaptive

    def why_full(self, now: float) -> Busy | None:
        """Why one more call would be refused; None where it would not."""
        if self.is_closed:
            return Busy("draining", self.retry_after_s)
        limit = self.limit
        if limit and self.calls >= limit and (self.calls > limit or self._silent(now) is None):
            return Busy("full" if limit == self.max_calls else "strained", self.retry_after_s)
        if not self.has_room():
            return Busy("speech", self.retry_after_s)
        return None

    def reserve(self, now: float, *, is_silent: bool = False) -> Reservation | Busy:
        """A place for one more call, or why not. `is_silent`: no start message has come yet; `now`: seconds of any clock."""
        busy = self.why_full(now)
        if busy is not None:
            self.metrics.counter(CALLS_REFUSED, busy.reason).inc()
            return busy
        if self.limit and self.calls >= self.limit:
            self._evict(now)
        self.calls += 1
        self.metrics.counter(CALLS_ADMITTED).inc()
        self.metrics.gauge(CALLS_ACTIVE).set(self.calls)
        place = Reservation(self, now)
        if is_silent:
            self.probation[place] = None
        return place

    def _silent(self, now: float) -> Reservation | None:
        """The one on probation for the longest time, if that is long enough."""
        oldest = next(iter(self.probation), None)
        return oldest if oldest is not None and now - oldest.since >= SILENT_S else None

    def _evict(self, now: float) -> None:
        place = self._silent(now)
        if place is not None:
            place.release()
            self.metrics.counter(CALLS_EVICTED).inc()
            if place.on_evicted is not None:
                place.on_evicted()

    def leave(self) -> None:
        """A call ended."""
        self.calls -= 1
        self.metrics.gauge(CALLS_ACTIVE).set(self.calls)

    def observe(self, load: Load) -> None:
        """Lets the adaptive limit follow the load."""
        if self.adaptive is not None:
            self.adaptive.observe(load)
        self.metrics.gauge(CALLS_LIMIT).set(self.limit)
