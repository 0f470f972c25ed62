"""What a server of `voxcore_fleet` says about itself, and what that means as one worker. Pure."""

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from vox.errors import UsageError
from vox.fleet.dispatch.registry import Worker
from vox.protocols import fleet as wire

MAX_SERVERS: Final = 256
_Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class ReportedWorker(msgspec.Struct):
    """One worker of a server."""

    port: int = 0
    id: str = ""
    reserved: _Count = 0
    state: str = ""
    status: str = ""


class Report(msgspec.Struct):
    """What is read of `/health/fleet`; an original VoxCore has the first three and ports."""

    fleet_calls: _Count
    fleet_max: _Count
    fleet_available: _Count
    workers: list[ReportedWorker] = []
    source: str = ""


class Granted(msgspec.Struct):
    """The answer to a reservation."""

    reservation_id: wire.CallId
    token: str
    stream_url: str


_REPORT: Final = msgspec.json.Decoder(Report)
_GRANTED: Final = msgspec.json.Decoder(Granted)


def checked_urls(urls: Iterable[str]) -> tuple[str, ...]:
    """The list without repetitions and without slashes at the end.

    Raises:
        UsageError: `invalid_fleet_url`.
    """
    given = [url.strip() for url in urls]
    for url in given:
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address or "?" in url or "#" in url or "@" in url:
            raise UsageError(
                f"{url!r} in voxcore_fleet is not the address of a server.",
                code="invalid_fleet_url",
                hint="write http://HOST:PORT, or https://HOST",
            )
    found = tuple(dict.fromkeys(url.rstrip("/") for url in given))
    if len(found) > MAX_SERVERS:
        raise UsageError(
            f"voxcore_fleet has {len(found)} servers, {MAX_SERVERS} are allowed.",
            code="invalid_fleet_url",
            hint="let the workers register by themselves: set VOXBRIDGE_URL and VOX_WORKER_TOKEN there",
        )
    return found


def server_id(url: str) -> str:
    """The worker id of a server in the list, such as `static-10-0-0-2-8001-1f0c9a7e`."""
    parts = urlsplit(url)
    name = re.sub(r"[^a-z0-9]+", "-", f"{parts.netloc}{parts.path}".lower()).strip("-")
    return f"static-{name[:40]}-{blake2b(url.encode(), digest_size=4).hexdigest()}"


def read_report(body: bytes) -> Report:
    """What `/health/fleet` answered.

    Raises:
        msgspec.MsgspecError: something else.
    """
    return _REPORT.decode(body)


def read_granted(body: bytes) -> Granted:
    """What `POST /v1/reservations` answered.

    Raises:
        msgspec.MsgspecError: something else.
    """
    return _GRANTED.decode(body)


def status_of(report: Report) -> wire.Status:
    """A server's numbers as those of one worker; what is free is what the server says, whatever the sums are."""
    reserved = sum(worker.reserved for worker in report.workers)
    states = {worker.state for worker in report.workers if worker.status != "unreachable"}
    used = report.fleet_calls + reserved
    is_draining = bool(states) and states <= {wire.DRAINING, "handing_over"}
    limit = used + report.fleet_available
    return wire.Status(
        active=report.fleet_calls,
        reserved=reserved,
        max_calls=report.fleet_max,
        limit=limit,
        state=wire.DRAINING if is_draining else wire.READY if report.fleet_available else wire.FULL,
        load=used / max(limit, 1),
    )


def is_registered_otherwise(url: str, report: Report, workers: Iterable[Worker]) -> bool:
    """Whether any worker behind a server's URL has registered by itself."""
    if report.source == "bridge":
        return True
    host, port = _address(url)
    addresses = {(host, port), *((host, worker.port) for worker in report.workers)}
    names = {worker.id for worker in report.workers if worker.id}
    return any(
        worker.worker_id in names or _address(worker.url) in addresses
        for worker in workers
        if not (worker.is_static or worker.is_stale)
    )


def worker_origin(url: str, stream_url: str) -> str:
    """Where the very worker of a reservation is reached: the address of its stream, if that is on the same host as the server."""
    try:
        stream, server = urlsplit(stream_url), urlsplit(url)
        is_same_host = stream.hostname == server.hostname and stream.port is not None
    except ValueError:
        return url
    scheme = {"ws": "http", "wss": "https"}.get(stream.scheme)
    return f"{scheme}://{stream.netloc}" if is_same_host and scheme and "@" not in stream.netloc else url


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", 0
    return host, port
