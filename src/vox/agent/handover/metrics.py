"""The metrics of calls that change hands."""

from vox.runtime.metrics import Counter, Gauge, Histogram

HANDOVERS = Counter(
    "vox_agent_handovers_total",
    "Calls given to another process (`given`), taken from one (`taken`), whose line broke (`lost`), or that could not be moved (`failed`)",
    ("result",),
)
GAP_SECONDS = Histogram(
    "vox_agent_handover_gap_seconds",
    "From the last state of the process before to the line in this one",
    buckets=(0.05, 0.1, 0.15, 0.25, 0.5, 0.8, 1.5, 3, 10, 30),
)
KEPT = Gauge("vox_agent_calls_kept", "Calls whose state is kept, so that another process can go on with them")
