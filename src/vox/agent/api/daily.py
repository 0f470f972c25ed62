"""Rooms at Daily: for `POST /start`, for a browser at `/`, and for calls that Daily announces."""

from typing import Any, Final

import msgspec

from vox.agent.api.pages import Refusal
from vox.agent.api.policy import KEY, Access, has_key
from vox.agent.api.responses import JSON, json_reply
from vox.agent.api.start_limits import StartLimits
from vox.agent.api.webhooks import DEFAULT_MAX_BODY_BYTES
from vox.agent.server import AgentServer
from vox.errors import DependencyError, UsageError
from vox.http.call import HttpCall
from vox.http.routing import Reply, RouteTable
from vox.providers.rooms.daily import DailyRooms, DialIn, Room
from vox.runtime.clock import new_uuid
from vox.runtime.logging import get_logger
from vox.security.digests import is_equal

log = get_logger(__name__)

FIELDS: Final = ("From", "To", "callId", "callDomain")
MAX_NAME: Final = 64


class DailyRoutes:
    """What one agent server has to do with Daily.

    Args:
        server: its settings name the key and the webhook's secret.
        limits: how often one address may have a room made.
    """

    def __init__(self, server: AgentServer, limits: StartLimits) -> None:
        self._server = server
        self._limits = limits

    def add_to(self, table: RouteTable[Access]) -> None:
        """Adds the webhook for calls, where they are taken."""
        if self._server.settings.dialin:
            errors = (400, 401, 422, 429, 500, 503)
            add = table.post(
                "/daily-dialin-webhook",
                access=KEY,
                returns=bytes,
                status=201,
                label="daily_dialin_webhook",
                errors=errors,
            )
            add(self.dial_in)

    async def start(self, call: HttpCall) -> dict[str, Any]:
        """A room for a client of `POST /start`."""
        return _answer(await self._room())

    async def root(self, call: HttpCall) -> Reply:
        """Sends a browser into a new room."""
        if call.method != "GET":
            raise Refusal(404, "NOT_FOUND", "Not found")
        if not has_key(call, self._server.settings):
            raise Refusal(401, "UNAUTHORIZED", "this server needs its API key, as ?api_key=KEY")
        self._limits.check(call)
        room = await self._room()
        return Reply(302, b"", {"location": room.url, "cache-control": "no-store"})

    async def dial_in(self, call: HttpCall) -> Reply:
        """Takes the announcement of a telephone call: a room that it enters over SIP."""
        settings = self._server.settings
        secret = settings.daily_dialin_webhook_secret.get_secret_value()
        is_known = is_equal(secret, call.headers.get("x-webhook-secret", "")) if secret else has_key(call, settings)
        if not is_known:
            log.warning("webhook refused", carrier="daily", error="neither the webhook's secret nor the server's key")
            raise Refusal(401, "UNAUTHORIZED", "Unauthorized")
        payload = _payload(await call.read_body(settings.max_request_body_bytes or DEFAULT_MAX_BODY_BYTES))
        if payload.get("test") is True:
            return json_reply({"data": {"status": "OK"}})
        missing = [name for name in FIELDS if not isinstance(payload.get(name), str) or not payload[name].strip()]
        if missing:
            details = [{"field": name, "message": "required"} for name in missing]
            raise Refusal(422, "VALIDATION_ERROR", "Missing required fields", details=details)
        if not secret:
            self._limits.check(call)
        room = await self._room(DialIn(payload["From"].strip()[:MAX_NAME]))
        return Reply(201, msgspec.json.encode({"data": _answer(room)}), JSON)

    async def _room(self, dial_in: DialIn | None = None) -> Room:
        try:
            return await DailyRooms(self._server.resources.deps).create(dial_in)
        except UsageError as error:
            raise Refusal(400, "BAD_REQUEST", str(error)) from None
        except DependencyError as error:
            log.warning("no room at Daily", code=error.code, error=str(error))
            if error.retryable:
                message = "Daily cannot be reached; try again."
                raise Refusal(503, "SERVICE_UNAVAILABLE", message, headers={"retry-after": "5"}) from error
            raise Refusal(500, "INTERNAL_ERROR", "Daily made no room; the server's log says why.") from error


def _answer(room: Room) -> dict[str, Any]:
    return {"dailyRoom": room.url, "dailyToken": room.token, "sessionId": new_uuid()}


def _payload(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refusal(400, "BAD_REQUEST", "Invalid JSON payload") from None
