"""The metrics of the bridge's HTTP."""

from vox.runtime.metrics import Counter, Histogram

REQUESTS = Counter("vox_bridge_requests_total", "HTTP requests, by route and status", ("route", "status"))
REQUEST_SECONDS = Histogram("vox_bridge_request_seconds", "Time to answer an HTTP request, by route", ("route",))
