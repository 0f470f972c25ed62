"""The directory's HTTP, except for the list, which `vox.directory.app` answers before any routing.

Handlers parse, ask the gate, ask the directory, answer.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from vox.directory.access import Caller
from vox.directory.bodies import MAX_BODY_BYTES, Heartbeat, Registration, read_body, selection_query
from vox.directory.events import ChangeStream
from vox.directory.metrics import REFUSALS
from vox.directory.openapi import describe_api
from vox.directory.relay import Relay, iso, status_form, whole_form
from vox.directory.responses import PUBLIC, bad_id, error_response, json_response
from vox.directory.server import Directory
from vox.directory.settings import RELAY_ID
from vox.errors import VoxError
from vox.runtime import http
from vox.runtime.health import Checks
from vox.runtime.metrics import CONTENT_TYPE
from vox.security import requests as signed_requests

BODY_TIMEOUT_S = 10.0
PAGE = Path(__file__).parent / "page"
PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
}


def make_routes(directory: Directory, checks: Checks) -> list[BaseRoute]:
    """All routes but the list."""
    public, changes = _Public(directory, checks), _Changes(directory)
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
        Route("/v1/relays/register", changes.register, methods=["POST"]),
        Route("/v1/relays/{id}/status", public.status),
        Route("/v1/relays/{id}/heartbeat", changes.heartbeat, methods=["POST"]),
        Route("/v1/relays/{id}/drain", changes.drain, methods=["POST"]),
        Route("/v1/relays/{id}", changes.delete, methods=["DELETE"]),
    ]


class _Public:
    def __init__(self, directory: Directory, checks: Checks) -> None:
        self._directory = directory
        self._checks = checks
        self._stream = ChangeStream(directory.registry, directory.lifecycle)

    async def page(self, request: Request) -> Response:
        return FileResponse(PAGE / "index.html", headers={"cache-control": "no-cache", **PAGE_HEADERS})

    async def asset(self, request: Request) -> Response:
        path = PAGE / Path(request.path_params["name"]).name
        if path.name == "index.html" or not path.is_file():
            return json_response({"error": "Not found", "code": "NOT_FOUND"}, 404)
        return FileResponse(path, headers={"cache-control": "no-cache", **PAGE_HEADERS})

    async def events(self, request: Request) -> Response:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._stream.listen(), headers=headers, media_type="text/event-stream")

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
        relay = self._directory.require(_relay_id(request))
        return json_response(status_form(relay), headers={"cache-control": "no-cache", **PUBLIC})

    async def select(self, request: Request) -> Response:
        directory = self._directory
        wanted, policy, explain = selection_query(request.scope["query_string"], directory.random.getrandbits(64))
        body = directory.chooser.choose(wanted, policy, explain=explain)
        return json_response(body, headers={"cache-control": "no-store", **PUBLIC})

    async def snapshot(self, request: Request) -> Response:
        directory = self._directory
        body = directory.press.answer(directory.registry.listed())
        tag = f'"{directory.press.serial}"'
        headers = {"etag": tag, "cache-control": "public, max-age=60, stale-if-error=86400", **PUBLIC}
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
        caller = self._directory.gate.admit(request, body, None, wanted.signing_key)
        await self._directory.check_nonce(caller)
        await self._directory.check_address(wanted.url)
        relay, is_new = await self._directory.register(wanted, caller)
        return json_response(whole_form(relay), 201 if is_new else 200)

    async def heartbeat(self, request: Request) -> Response:
        body = await self._body(request)
        relay = await self._admitted(request, body)
        beat = read_body(Heartbeat, body) if body.strip() else Heartbeat()
        directory = self._directory
        directory.heartbeat(relay, beat)
        every_ms = directory.settings.health_check.interval_ms
        answer = {
            "status": "ok",
            "ttl_ms": 3 * (beat.interval_ms or every_ms),
            "next_heartbeat_ms": beat.interval_ms or every_ms // 2,
            "directory_revision": directory.registry.revision,
        }
        return json_response(answer)

    async def drain(self, request: Request) -> Response:
        body = await self._body(request)
        relay = await self._admitted(request, body)
        beat = read_body(Heartbeat, body) if body.strip() else Heartbeat()
        changed = await self._directory.drain(relay, is_draining=beat.draining is not False)
        return json_response(status_form(changed))

    async def delete(self, request: Request) -> Response:
        body = await self._body(request)
        relay = await self._admitted(request, body)
        await self._directory.delete(relay, force=request.query_params.get("force") == "1")
        return json_response({"status": "deleted"})

    async def _body(self, request: Request) -> bytes:
        relay_id: str = request.path_params.get("id", "")
        self._directory.gate.limit(request, relay_id if self._directory.registry.get(relay_id) else "")
        return await http.read_body(request.scope, request.receive, max_bytes=MAX_BODY_BYTES, timeout_s=BODY_TIMEOUT_S)

    async def _admitted(self, request: Request, body: bytes) -> Relay:
        relay = self._directory.require(_relay_id(request))
        caller: Caller = self._directory.gate.admit(request, body, relay)
        await self._directory.check_nonce(caller)
        return self._directory.require(relay.id)


def refusal(directory: Directory, error: VoxError) -> Response:
    """The answer to a request that was refused, and its count."""
    directory.metrics.counter(REFUSALS, error.code).inc()
    return error_response(error)


def _relay_id(request: Request) -> str:
    relay_id: str = request.path_params["id"]
    if not RELAY_ID.fullmatch(relay_id):
        raise bad_id()
    return relay_id
