"""What the registry says about the whole fleet: workers, totals, `/health/fleet`, and the number that a cluster scales by. Pure.

The one thing to know: a number that is not known is never reported as zero. A cluster that reads zero takes workers away.
"""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from vox.fleet.dispatch.contract import FleetStatus, WorkerView
from vox.fleet.dispatch.registry import Worker

DEFAULT_BUFFER: Final = 1
"""Free slots that the autoscale signal asks for on top of what is in use."""


def fleet_status(workers: Iterable[Worker], now: float, *, is_settled: bool) -> FleetStatus:
    """The workers and their totals.

    Args:
        workers: all that are known.
        now: monotonic seconds.
        is_settled: whether workers that were there before this bridge started have had the time to register again.
    """
    known = sorted(workers, key=lambda worker: (worker.worker_id, -worker.generation))
    living = [worker for worker in known if not worker.is_stale]
    return FleetStatus(
        workers=tuple(_view(worker, now) for worker in known),
        active=sum(worker.active for worker in living),
        reserved=sum(worker.reserved + worker.unreported for worker in living),
        max_calls=sum(worker.max_calls for worker in living if not worker.is_superseded),
        available=sum(worker.free("inbound") for worker in living if worker.takes_calls),
        is_known=is_settled and (bool(living) or not known),
    )


def autoscale_signal(status: FleetStatus, *, queued_due: int, buffer: int = DEFAULT_BUFFER) -> int | None:
    """Slots that the fleet should have, or None while that is not known: the answer is then 503.

    Calls of workers that were lost a moment ago count as well, because they may still run.

    Args:
        status: of the fleet.
        queued_due: calls that wait for a worker now.
        buffer: free slots to keep.
    """
    if not status.is_known:
        return None
    lost = sum(worker.active + worker.reserved for worker in status.workers if worker.is_stale)
    return status.active + status.reserved + lost + queued_due + buffer


def health_fleet(status: FleetStatus) -> dict[str, Any]:
    """The body of `/health/fleet`: the documented fields, and `servers` with their stale flags beside them."""
    servers: dict[str, list[WorkerView]] = {}
    for worker in status.workers:
        servers.setdefault(_address(worker.url)[0] or worker.worker_id, []).append(worker)
    return {
        "status": "ok" if status.is_known else "unknown",
        "fleet_calls": status.active,
        "fleet_max": status.max_calls,
        "fleet_available": status.available,
        "workers": [_worker(worker) for worker in status.workers],
        "servers": [
            {
                "host": host,
                "calls": sum(one.active for one in found if not one.is_stale),
                "max": sum(one.max_calls for one in found if not one.is_stale),
                "workers": len(found),
                "stale": all(one.is_stale for one in found),
            }
            for host, found in servers.items()
        ],
    }


def _worker(worker: WorkerView) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": worker.worker_id,
        "port": _address(worker.url)[1],
        "calls": worker.active,
        "pid": worker.pid or None,
        "reserved": worker.reserved,
        "max": worker.max_calls,
        "limit": worker.limit,
        "state": worker.state,
        "region": worker.region,
        "generation": worker.generation,
        "version": worker.version,
        "url": worker.url,
        "age_s": round(worker.age_s, 1),
        "stale": worker.is_stale,
    }
    return shown | ({"status": "unreachable"} if worker.is_stale else {})


def _address(url: str) -> tuple[str, int | None]:
    """Host and port; empty and None for what is no address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", None
    return host, port


def _view(worker: Worker, now: float) -> WorkerView:
    return WorkerView(
        worker_id=worker.worker_id,
        url=worker.url,
        state="draining" if worker.is_superseded else worker.state,
        active=worker.active,
        reserved=worker.reserved + worker.unreported,
        max_calls=worker.max_calls,
        limit=worker.limit,
        region=worker.region,
        generation=worker.generation,
        version=worker.version,
        pid=worker.pid,
        is_static=worker.is_static,
        is_stale=worker.is_stale,
        age_s=max(now - worker.heard_at, 0.0),
        drain_left_s=None
        if worker.drain_left_s is None
        else max(0.0, worker.drain_left_s - max(now - worker.heard_at, 0.0)),
    )
