"""The metrics of campaigns."""

from vox.runtime.metrics import Counter, Gauge

DECISIONS = Counter(
    "vox_campaign_decisions_total",
    "Decisions about recipients that were due, by verdict and reason",
    ("verdict", "reason"),
)
RUNNING = Gauge("vox_campaigns_running", "Campaigns that this bridge dials for")
SUSPENDED = Gauge(
    "vox_campaigns_suspended", "1 while nothing is dialled because the database, the leases or the fleet cannot be read"
)
OPEN_CALLS = Gauge("vox_campaign_calls_open", "Calls of campaigns that are not over")
ABANDONED = Counter("vox_campaign_calls_abandoned_total", "Calls that a person answered while no agent was free")
