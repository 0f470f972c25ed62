"""Metrics of agents and callers in voice rooms."""

from vox.runtime.metrics import Counter, Gauge

MEMBERS = Gauge("vox_agent_room_members", "Agents and telephone callers of this server in rooms, by kind", ("kind",))
JOINS = Counter(
    "vox_agent_room_joins_total",
    "Rooms that agents and callers entered or could not, by kind and outcome",
    ("kind", "outcome"),
)
CODES = Counter("vox_agent_room_codes_total", "Codes that telephone callers entered, by outcome", ("outcome",))
REPORTS_DROPPED = Counter(
    "vox_agent_room_reports_dropped_total",
    "Utterances that did not reach a room's text feed, because it did not answer",
)
