"""The metrics of outbound calls."""

from vox.runtime.metrics import Counter, Gauge, Histogram

CALLS = Counter("vox_bridge_calls_total", "Outbound calls that ended, by provider and outcome", ("provider", "outcome"))
CALLS_OPEN = Gauge("vox_bridge_calls_open", "Outbound calls that have not ended, by status", ("status",))
DIALS = Counter(
    "vox_bridge_dials_total",
    "Requests to dial, by provider and what came of it: accepted, refused, rate_limited or uncertain",
    ("provider", "result"),
)
DIAL_SECONDS = Histogram("vox_bridge_dial_seconds", "Time a provider took to take a call", ("provider",))
PLACEMENTS = Counter("vox_bridge_placements_total", "Requests for a worker's slot, by what came of it", ("result",))
CALLBACKS = Counter(
    "vox_bridge_callbacks_total",
    "Carriers' callbacks, by provider and what came of it: applied, late, unknown, refused or ignored",
    ("provider", "result"),
)
RECONCILED = Counter(
    "vox_bridge_reconciled_total",
    "Calls whose state was asked from the provider, by what was found: found, not_found or unreachable",
    ("provider", "result"),
)
WEBHOOKS = Counter(
    "vox_bridge_webhooks_total", "Events sent to webhooks, by result: delivered, failed or dead", ("result",)
)
WEBHOOKS_WAITING = Gauge("vox_bridge_webhooks_waiting", "Events that wait to be sent")
