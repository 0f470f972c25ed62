"""The metrics of dispatch."""

from vox.runtime.metrics import Counter, Gauge, Histogram

PLACEMENTS = Counter(
    "vox_fleet_placements_total", "Calls that asked for a worker, by class and by what came of it", ("class", "result")
)
OFFERS = Counter("vox_fleet_offers_total", "Offers to workers, by what came of them", ("result",))
LATE_ACCEPTS = Counter(
    "vox_fleet_late_accepts_total", "Slots that a worker reserved after its offer was given up; they were released"
)
DISPATCH_SECONDS = Histogram(
    "vox_fleet_dispatch_seconds",
    "Time from asking for a worker to the answer, by result",
    ("result",),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0),
)
WORKERS = Gauge("vox_fleet_workers", "Workers known to this bridge, by state", ("state",))
SLOTS = Gauge(
    "vox_fleet_slots",
    "Slots of the workers that are not stale: `active`, `reserved`, `limit` and `max`",
    ("kind",),
)
REGISTRATIONS = Counter(
    "vox_fleet_registrations_total", "Workers that registered, by `taken` or the code of the refusal", ("result",)
)
LEASE_LOSSES = Counter("vox_fleet_lease_losses_total", "Workers of which nothing was heard for a lease")
CALLS_LOST = Counter("vox_fleet_calls_lost_total", "Calls on workers whose lease ended")
EVENTS_DROPPED = Counter(
    "vox_fleet_events_dropped_total",
    "Events of calls that found the queue full; the end of a call is sent again, progress is not",
    ("kind",),
)
STATIC_POLLS = Counter(
    "vox_fleet_static_polls_total", "Polls of the servers in `voxcore_fleet`, by result", ("result",)
)
AUTOSCALE_SLOTS = Gauge(
    "vox_fleet_autoscale_slots",
    "Slots that the fleet should have: calls, reservations, calls that are due, and a buffer; NaN while that is not known",
)
