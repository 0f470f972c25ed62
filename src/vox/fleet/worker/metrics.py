"""The metrics of a call worker; those of its calls are the agent server's."""

from typing import Final

from vox.runtime.metrics import Counter, Gauge, Histogram, Metrics

CALLS: Final = Counter(
    "vox_worker_calls_total",
    "Calls that ended, by direction, carrier and outcome",
    ("direction", "provider", "outcome"),
)
RESERVED: Final = Gauge("vox_worker_slots_reserved", "Slots promised to calls that have no media yet")
LIMIT: Final = Gauge("vox_worker_slots_limit", "Calls that may be held at present")
RESERVATIONS: Final = Counter("vox_worker_reservations_total", "Slots promised, by class of call", ("class",))
RESERVATIONS_REFUSED: Final = Counter(
    "vox_worker_reservations_refused_total", "Reservations refused, by class of call and reason", ("class", "reason")
)
RESERVATIONS_EXPIRED: Final = Counter(
    "vox_worker_reservations_expired_total", "Promised slots that no media took in time"
)
LOOP_LAG: Final = Gauge("vox_worker_loop_lag_p95_seconds", "Delay of the event loop's timers, 95 % of the last minute")
LATE_FRAMES: Final = Gauge("vox_worker_late_frames_ratio", "Share of the audio frames of the last minute sent late")
DRAIN_SECONDS: Final = Histogram(
    "vox_worker_drain_seconds",
    "From the start of a drain to the end of the last call",
    buckets=(1, 5, 15, 60, 180, 600, 1800, 3600),
)
DROPPED: Final = Counter("vox_worker_calls_dropped_total", "Calls cut before their end, by cause", ("cause",))
BOT_REQUESTS: Final = Counter(
    "vox_worker_bot_requests_total", "Bot configurations asked of the bridge, by outcome", ("outcome",)
)
RESULTS_WAITING: Final = Gauge("vox_worker_results_waiting", "Results on the disk that the bridge has not confirmed")
RESULTS_SENT: Final = Counter("vox_worker_results_total", "Results offered to the bridge, by outcome", ("outcome",))


def expose_idle(metrics: Metrics) -> None:
    """Has the series that alerts and autoscalers follow there from the start."""
    for gauge in (RESERVED, LIMIT, LOOP_LAG, LATE_FRAMES, RESULTS_WAITING):
        metrics.gauge(gauge)
    metrics.counter(RESERVATIONS_EXPIRED)
    for cause in ("restart", "failed"):
        metrics.counter(DROPPED, cause)
