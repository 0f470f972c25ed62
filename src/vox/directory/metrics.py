"""The directory's metrics."""

from vox.runtime.metrics import Counter, Gauge, Histogram

RELAYS = Gauge("vox_directory_relays", "Registered relays, by state", ("state",))
RELAYS_LISTED = Gauge("vox_directory_relays_listed", "Relays that clients are told of at present")
RELAYS_BY_REGION = Gauge(
    "vox_directory_relays_by_region",
    "Registered relays, by region; `other` is what comes after 100 of them",
    ("region",),
)
HEARTBEAT_AGE = Gauge(
    "vox_directory_heartbeat_age_seconds",
    "Time since the last heartbeat of relays that send any: the median, and the one that is silent for longest",
    ("which",),
)
SNAPSHOT_AGE = Gauge(
    "vox_directory_snapshot_age_seconds", "Age of the signed list that was made last; 0 before the first one"
)
CONNECTIONS = Gauge("vox_directory_connections", "Connections on all relays, as they reported")
REQUESTS = Counter("vox_directory_requests_total", "HTTP requests, by route and status", ("route", "status"))
REQUEST_SECONDS = Histogram(
    "vox_directory_request_seconds",
    "Time to answer an HTTP request, by route",
    ("route",),
    (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0),
)
CHANGES = Counter(
    "vox_directory_changes_total", "Registrations, approvals, heartbeats, deletions and drains", ("kind",)
)
REFUSALS = Counter("vox_directory_refusals_total", "Requests refused, by error code", ("code",))
PROBES = Counter("vox_directory_probes_total", "Health probes, by result", ("result",))
PROBE_SECONDS = Histogram("vox_directory_probe_seconds", "Time a relay took to answer a probe that succeeded")
TRANSITIONS = Counter("vox_directory_transitions_total", "Changes of a relay's state", ("state",))
FAIL_STATIC = Gauge(
    "vox_directory_fail_static",
    "1 while so many relays fail at once that the directory doubts its own network and removes no relay",
)
SELECTIONS = Counter(
    "vox_directory_selections_total", "Relays chosen for clients, by how far rules had to be relaxed", ("relaxed",)
)
RTT_ERROR = Histogram(
    "vox_directory_rtt_error_ms",
    "How far the round trip that distance lets one expect is from what clients measured",
    (),
    (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0),
)
RTT_REPORTS = Counter(
    "vox_directory_rtt_reports_total", "Round trips that clients reported, by what became of them", ("result",)
)
SESSION_REPORTS = Counter(
    "vox_directory_session_reports_total", "Sessions that clients reported, by what became of it", ("result",)
)
CLIENT_HOLDS = Counter(
    "vox_directory_client_holds_total",
    "Relays of which clients said that sessions fail: held off the list, or spared because too few are left",
    ("result",),
)
UNWRITTEN = Gauge("vox_directory_unwritten_changes", "Heartbeats and probe results that wait for the database")
