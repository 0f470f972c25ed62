"""The relay's metrics."""

from typing import Final

from vox.runtime.metrics import Counter, Gauge, Histogram

REQUESTS: Final = Counter("vox_relay_requests_total", "HTTP requests, by route and status", ("route", "status"))
REQUEST_SECONDS: Final = Histogram("vox_relay_request_seconds", "Time to answer an HTTP request, by route", ("route",))
ROOMS: Final = Gauge("vox_relay_rooms", "Rooms that are open")
PARTICIPANTS: Final = Gauge("vox_relay_participants", "Participants in all rooms, agents and callers among them")
CAPACITY: Final = Gauge("vox_relay_capacity", "Participants that this relay is for")
LOAD: Final = Gauge("vox_relay_load", "The busiest media thread's share of its core, 0 to 1")
PEERS: Final = Gauge("vox_relay_peer_connections", "Peer connections that the engine holds")
PACKETS: Final = Gauge("vox_relay_packets", "Media packets since the start, by direction", ("direction",))
BYTES: Final = Gauge("vox_relay_bytes", "Bytes of media since the start, by direction", ("direction",))
LOST_EVENTS: Final = Gauge(
    "vox_relay_lost_events", "Events of the engine that signalling was too slow to take, since the start"
)
REFUSALS: Final = Counter(
    "vox_relay_refusals_total", "Joins, messages and data of clients that were refused, by error code", ("code",)
)
ROOM_EVENTS: Final = Counter("vox_relay_room_events_total", "What happened in rooms, by kind of event", ("event",))
AGENT_CALLS: Final = Counter(
    "vox_relay_agent_calls_total", "Agents that rooms sent for, by result: joined, failed or dropped", ("result",)
)
WEBHOOKS: Final = Counter(
    "vox_relay_webhooks_total", "Webhooks by what became of them: delivered, failed, dead or dropped", ("result",)
)
WEBHOOKS_WAITING: Final = Gauge("vox_relay_webhooks_waiting", "Webhooks that wait to be sent")
HEARTBEATS: Final = Counter("vox_relay_heartbeats_total", "Heartbeats to the directory, by result", ("result",))
ENROLLED: Final = Gauge("vox_relay_enrolled", "1 while the directory knows this relay, by its answers")
MOVED: Final = Counter("vox_relay_moved_total", "Participants that a drain sent to another relay")
TLS_EXPIRES: Final = Gauge(
    "vox_relay_tls_certificate_expires_timestamp_seconds", "Unix time at which the served certificate expires"
)
