"""The routes of bots, settings and keys, and those that workers ask and deliver at."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from vox.errors import UsageError
from vox.fleet.accounts.api_keys import ADMIN, SCOPES, ApiKey
from vox.fleet.accounts.bots import Bot, masked
from vox.fleet.bridge import schemas
from vox.fleet.bridge.api.policy import WORKER, Access, BridgeCall, key_with
from vox.fleet.bridge.server import Bridge
from vox.http.routing import RouteTable
from vox.runtime.clock import new_id

READ: Final = key_with("bots:read")
WRITE: Final = key_with("bots:write")
ADMINISTRATOR: Final = key_with(ADMIN)
_TEXT: Final = {"type": "string"}
_OBJECT: Final = {"type": "object", "additionalProperties": True}
_BOT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "name": _TEXT,
        "config": _OBJECT,
        "is_active": {"type": "boolean"},
        "active_hours": {"type": "array", "items": _OBJECT},
        "created_at_ms": {"type": "integer"},
        "updated_at_ms": {"type": "integer"},
    },
    "required": ["id", "name", "config", "is_active", "active_hours"],
}
_KEY: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "name": _TEXT,
        "scopes": {"type": "array", "items": {"type": "string", "enum": list(SCOPES)}},
        "created_at_ms": {"type": "integer"},
        "revoked_at_ms": {"type": ["integer", "null"]},
        "key": {"type": "string", "description": "In the answer to its creation only"},
    },
    "required": ["id", "name", "scopes"],
}


def _list_of(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    items = {"type": "array", "items": schema}
    return {"type": "object", "properties": {name: items}, "required": [name]}


def account_routes(bridge: Bridge) -> RouteTable[Access]:
    """`/v1/bots`, `/v1/settings`, `/v1/keys` and `/v1/results`."""
    table, bots, rows = RouteTable[Access](), _Bots(bridge), _Accounts(bridge)
    table.get("/v1/bots", access=READ, returns=_list_of("bots", _BOT), label="bots")(bots.list_bots)
    table.post("/v1/bots", access=WRITE, body=schemas.NewBot, status=201, returns=_BOT, label="bots")(bots.create_bot)
    table.get("/v1/bots/{id}", access=READ, returns=_BOT, label="bots")(bots.get_bot)
    table.put("/v1/bots/{id}", access=WRITE, body=schemas.BotBody, returns=_BOT, label="bots")(bots.change_bot)
    table.delete("/v1/bots/{id}", access=WRITE, returns=None, label="bots")(bots.delete_bot)
    table.get("/v1/bots/{id}/config", access=WORKER, query=schemas.BotConfigQuery, returns=_OBJECT, label="bot_config")(
        bots.bot_config
    )
    table.post("/v1/results", access=WORKER, body=dict[str, Any], returns=_OBJECT, label="results")(bots.take_result)
    table.get("/v1/settings", access=ADMINISTRATOR, returns=_OBJECT, label="settings")(rows.list_settings)
    table.get("/v1/settings/{key}", access=ADMINISTRATOR, returns=_OBJECT, label="settings")(rows.get_setting)
    table.put("/v1/settings/{key}", access=ADMINISTRATOR, body=schemas.SettingBody, returns=_OBJECT, label="settings")(
        rows.put_setting
    )
    table.get("/v1/keys", access=ADMINISTRATOR, returns=_list_of("keys", _KEY), label="keys")(rows.list_keys)
    table.post("/v1/keys", access=ADMINISTRATOR, body=schemas.NewKey, status=201, returns=_KEY, label="keys")(
        rows.create_key
    )
    table.delete("/v1/keys/{id}", access=ADMINISTRATOR, returns=None, label="keys")(rows.revoke_key)
    return table.grouped("accounts")


class _Bots:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def list_bots(self, _call: BridgeCall) -> dict[str, Any]:
        """All bots; secrets in their configurations are asterisks."""
        return {"bots": [_shown(bot) for bot in await self._bridge.bots.list()]}

    async def create_bot(self, call: BridgeCall) -> dict[str, Any]:
        """Makes a bot."""
        body: schemas.NewBot = call.body
        return _shown(await self._bridge.bots.save(schemas.bot_of(body.id, body), is_new=True))

    async def get_bot(self, call: BridgeCall) -> dict[str, Any]:
        """One bot."""
        return _shown(await self._bridge.bots.find(call.text("id")))

    async def change_bot(self, call: BridgeCall) -> dict[str, Any]:
        """Replaces a bot; a secret that comes back as asterisks stays as it is."""
        body: schemas.BotBody = call.body
        return _shown(await self._bridge.bots.save(schemas.bot_of(call.text("id"), body), is_new=False))

    async def delete_bot(self, call: BridgeCall) -> None:
        """Removes a bot."""
        await self._bridge.bots.delete(call.text("id"))

    async def bot_config(self, call: BridgeCall) -> dict[str, Any]:
        """What a worker needs for a call with a bot: 404 where there is none, 503 outside its active hours."""
        bridge = self._bridge
        bot = await bridge.bots.find(call.text("id"))
        if not bot.is_open(bridge.clock.wall()):
            raise UsageError("The bot takes no calls now.", code="bot_closed", retryable=True, retry_after_s=60)
        query: schemas.BotConfigQuery = call.query
        return {
            "webhook_url": f"{bridge.base_url()}/v1/results",
            **bot.config,
            "bot_id": bot.id,
            "session_id": new_id("session"),
            "caller_id": query.caller_id,
            "stream_id": query.stream_id,
        }

    async def take_result(self, call: BridgeCall) -> dict[str, Any]:
        """Takes the result of a conversation; the same one may come more than once."""
        is_new = await self._bridge.worker_events.take_result(call.body)
        return {"status": "stored" if is_new else "known"}


class _Accounts:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def list_settings(self, _call: BridgeCall) -> dict[str, Any]:
        """All settings that change while the bridge runs."""
        return await self._bridge.setting_rows.all()

    async def get_setting(self, call: BridgeCall) -> dict[str, Any]:
        """One setting."""
        key = call.text("key")
        return {"key": key, "value": await self._bridge.setting_rows.get(key)}

    async def put_setting(self, call: BridgeCall) -> dict[str, Any]:
        """Changes a setting, at once."""
        key, body = call.text("key"), call.body
        return {"key": key, "value": await self._bridge.change_setting(key, body.value)}

    async def list_keys(self, _call: BridgeCall) -> dict[str, Any]:
        """All API keys without their text."""
        return {"keys": [msgspec.to_builtins(key) for key in await self._bridge.api_keys.list()]}

    async def create_key(self, call: BridgeCall) -> dict[str, Any]:
        """Makes an API key; its text is in this answer and nowhere else."""
        body: schemas.NewKey = call.body
        new = await self._bridge.api_keys.create(body.name, body.scopes)
        return {**_key(new.key), "key": new.text}

    async def revoke_key(self, call: BridgeCall) -> None:
        """Makes an API key useless at once."""
        await self._bridge.api_keys.revoke(call.text("id"))


def _key(key: ApiKey) -> dict[str, Any]:
    return msgspec.to_builtins(key)


def _shown(bot: Bot) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(bot)
    return {**shown, "config": masked(shown["config"])}
