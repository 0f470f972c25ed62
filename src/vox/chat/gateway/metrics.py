"""What the gateway counts."""

from vox.runtime.metrics import Counter, Gauge

SESSIONS = Gauge("vox_gateway_sessions", "Sessions with a connection")
CONNECTIONS = Gauge("vox_gateway_connections", "Gateway sockets, also those that have not identified yet")
DELIVERIES = Counter("vox_gateway_deliveries_total", "Events written to sessions")
DROPPED = Counter("vox_gateway_dropped_total", "Typing and presence events that slow readers missed")
RESUMES = Counter("vox_gateway_resumes_total", "Attempts to resume a session, by outcome", ("outcome",))
FAILURES = Counter(
    "vox_gateway_failures_total",
    "Changes whose events could not be applied or delivered, so that all clients began anew",
)
CLOSED = Counter("vox_gateway_closed_total", "Connections the gateway closed, by close code", ("code",))
BACKLOG = Gauge("vox_gateway_backlog_bytes", "Bytes that wait for slow readers")
ONLINE = Gauge("vox_gateway_users_online", "Users shown as online, in all processes")
