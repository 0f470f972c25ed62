"""The directory's HTTP, except for the list, which `vox.directory.app` answers before any routing.

Handlers parse, ask the authorizer, ask the directory, answer.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.responses import Response, StreamingResponse

from vox.directory.api import answers
from vox.directory.api.administration import administration_routes
from vox.directory.api.policy import OWNER, PUBLIC, REPORT, Access, DirectoryCall
from vox.directory.api.responses import json_reply, not_found
from vox.directory.errors import invalid
from vox.directory.health.state_machine import DrainEnded, DrainRequested
from vox.directory.metrics import RTT_REPORTS, SESSION_REPORTS
from vox.directory.registration.access import Caller
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
from vox.http.cors import ANY_ORIGIN
from vox.http.header_values import etag_matches
from vox.http.probes import Readiness, ReadinessProbe, ready_endpoint
from vox.http.routing import Reply, RouteTable
from vox.http.static_files import StaticFolder
from vox.protocols.relay_directory import key_change_message
from vox.runtime.metrics import CONTENT_TYPE
from vox.security import http_signatures as signed_requests
from vox.security.addresses import network_key
from vox.security.digests import verify_ed25519

PAGE = Path(__file__).parent / "page"
PAGE_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
BARE = {"returns": bytes, "is_documented": False}


def make_routes(directory: Directory, probe: ReadinessProbe) -> list[RouteTable[Access]]:
    """All routes but the list."""
    public, changes = _Public(directory), _Changes(directory)
    table = RouteTable[Access]()
    table.get("/_health", access=PUBLIC, returns=answers.HEALTH, label="health", operation="health")(public.health)
    table.get("/ready", access=PUBLIC, label="ready", **BARE)(ready_endpoint(probe, _probe_reply))
    table.get("/metrics", access=PUBLIC, label="metrics", **BARE)(public.metrics)
    table.get("/", access=PUBLIC, label="page", **BARE)(public.page)
    table.get("/page/{name}", access=PUBLIC, label="other", **BARE)(public.asset)
    table.get("/v1/events", access=PUBLIC, label="other", **BARE)(public.events)
    table.get(
        "/v1/directory",
        access=PUBLIC,
        query=answers.WAIT_QUERY,
        returns=answers.SNAPSHOT,
        errors=(400, 503),
        label="other",
        operation="snapshot",
    )(public.snapshot)
    select: dict[str, Any] = {
        "access": PUBLIC,
        "query": answers.SELECTION_QUERY,
        "returns": answers.SELECTION,
        "errors": (400, 503),
        "operation": "selectRelay",
    }
    table.get("/v1/relays/select", label="select", **select)(public.select)
    table.get("/api/relay/select", label="other", is_documented=False, **select)(public.select)
    table.get(
        "/v1/relays/probe-plan",
        access=PUBLIC,
        query=answers.PLAN_QUERY,
        returns=answers.PLAN,
        errors=(400,),
        label="probe-plan",
        operation="probePlan",
    )(public.plan)
    table.get(
        "/v1/relays/{id}/status",
        access=PUBLIC,
        returns=answers.STATUS,
        errors=(400, 404),
        label="status",
        operation="relayStatus",
    )(public.status)
    _add_changes(table, changes)
    return [table.grouped("directory"), administration_routes(directory).grouped("directory")]


def list_route() -> RouteTable[Access]:
    """The row of the list, which is answered before any routing, for the API description."""
    table = RouteTable[Access]()

    async def relays(_call: DirectoryCall) -> Reply:
        """Healthy relays, nearest first."""
        return not_found()

    table.get(
        "/v1/relays",
        access=PUBLIC,
        query=answers.LIST_QUERY,
        returns=answers.RELAY_LIST,
        errors=(400, 503),
        label="list",
        operation="listRelays",
    )(relays)
    return table


def _add_changes(table: RouteTable[Access], changes: "_Changes") -> None:
    reports: dict[str, Any] = {"access": REPORT, "returns": answers.ACCEPTED, "is_raw": True, "errors": (400, 429)}
    table.post("/v1/rtt-reports", body=RttReports, label="rtt-reports", operation="reportRtts", **reports)(
        changes.report_rtts
    )
    table.post(
        "/v1/session-reports", body=SessionReportList, label="session-reports", operation="reportSessions", **reports
    )(changes.report_sessions)
    change: dict[str, Any] = {"access": OWNER, "is_raw": True, "errors": answers.CHANGE_ERRORS}
    table.post(
        "/v1/relays/register",
        body=Registration,
        returns=answers.REGISTERED,
        also=(201,),
        label="register",
        operation="registerRelay",
        **change,
    )(changes.register)
    table.post(
        "/v1/relays/{id}/heartbeat",
        body=Heartbeat,
        returns=answers.HEARD,
        label="heartbeat",
        operation="heartbeat",
        **change,
    )(changes.heartbeat)
    table.post(
        "/v1/relays/{id}/drain",
        body=Draining,
        returns=answers.STATUS,
        label="drain",
        operation="drainRelay",
        **change,
    )(changes.drain)
    table.post(
        "/v1/relays/{id}/key",
        body=KeyChange,
        returns=answers.REGISTERED,
        label="key",
        operation="changeKey",
        **change,
    )(changes.change_key)
    removal: dict[str, Any] = {**change, "errors": (*answers.CHANGE_ERRORS, 409)}
    table.delete(
        "/v1/relays/{id}",
        body=bytes,
        returns=answers.DONE,
        label="relay",
        operation="unregisterRelay",
        **removal,
    )(changes.delete)


class _Public:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._files = StaticFolder(PAGE)
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

    async def page(self, call: DirectoryCall) -> Response:
        """The operators' page."""
        return self._files.page(PAGE_POLICY)

    async def asset(self, call: DirectoryCall) -> Reply | Response:
        """A file of the page."""
        return self._files.asset(call.path["name"], PAGE_POLICY) or not_found()

    async def events(self, call: DirectoryCall) -> Response:
        """Changes of the list, as server-sent events."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(
            self._stream.listen(network_key(call.client)), headers=headers, media_type="text/event-stream"
        )

    async def health(self, call: DirectoryCall) -> Reply:
        """Whether the directory lives."""
        now = self._directory.clock.wall()
        return json_reply({"status": "ok", "timestamp": iso(now)})

    async def metrics(self, call: DirectoryCall) -> Reply:
        """The counters in Prometheus' text format."""
        self._directory.measure()
        return Reply(200, self._directory.metrics.render(), {"content-type": CONTENT_TYPE})

    async def status(self, call: DirectoryCall) -> Reply:
        """One relay."""
        relay = await self._directory.registration.find(call.relay_id)
        return json_reply(_status(self._directory, relay), headers={"cache-control": "no-cache", **ANY_ORIGIN})

    async def select(self, call: DirectoryCall) -> Reply:
        """One relay and two to fall back on."""
        directory = self._directory
        learned_ms = directory.round_trips.learned(call.client, directory.clock.now())
        draw = directory.random.getrandbits(64)
        requested, policy, explain = selection_query(call.scope["query_string"], draw, learned_ms)
        body = directory.selector.choose(requested, policy, explain=explain)
        return json_reply(body, headers={"cache-control": "no-store", **ANY_ORIGIN})

    async def plan(self, call: DirectoryCall) -> Reply:
        """Which relays a client should measure."""
        place, home = plan_query(call.scope["query_string"])
        body = self._directory.selector.plan(place, home)
        return json_reply(body, headers={"cache-control": "no-store", **ANY_ORIGIN})

    async def snapshot(self, call: DirectoryCall) -> Reply:
        """The signed list."""
        directory, wait = self._directory, wait_query(call.scope["query_string"])
        press, long_poll = directory.list_signer, directory.long_poll
        body = press.answer(directory.registry.listed(), long_poll.index)
        if wait is not None and wait.index == press.index:
            await long_poll.beyond(
                wait.index,
                wait.seconds,
                network_key(call.client),
                call.receive,
                settled_in_s=lambda: press.renewed_in_s,
            )
            body = press.answer(directory.registry.listed(), long_poll.index)
        tag = f'"{press.serial}"'
        headers = {"etag": tag, "cache-control": "public, max-age=60, stale-if-error=86400", **ANY_ORIGIN}
        if wait is not None:
            name = INDEX_HEADER.decode()
            headers |= {"cache-control": "no-store", name: str(press.index), "access-control-expose-headers": name}
        if etag_matches(call.headers.get("if-none-match", ""), tag):
            return Reply(304, headers=headers)
        return Reply(200, body, {**headers, "content-type": "application/json"})


