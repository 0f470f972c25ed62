"""The directory's HTTP, except for the list, which `vox.directory.app` answers before any routing.

Handlers parse, ask the gate, ask the directory, answer.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from vox.directory.api.administration import Administration
from vox.directory.api.openapi import describe_api
from vox.directory.api.requests import body_of, relay_id_of
from vox.directory.api.responses import PUBLIC, error_response, json_response
from vox.directory.errors import invalid
from vox.directory.health.state_machine import DrainEnded, DrainRequested
from vox.directory.metrics import REFUSALS, RTT_REPORTS, SESSION_REPORTS
from vox.directory.registration.access import Caller, peer_of
from vox.directory.relays.change_stream import ChangeStream
from vox.directory.relays.long_poll import INDEX_HEADER
from vox.directory.relays.relay import Relay, iso, status_form, whole_form
from vox.directory.schemas import (
    Draining,
    Heartbeat,
    KeyChange,
    Registration,
    RttReports,
    SessionReportList,
    plan_query,
    read_body,
    selection_query,
    wait_query,
)
from vox.directory.server import Directory
from vox.errors import VoxError
from vox.protocols.relay_directory import key_change_message
from vox.runtime.health import Checks
from vox.runtime.metrics import CONTENT_TYPE
from vox.security import http_signatures as signed_requests
from vox.security.digests import verify_ed25519

PAGE = Path(__file__).parent / "page"
PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
}


def make_routes(directory: Directory, checks: Checks) -> list[BaseRoute]:
    """All routes but the list."""
    public, changes = _Public(directory, checks), _Changes(directory)
    administration = Administration(directory)
    return [
        Route("/_health", public.health, methods=["GET", "HEAD"]),
        Route("/ready", public.ready, methods=["GET", "HEAD"]),
        Route("/metrics", public.metrics),
        Route("/", public.page, methods=["GET", "HEAD"]),
        Route("/page/{name}", public.asset),
        Route("/v1/events", public.events),
        Route("/openapi.json", public.openapi),
        Route("/v1/directory", public.snapshot),
        Route("/v1/relays/select", public.select),
        Route("/api/relay/select", public.select),
        Route("/v1/relays/probe-plan", public.plan),
        Route("/v1/rtt-reports", changes.report_rtts, methods=["POST"]),
        Route("/v1/session-reports", changes.report_sessions, methods=["POST"]),
        Route("/v1/relays/register", changes.register, methods=["POST"]),
        Route("/v1/join-tokens", administration.create_token, methods=["POST"]),
        Route("/v1/join-tokens", administration.tokens),
        Route("/v1/join-tokens/{token_id}", administration.delete_token, methods=["DELETE"]),
        Route("/v1/relays/waiting", administration.waiting),
        Route("/v1/relays/{id}/approve", administration.approve, methods=["POST"]),
        Route("/v1/relays/{id}/refuse", administration.refuse, methods=["POST"]),
        Route("/v1/relays/{id}/status", public.status),
        Route("/v1/relays/{id}/heartbeat", changes.heartbeat, methods=["POST"]),
        Route("/v1/relays/{id}/drain", changes.drain, methods=["POST"]),
        Route("/v1/relays/{id}/key", changes.change_key, methods=["POST"]),
        Route("/v1/relays/{id}", changes.delete, methods=["DELETE"]),
    ]


class _Public:
    def __init__(self, directory: Directory, checks: Checks) -> None:
        self._directory = directory
        self._checks = checks
        self._stream = ChangeStream(directory.registry, directory.lifecycle, self._moving)

    def _moving(self, relay: Relay) -> dict[str, Any]:
        other = self._directory.selector.replacement(relay)
        out = _drain_form(self._directory, relay) or {"reason": "", "until": None}
        replacement = {"id": other.id, "url": other.url} if other is not None else None
        return {
            "id": relay.id,
            "reason": out["reason"],
            "until": out["until"],
            "replacement": replacement,
        }

    async def page(self, request: Request) -> Response:
        return FileResponse(PAGE / "index.html", headers={"cache-control": "no-cache", **PAGE_HEADERS})

    async def asset(self, request: Request) -> Response:
        path = PAGE / Path(request.path_params["name"]).name
        if path.name == "index.html" or not path.is_file():
            return json_response({"error": "Not found", "code": "NOT_FOUND"}, 404)
        return FileResponse(path, headers={"cache-control": "no-cache", **PAGE_HEADERS})

    async def events(self, request: Request) -> Response:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._stream.listen(peer_of(request)), headers=headers, media_type="text/event-stream")

    async def health(self, request: Request) -> Response:
        now = self._directory.clock.wall()
        return json_response({"status": "ok", "timestamp": iso(now)})

    async def ready(self, request: Request) -> Response:
        lifecycle = self._directory.lifecycle
        if not lifecycle.is_accepting:
            headers = {"retry-after": f"{lifecycle.retry_after_s:.0f}"}
            return json_response({"status": lifecycle.state.value, "checks": {}}, 503, headers)
        found = await self._checks.run()
        is_ready = all(why is None for why in found.values())
        body = {
            "status": "ok" if is_ready else "unavailable",
            "checks": {name: why or "ok" for name, why in found.items()},
        }
        return json_response(body, 200 if is_ready else 503)

    async def metrics(self, request: Request) -> Response:
        self._directory.measure()
        return Response(self._directory.metrics.render(), headers={"content-type": CONTENT_TYPE})

    async def status(self, request: Request) -> Response:
        relay = await self._directory.registration.find(relay_id_of(request))
        return json_response(_status(self._directory, relay), headers={"cache-control": "no-cache", **PUBLIC})

    async def select(self, request: Request) -> Response:
        directory = self._directory
        learned_ms = directory.round_trips.learned(peer_of(request), directory.clock.now())
        draw = directory.random.getrandbits(64)
        wanted, policy, explain = selection_query(request.scope["query_string"], draw, learned_ms)
        body = directory.selector.choose(wanted, policy, explain=explain)
        return json_response(body, headers={"cache-control": "no-store", **PUBLIC})

    async def plan(self, request: Request) -> Response:
        place, home = plan_query(request.scope["query_string"])
        body = self._directory.selector.plan(place, home)
        return json_response(body, headers={"cache-control": "no-store", **PUBLIC})

    async def snapshot(self, request: Request) -> Response:
        directory, wait = self._directory, wait_query(request.scope["query_string"])
        press, long_poll = directory.list_signer, directory.long_poll
        body = press.answer(directory.registry.listed(), long_poll.index)
        if wait is not None and wait.index == press.index:
            await long_poll.beyond(
                wait.index,
                wait.seconds,
                peer_of(request),
                request.receive,
                settled_in_s=lambda: press.renewed_in_s,
            )
            body = press.answer(directory.registry.listed(), long_poll.index)
        tag = f'"{press.serial}"'
        headers = {"etag": tag, "cache-control": "public, max-age=60, stale-if-error=86400", **PUBLIC}
        if wait is not None:
            name = INDEX_HEADER.decode()
            headers |= {"cache-control": "no-store", name: str(press.index), "access-control-expose-headers": name}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    async def openapi(self, request: Request) -> Response:
        return json_response(describe_api(), headers={"cache-control": "public, max-age=300", **PUBLIC})


class _Changes:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def register(self, request: Request) -> Response:
        body = await self._body(request)
        wanted = read_body(Registration, body)
        if wanted.signing_key:
            signed_requests.fingerprint(wanted.signing_key)  # raises for what is no key
        caller = self._directory.authorizer.authorize(request, body, None, wanted.signing_key)
        directory = self._directory
        await directory.registration.check_nonce(caller)
        if directory.registry.at_url(wanted.url) is not None:  # a known address says nothing new, and probes check it
            relay, is_new = await directory.registration.register(wanted, caller)
            return json_response(whole_form(relay), 201 if is_new else 200)
        await directory.registration.check_enrolment(wanted, caller)
        address = await directory.check_address(wanted.url)
        if not caller.is_admin:
            directory.addresses.claim(wanted.url, address)
        try:
            relay, is_new = await directory.registration.register(wanted, caller)
        finally:
            directory.addresses.settle(wanted.url)
        return json_response(whole_form(relay), 201 if is_new else 200)

    async def heartbeat(self, request: Request) -> Response:
        body = await self._body(request)
        relay = await self._admitted(request, body)
        beat = read_body(Heartbeat, body) if body.strip() else Heartbeat()
        directory = self._directory
        directory.registration.heartbeat(relay, beat)
        every_ms = directory.settings.health_check.interval_ms
        answer = {
            "status": "ok",
            "ttl_ms": 3 * (beat.interval_ms or every_ms),
            "next_heartbeat_ms": beat.interval_ms or every_ms // 2,
            "directory_revision": directory.registry.revision,
        }
        drain = directory.health.of(relay.id).drain
        if drain is not None and drain.by == "operator":
            answer["command"] = "drain"
        return json_response(answer)

    async def drain(self, request: Request) -> Response:
        body = await self._body(request)
        relay = await self._admitted(request, body)
        wanted = read_body(Draining, body) if body.strip() else Draining()
        until = wanted.until.timestamp() if wanted.until is not None else None
        if until is not None and until <= self._directory.health.now():
            raise invalid("until", "must be in the future", "too_small")
        asked = DrainRequested("operator", wanted.reason, until, wanted.maintenance)
        changed = await self._directory.registration.drain(relay, asked if wanted.draining else DrainEnded())
        return json_response(_status(self._directory, changed))

    async def change_key(self, request: Request) -> Response:
        body = await self._body(request)
        relay = await self._admitted(request, body)
        wanted = read_body(KeyChange, body)
        signed_requests.fingerprint(wanted.signing_key)  # raises for what is no key
        verify_ed25519(wanted.signing_key, wanted.proof, key_change_message(relay.id, wanted.signing_key))
        return json_response(whole_form(await self._directory.registration.replace_key(relay, wanted.signing_key)))

    async def report_rtts(self, request: Request) -> Response:
        directory = self._directory
        body = await self._body(request)
        now, peer, accepted = directory.clock.now(), peer_of(request), 0
        for one in read_body(RttReports, body).rtts:
            is_known = directory.registry.is_listed(one.relay_id)
            directory.metrics.counter(RTT_REPORTS, "noted" if is_known else "unknown_relay").inc()
            if is_known:
                directory.round_trips.note(peer, one.relay_id, one.rtt_ms, now)
                accepted += 1
        return json_response({"status": "ok", "accepted": accepted}, headers={"cache-control": "no-store", **PUBLIC})

    async def report_sessions(self, request: Request) -> Response:
        directory = self._directory
        body = await self._body(request)
        peer, accepted = peer_of(request), 0
        for one in read_body(SessionReportList, body).sessions:
            is_listed = directory.registry.is_listed(one.relay_id)
            directory.metrics.counter(SESSION_REPORTS, "noted" if is_listed else "unknown_relay").inc()
            if is_listed:
                directory.failure_holds.note(peer, one.relay_id, has_failed=one.failed)
                accepted += 1
        return json_response({"status": "ok", "accepted": accepted}, headers={"cache-control": "no-store", **PUBLIC})

    async def delete(self, request: Request) -> Response:
        body = await self._body(request)
        relay = await self._admitted(request, body)
        await self._directory.registration.delete(relay, force=request.query_params.get("force") == "1")
        return json_response({"status": "deleted"})

    async def _body(self, request: Request) -> bytes:
        return await body_of(self._directory, request)

    async def _admitted(self, request: Request, body: bytes) -> Relay:
        relay = await self._directory.registration.find(relay_id_of(request))
        caller: Caller = self._directory.authorizer.authorize(request, body, relay)
        await self._directory.registration.check_nonce(caller)
        return self._directory.registration.require(relay.id)


def refusal(directory: Directory, error: VoxError) -> Response:
    """The answer to a request that was refused, and its count."""
    directory.metrics.counter(REFUSALS, error.code).inc()
    return error_response(error)


def _status(directory: Directory, relay: Relay) -> dict[str, Any]:
    """The documented status, and why and until when the relay is out where it is."""
    body, drain = status_form(relay), _drain_form(directory, relay)
    if drain is not None:
        body["drain"] = drain
    held_until = directory.failure_holds.held_until(relay.id)
    if held_until is not None:
        body["held_until"] = iso(datetime.fromtimestamp(held_until, UTC))
    return body


def _drain_form(directory: Directory, relay: Relay) -> dict[str, Any] | None:
    drain = directory.health.of(relay.id).drain
    if drain is None:
        return None
    until = iso(datetime.fromtimestamp(drain.until, UTC)) if drain.until is not None else None
    return {"by": drain.by, "reason": drain.reason, "until": until, "maintenance": drain.is_maintenance}
