"""The routes that a call worker has beside those of its agent server, in the shapes that VoxCore's clients know.

`/health` is alive and cheap: it is answered from memory. Errors have the agent server's envelope, and `detail` for clients of VoxCore.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta

from vox.errors import VoxError
from vox.fleet.worker.access import HEADER, may_call
from vox.fleet.worker.fleet_totals import FleetTotals
from vox.fleet.worker.worker import Granted, Refused, Worker
from vox.http.call import HttpCall
from vox.http.edge import request_id
from vox.http.routing import Access, Reply, RouteTable
from vox.protocols.fleet import CallClass
from vox.runtime.logging import get_logger

A = TypeVar("A", bound=Access)

MAX_BODY_BYTES: Final = 262_144
MAX_DRAIN_S: Final = 7 * 86_400.0
_JSON: Final = {"content-type": "application/json"}
_log = get_logger(__name__)

_Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:-]+\Z")]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Short = Annotated[str, Meta(max_length=256)]


class ReservationWish(msgspec.Struct, rename={"call_class": "class"}):
    """The body of `POST /v1/reservations`."""

    call_id: _Id
    call_class: CallClass = "inbound"
    ttl_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    bot_id: Annotated[str, Meta(max_length=64)] = ""
    metadata: dict[str, Any] = {}


class Dispatch(msgspec.Struct):
    """The body of `POST /livekit/dispatch`."""

    room_name: _Name
    caller_number: _Short
    dialed_number: _Short
    call_id: _Short = ""


class DialOut(msgspec.Struct):
    """The body of `POST /livekit/dialout`."""

    bot_id: _Name
    to_number: _Name
    from_number: _Short = ""
    connected_event: dict[str, Any] = {}


class Attach(msgspec.Struct):
    """The body of `POST /attach`."""

    room_name: _Name
    bot_id: _Name
    to_number: _Short = ""
    from_number: _Short = ""
    config_url: Annotated[str, Meta(max_length=2048)] = ""
    connected_event: dict[str, Any] = {}
    campaign_call_id: _Short = ""


class Widget(msgspec.Struct):
    """The body of `POST /livekit/widget`."""

    bot_id: _Name
    room_name: _Short = ""


_WISH: Final = msgspec.json.Decoder(ReservationWish)
_ROOMS: Final[Mapping[str, tuple[msgspec.json.Decoder[Any], int, bool]]] = {
    "/livekit/dispatch": (msgspec.json.Decoder(Dispatch), 503, False),
    "/livekit/dialout": (msgspec.json.Decoder(DialOut), 503, True),
    "/attach": (msgspec.json.Decoder(Attach), 429, True),
    "/livekit/widget": (msgspec.json.Decoder(Widget), 503, False),
}
"""Body, status at capacity, and whether the secret is asked for also where VoxCore asks for none."""
NO_ROOMS: Final = (
    "This worker cannot join LiveKit rooms: connect the carrier's media stream to /v1/streams (POST /v1/reservations gives the"
    " address), the dialler to /ws/{bot_id}, a browser to /ws or /api/offer."
)


class WorkerRoutes(Generic[A]):
    """The routes of one worker.

    Args:
        worker: whose they are.
        totals: of the fleet.
        public: the access of probes.
        secret: the access of routes that ask for the shared secret.
    """

    def __init__(self, worker: Worker, totals: FleetTotals, *, public: A, secret: A) -> None:
        self._worker = worker
        self._totals = totals
        self._public = public
        self._secret = secret

    def table(self) -> RouteTable[A]:
        """All of them."""
        table, public, secret = RouteTable[A](), self._public, self._secret
        table.get("/health", access=public, returns=bytes, label="health")(self.health)
        table.get("/health/fleet", access=public, returns=bytes, label="health_fleet")(self.fleet)
        refusals = (400, 403, 409, 503)
        add = table.post(
            "/v1/reservations", access=secret, returns=bytes, label="reservations", status=201, errors=refusals
        )
        add(self.reserve)
        path = "/v1/reservations/{reservation}"
        table.put(path, access=secret, returns=bytes, label="reservations", errors=(403, 404))(self.renew)
        table.delete(path, access=secret, returns=bytes, label="reservations", errors=(403, 404))(self.release)
        table.post("/admin/drain", access=secret, returns=bytes, label="drain", errors=(400, 403))(self.drain)
        for room, (_, busy, _) in _ROOMS.items():
            errors = tuple(sorted({400, 403, busy, 501, 503}))
            table.post(room, access=secret, returns=bytes, label="rooms", errors=errors)(self.join_room)
        return table.grouped("worker")

    async def health(self, call: HttpCall) -> Reply:
        """This worker's numbers, and those of the fleet that were last heard."""
        worker = self._worker
        status, totals = worker.status(), self._totals.now()
        body = {
            "status": "ok",
            "worker_calls": status.active,
            "worker_max": status.max_calls,
            "total_capacity": totals.capacity,
            "total_available": totals.available,
            "workers": worker.settings.workers,
            "worker_port": worker.port,
            "worker_pid": os.getpid(),
            "worker_id": worker.worker_id,
            "state": status.state,
            "generation": worker.generation,
            "version": worker.version,
            "uptime_s": round(worker.uptime_s, 1),
            "reserved": status.reserved,
            "limit": status.limit,
            "draining_since": worker.draining_since,
            "drain_deadline": worker.drain_deadline,
            "loop_lag_p95_ms": status.loop_lag_p95_ms,
            "late_frames_pct": status.late_frames_pct,
            "adaptive_limit": status.adaptive_limit,
            "next_free_s": status.next_free_s,
            "data": {"status": "ok"},
            "meta": {"requestId": request_id(call.scope)},
        }
        return _json(200, body)

    async def fleet(self, call: HttpCall) -> Reply:
        """The numbers of all workers, or with `?scope=server` of those of this machine; those that do not answer are named."""
        return _json(200, await self._totals.report(is_server_only=call.query_params.get("scope") == "server"))

    async def reserve(self, call: HttpCall) -> Reply:
        """Promises a slot to a call that has no media yet."""
        if (refused := self._stranger(call)) is not None:
            return refused
        wish = await self._body(call, _WISH)
        if isinstance(wish, Reply):
            return wish
        worker = self._worker
        answer = worker.reserve(
            wish.call_id, wish.call_class, ttl_s=wish.ttl_s, bot_id=wish.bot_id, metadata=wish.metadata
        )
        if isinstance(answer, Refused):
            return _refused(call, answer, 409 if answer.code == "CALL_EXISTS" else 503)
        return _json(201, self._granted(answer))

    async def renew(self, call: HttpCall) -> Reply:
        """Keeps a reservation for another 30 seconds."""
        if (refused := self._stranger(call)) is not None:
            return refused
        left_s = self._worker.renew(call.path["reservation"])
        if left_s is None:
            return _error(call, 404, "NOT_FOUND", "There is no such reservation (any more)")
        return _json(200, {"reservation_id": call.path["reservation"], "expires_in_s": round(left_s, 1)})

    async def release(self, call: HttpCall) -> Reply:
        """Frees a slot that no media has taken."""
        if (refused := self._stranger(call)) is not None:
            return refused
        if not self._worker.release(call.path["reservation"]):
            return _error(call, 404, "NOT_FOUND", "There is no such reservation, or its call runs")
        return Reply(204)

    async def drain(self, call: HttpCall) -> Reply:
        """Takes no further calls; those that run go on until they end or the deadline passes."""
        if (refused := self._stranger(call)) is not None:
            return refused
        text = call.query_params.get("deadline", "")
        try:
            deadline_s = float(text) if text else None
        except ValueError:
            deadline_s = -1.0
        if deadline_s is not None and not 0 <= deadline_s <= MAX_DRAIN_S:
            return _error(call, 400, "BAD_REQUEST", f"deadline is a number of seconds from 0 to {MAX_DRAIN_S:.0f}")
        worker = self._worker
        _log.info("drain asked for", deadline_s=deadline_s)
        worker.drain(deadline_s)
        body = {"state": worker.state, "calls": worker.calls.active, "drain_deadline": worker.drain_deadline}
        return _json(202, body)

    async def join_room(self, call: HttpCall) -> Reply:
        """Joins a call that is in a LiveKit room."""
        decoder, busy_status, is_secret = _ROOMS[call.route.template]
        if (is_secret or self._worker.settings.secrets) and (refused := self._stranger(call)) is not None:
            return refused
        body = await self._body(call, decoder)
        if isinstance(body, Reply):
            return body
        status = self._worker.status()
        if not status.free:
            refusal = self._worker.at_capacity()
            return _refused(call, refusal, busy_status, "At capacity" if busy_status == 429 else "")  # noqa: PLR2004  VoxCore's answer
        return _error(call, 501, "NOT_IMPLEMENTED", NO_ROOMS)

    def _granted(self, answer: Granted) -> dict[str, Any]:
        return {
            "reservation_id": answer.reservation_id,
            "token": answer.token,
            "expires_in_s": answer.expires_in_s,
            "stream_url": answer.stream_url,
            "worker": {"id": self._worker.worker_id, "generation": self._worker.generation},
        }

    def _stranger(self, call: HttpCall) -> Reply | None:
        """The refusal of a request that may not pass."""
        settings = self._worker.settings
        headers = call.headers
        if may_call(settings.secrets, headers.get(HEADER, ""), client=call.client, host=headers.get("host", "")):
            return None
        remedy = (
            "send it as X-VoxCore-Secret" if settings.secrets else "set VOXCORE_SECRET to open it to other machines"
        )
        return _error(call, 403, "FORBIDDEN", f"This route needs the shared secret: {remedy}")

    async def _body(self, call: HttpCall, decoder: "msgspec.json.Decoder[Any]") -> Any:
        try:
            return decoder.decode(await call.read_body(MAX_BODY_BYTES))
        except msgspec.ValidationError as error:
            return _error(call, 400, "BAD_REQUEST", f"The body is wrong: {error}")
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return _error(call, 400, "BAD_REQUEST", "The body is not a JSON object")
        except VoxError as error:
            return _error(call, 400, "BAD_REQUEST", str(error))


def _refused(call: HttpCall, refusal: Refused, status: int, message: str = "") -> Reply:
    headers = {"retry-after": str(refusal.retry_after_s)}
    return _error(call, status, refusal.code, message or refusal.message, headers)


def _error(call: HttpCall, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """The error envelope, with the `detail` that clients of VoxCore look for."""
    body = {
        "error": {"code": code, "message": message, "requestId": request_id(call.scope)},
        "detail": message,
    }
    return Reply(status, msgspec.json.encode(body), {**_JSON, **(headers or {})})


def _json(status: int, body: Mapping[str, Any]) -> Reply:
    return Reply(status, msgspec.json.encode(body) + b"\n", _JSON)
