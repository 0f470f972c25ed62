"""What Pipecat's clients ask before they connect: `POST /start` and `POST /connect`, from pages of any allowed origin.

The answer names the socket. Pipecat's WebSocket transport refuses an answer that has any key but `wsUrl` and `token`. Their
WebRTC transport is told that it will find nothing here.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from vox.agent.api.policy import KEY, PUBLIC, Access, has_key, is_page_allowed
from vox.agent.api.responses import JSON, json_reply
from vox.agent.api.webhooks import public_base
from vox.agent.server import AgentServer
from vox.errors import UsageError
from vox.http.call import HttpCall
from vox.http.edge import request_id
from vox.http.routing import Reply, RouteTable
from vox.security.credentials import api_key

MAX_BODY_BYTES = 64 << 10
NO_WEBRTC = "this server has no WebRTC: use Pipecat's WebSocketTransport with wsUrl {url}"
_PREFLIGHT = {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "authorization, content-type, x-api-key",
    "access-control-max-age": "600",
}


class StartRoutes:
    """The routes of one agent server."""

    def __init__(self, server: AgentServer) -> None:
        self._server = server

    def add_to(self, table: RouteTable[Access]) -> None:
        """Adds them to a table."""
        for path in ("/start", "/connect"):
            table.post(path, access=KEY, returns=bytes, label="start", errors=(400, 401, 403, 404))(self.start)
            table.options(path, access=PUBLIC, label="start")(self.preflight)
        for path in ("/api/offer", "/sessions/{session}/api/offer"):
            table.any(path, access=PUBLIC, label="fallback", is_documented=False)(self.offer)

    async def start(self, call: HttpCall) -> Reply:
        """Where a Pipecat client connects: `wsUrl`, and the key it gave as `token`."""
        origin = call.headers.get("origin", "")
        if not self._is_allowed(call):
            return _refusal(call, 403, "FORBIDDEN", f"the origin {origin} is not in cors_allowed_origins")
        headers = _cors(origin)
        if not has_key(call, self._server.settings):
            return _refusal(call, 401, "UNAUTHORIZED", "this server needs its API key, as X-API-Key", headers)
        try:
            requested = _requested(await call.read_body(MAX_BODY_BYTES))
        except UsageError as error:
            return _refusal(call, 400, "BAD_REQUEST", str(error), headers)
        if requested.get("transport") == "webrtc":
            message = NO_WEBRTC.format(url=self._socket(call, {}))
            return _refusal(call, 400, "BAD_REQUEST", message, headers)
        query = dict(call.query_params)
        for name in ("api_key", "token"):
            query.pop(name, None)
        if isinstance(requested.get("agent"), str):
            query["agent"] = requested["agent"]
        if self._server.resources.agent_for(query.get("agent", "")) is None:
            return _refusal(call, 404, "NOT_FOUND", f"no agent is named {query['agent']}", headers)
        answer = {"wsUrl": self._socket(call, query)}
        if self._server.settings.server_api_key.get_secret_value():
            answer["token"] = _given_key(call)
        reply = json_reply(answer)
        return Reply(reply.status, reply.body, {**reply.headers, **headers, "cache-control": "no-store"})

    async def preflight(self, call: HttpCall) -> Reply:
        """What a browser asks before it posts from a page of another origin."""
        allowed = {**_cors(call.headers.get("origin", "")), **_PREFLIGHT} if self._is_allowed(call) else {}
        return Reply(204, b"", {"vary": "origin", **allowed})

    async def offer(self, call: HttpCall) -> Reply:
        """Where Pipecat's WebRTC transport would send its offer."""
        headers = _cors(call.headers.get("origin", "")) if self._is_allowed(call) else {}
        if call.method == "OPTIONS":
            return Reply(204, b"", {**headers, **_PREFLIGHT})
        return _refusal(call, 404, "NOT_FOUND", NO_WEBRTC.format(url=self._socket(call, {})), headers)

    def _socket(self, call: HttpCall, query: Mapping[str, str]) -> str:
        base = public_base(self._server, call).replace("http", "ws", 1)
        return f"{base}/ws?{urlencode({**query, 'format': 'protobuf'})}"

    def _is_allowed(self, call: HttpCall) -> bool:
        return is_page_allowed(call, self._server.settings)


def _cors(origin: str) -> dict[str, str]:
    return {"access-control-allow-origin": origin, "vary": "origin"} if origin else {}


def _given_key(call: HttpCall) -> str:
    query = call.query_params
    in_header = api_key(call.headers, names=("x-api-key", "authorization"))
    return in_header or query.get("api_key") or query.get("token") or ""


def _requested(body: bytes) -> dict[str, Any]:
    """The request's data: an object, whose `body` is Pipecat's place for an application's own fields.

    Raises:
        UsageError: `start_body_invalid`.
    """
    if not body.strip():
        return {}
    try:
        data = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError("the body is not a JSON object", code="start_body_invalid") from error
    inner = data.get("body")
    return {**inner, **data} if isinstance(inner, dict) else data


def _refusal(call: HttpCall, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """The error envelope, with the message once more where Pipecat's clients read it."""
    error = {"code": code, "message": message, "requestId": request_id(call.scope)}
    body = msgspec.json.encode({"error": error, "detail": message}) + b"\n"
    return Reply(status, body, {**(headers or {}), **JSON})
