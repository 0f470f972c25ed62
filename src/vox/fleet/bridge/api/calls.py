"""The routes of outbound calls and of the events that are sent about them."""

from typing import Any, Final

import msgspec

from vox.errors import UsageError
from vox.fleet.bridge import schemas
from vox.fleet.bridge.api.policy import Access, BridgeCall, key_with
from vox.fleet.bridge.server import Bridge
from vox.fleet.calls import queries
from vox.fleet.calls.contract import CallStatus
from vox.fleet.calls.service import Submission
from vox.http.routing import RouteTable

READ: Final = key_with("calls:read")
WRITE: Final = key_with("calls:write")
MAX_KEY: Final = 255
_MAX_DIGITS: Final = 15
_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": ["integer", "null"], "description": "Unix milliseconds"}
_NUMBER: Final = {"type": "integer"}
_OBJECT: Final = {"type": "object", "additionalProperties": True}
_CALL: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "status": {"type": "string", "enum": [status.value for status in CallStatus]},
        **dict.fromkeys(
            ("to", "from", "bot_id", "provider", "class", "reason", "answered_by", "worker_id", "carrier_call_id"),
            _TEXT,
        ),
        **dict.fromkeys(("attempt", "max_attempts"), _NUMBER),
        **dict.fromkeys(("due_at_ms", "created_at_ms", "dialed_at_ms", "answered_at_ms", "ended_at_ms"), _TIME),
        "metadata": _OBJECT,
    },
    "required": ["id", "status", "to", "from", "bot_id"],
}
_PAGE: Final = {
    "type": "object",
    "properties": {"calls": {"type": "array", "items": _CALL}, "next_cursor": _TEXT},
    "required": ["calls", "next_cursor"],
}
_SUBMITTED: Final = {
    "type": "object",
    "properties": {"id": _TEXT, "status": {"type": "string", "enum": ["queued", "scheduled"]}},
    "required": ["id", "status"],
}
_WEBHOOKS: Final = {
    "type": "object",
    "properties": {"webhooks": {"type": "array", "items": _OBJECT}},
    "required": ["webhooks"],
}
_DECODER: Final = msgspec.json.Decoder(schemas.CallRequest)


def call_routes(bridge: Bridge) -> RouteTable[Access]:
    """`/v1/calls` and what is below, and `/v1/webhooks`."""
    table, routes = RouteTable[Access](), _Calls(bridge)
    table.post(
        "/v1/calls",
        access=WRITE,
        body=schemas.CallRequest,
        status=202,
        returns=_SUBMITTED,
        label="calls",
        is_raw=True,
        errors=(400, 401, 403, 409, 422, 503),
    )(routes.create_call)
    table.get("/v1/calls", access=READ, query=schemas.CallListQuery, returns=_PAGE, label="calls")(routes.list_calls)
    table.get("/v1/calls/{id}", access=READ, returns=_CALL, label="call")(routes.get_call)
    acts: dict[str, Any] = {"access": WRITE, "returns": _CALL, "label": "call"}
    table.post("/v1/calls/{id}/cancel", **acts)(routes.cancel_call)
    table.post("/v1/calls/{id}/hang_up", **acts)(routes.hang_up_call)
    table.post("/v1/calls/{id}/transfer", body=schemas.TransferRequest, **acts)(routes.transfer_call)
    table.post("/v1/calls/{id}/inject", body=schemas.InjectRequest, **acts)(routes.inject_text)
    table.get("/v1/webhooks", access=READ, query=schemas.WebhookListQuery, returns=_WEBHOOKS, label="webhooks")(
        routes.list_webhooks
    )
    table.post("/v1/webhooks/{number}/redeliver", access=WRITE, returns=None, label="webhooks")(routes.redeliver)
    return table.grouped("calls")


class _Calls:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def create_call(self, call: BridgeCall) -> dict[str, Any]:
        """Takes a call to be placed; the header Idempotency-Key makes a repeated request safe for 24 hours."""
        bridge = self._bridge
        key = call.header(b"idempotency-key").strip()
        if len(key) > MAX_KEY or not key.isprintable():
            raise UsageError(
                f"Idempotency-Key is longer than {MAX_KEY} characters, or has others than printable ones.",
                code="validation_error",
            )
        try:
            body = _DECODER.decode(call.body)
        except msgspec.ValidationError as error:
            raise UsageError(str(error), code="validation_error") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UsageError("The body is not JSON.", code="validation_error") from None
        provider = body.provider or bridge.settings.default_provider
        call_to_place = schemas.outbound_call(
            body,
            bridge.clock.unix_ms(),
            provider=provider,
            from_number=bridge.carriers.limits(provider).from_number,
        )
        return await bridge.service.submit(Submission(call_to_place, call.key.id, key, call.body))

    async def list_calls(self, call: BridgeCall) -> dict[str, Any]:
        """Calls, the newest first."""
        query: schemas.CallListQuery = call.query
        return await self._bridge.service.page(
            limit=query.limit, cursor=query.cursor, status=query.status, bot_id=query.bot_id, to=query.to
        )

    async def get_call(self, call: BridgeCall) -> dict[str, Any]:
        """One call with its attempts, its log and its results."""
        return await self._bridge.service.view(call.text("id"))

    async def cancel_call(self, call: BridgeCall) -> dict[str, Any]:
        """Ends a call that was not answered."""
        return await self._bridge.service.cancel(call.text("id"))

    async def hang_up_call(self, call: BridgeCall) -> dict[str, Any]:
        """Ends a call, wherever it is."""
        return await self._bridge.service.hang_up(call.text("id"))

    async def transfer_call(self, call: BridgeCall) -> dict[str, Any]:
        """Hands an answered call over to another number or address."""
        body: schemas.TransferRequest = call.body
        return await self._bridge.service.transfer(call.text("id"), body.to)

    async def inject_text(self, call: BridgeCall) -> dict[str, Any]:
        """Gives the bot of an answered call a text to act on."""
        body: schemas.InjectRequest = call.body
        return await self._bridge.service.inject(call.text("id"), body.text)

    async def list_webhooks(self, call: BridgeCall) -> dict[str, Any]:
        """Events about calls that wait, were delivered, or were given up."""
        query: schemas.WebhookListQuery = call.query
        rows = await self._bridge.database.read(
            lambda connection: queries.webhooks_in(connection, query.state, query.limit, query.after)
        )
        return {"webhooks": [{**row, "body": msgspec.json.decode(row["body"])} for row in rows]}

    async def redeliver(self, call: BridgeCall) -> None:
        """Sends an event again that was given up."""
        number = call.text("number")
        values = {"state": "waiting", "tries": 0, "due_at_ms": self._bridge.clock.unix_ms()}
        is_there = (
            number.isdecimal()
            and len(number) <= _MAX_DIGITS
            and await self._bridge.database.write(
                lambda connection: queries.change_webhook(connection, int(number), values)
            )
        )
        if not is_there:
            raise UsageError("There is no such event.", code="webhook_not_found")
        self._bridge.journal.has_webhooks.set()