class _Changes:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def register(self, call: DirectoryCall) -> Reply:
        """Add or renew a relay."""
        body = call.body
        requested = read_body(Registration, body)
        if requested.signing_key:
            signed_requests.fingerprint(requested.signing_key)  # raises for what is no key
        caller = self._directory.authorizer.authorize(call, body, None, requested.signing_key)
        directory = self._directory
        await directory.registration.check_nonce(caller)
        if (
            directory.registry.at_url(requested.url) is not None
        ):  # a known address says nothing new, and probes check it
            relay, is_new = await directory.registration.register(requested, caller)
            return json_reply(whole_form(relay), 201 if is_new else 200)
        await directory.registration.check_enrolment(requested, caller)
        address = await directory.check_address(requested.url, tells_why=caller.is_admin)
        if not caller.is_admin:
            directory.addresses.claim(requested.url, address)
        try:
            relay, is_new = await directory.registration.register(requested, caller)
        finally:
            directory.addresses.settle(requested.url)
        return json_reply(whole_form(relay), 201 if is_new else 200)

    async def heartbeat(self, call: DirectoryCall) -> Reply:
        """A sign of life, with load."""
        body = call.body
        relay = await self._authorized(call)
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
        return json_reply(answer)

    async def drain(self, call: DirectoryCall) -> Reply:
        """Take a relay out of lists, or put it back."""
        body = call.body
        relay = await self._authorized(call)
        requested = read_body(Draining, body) if body.strip() else Draining()
        until = requested.until.timestamp() if requested.until is not None else None
        if until is not None and until <= self._directory.health.now():
            raise invalid("until", "must be in the future", "too_small")
        asked = DrainRequested("operator", requested.reason, until, requested.maintenance)
        changed = await self._directory.registration.drain(relay, asked if requested.draining else DrainEnded())
        return json_reply(_status(self._directory, changed))

    async def change_key(self, call: DirectoryCall) -> Reply:
        """Pin another key, in the name of the old one."""
        body = call.body
        relay = await self._authorized(call)
        requested = read_body(KeyChange, body)
        signed_requests.fingerprint(requested.signing_key)  # raises for what is no key
        verify_ed25519(requested.signing_key, requested.proof, key_change_message(relay.id, requested.signing_key))
        return json_reply(whole_form(await self._directory.registration.replace_key(relay, requested.signing_key)))

    async def report_rtts(self, call: DirectoryCall) -> Reply:
        """Round trips that a client measured."""
        directory = self._directory
        body = call.body
        now, peer, accepted = directory.clock.now(), call.client, 0
        for one in read_body(RttReports, body).rtts:
            is_known = directory.registry.is_listed(one.relay_id)
            directory.metrics.counter(RTT_REPORTS, "noted" if is_known else "unknown_relay").inc()
            if is_known:
                directory.round_trips.note(peer, one.relay_id, one.rtt_ms, now)
                accepted += 1
        return json_reply({"status": "ok", "accepted": accepted}, headers={"cache-control": "no-store", **ANY_ORIGIN})

    async def report_sessions(self, call: DirectoryCall) -> Reply:
        """Sessions that a client had on relays, or failed to have."""
        directory = self._directory
        body = call.body
        peer, accepted = call.client, 0
        for one in read_body(SessionReportList, body).sessions:
            is_listed = directory.registry.is_listed(one.relay_id)
            directory.metrics.counter(SESSION_REPORTS, "noted" if is_listed else "unknown_relay").inc()
            if is_listed:
                directory.failure_holds.note(peer, one.relay_id, has_failed=one.failed)
                accepted += 1
        return json_reply({"status": "ok", "accepted": accepted}, headers={"cache-control": "no-store", **ANY_ORIGIN})

    async def delete(self, call: DirectoryCall) -> Reply:
        """Forget a relay."""
        relay = await self._authorized(call)
        await self._directory.registration.delete(relay, force=call.query_params.get("force") == "1")
        return json_reply({"status": "deleted"})

    async def _authorized(self, call: DirectoryCall) -> Relay:
        relay = await self._directory.registration.find(call.relay_id)
        caller: Caller = self._directory.authorizer.authorize(call, call.body, relay)
        await self._directory.registration.check_nonce(caller)
        return self._directory.registration.require(relay.id)


def _probe_reply(_call: DirectoryCall, found: Readiness) -> Reply:
    if found.retry_after_s is not None:
        headers = {"retry-after": f"{found.retry_after_s:.0f}"}
        return json_reply({"status": found.state.value, "checks": {}}, 503, headers)
    checks = {name: why or "ok" for name, why in found.checks.items()}
    body = {"status": "ok" if found.is_ready else "unavailable", "checks": checks}
    return json_reply(body, 200 if found.is_ready else 503)


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
