"""The community as a whole over REST: its name, its limits, its GIF provider, and where its events come from.

What an environment variable sets is masked: a change is stored and answered with the value that holds.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection

from vox.chat.api.access import PUBLIC, USER, requires
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_length, validate_text
from vox.chat.config.limits import DEFAULTS, problem_with
from vox.chat.config.runtime_config import LIMIT_ROW, SECRET, changed, store
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import refuse
from vox.chat.events import server_update
from vox.chat.events.permissions import P
from vox.chat.features.members.schemas import GatewayInfo, GifsChange, GifsInfo, LimitsChange, ServerChange, ServerInfo

LONGEST_KEY = 512
LONGEST_LOCALE = 16

routes = RouteTable()


@routes.get("/gateway", access=PUBLIC, returns=GatewayInfo)
async def get_gateway(call: Call) -> GatewayInfo:
    """Where clients find the gateway and the voice server."""
    return GatewayInfo(call.chat.config.get("gateway_url"), call.chat.config.get("media_url"))


@routes.get("/server", access=USER, returns=ServerInfo)
async def get_server(call: Call) -> ServerInfo:
    """The community's name and size."""
    return _info(call)


@routes.patch("/server", access=requires(P.MANAGE_SERVER), body=ServerChange, returns=ServerInfo)
async def change_server(call: Call[ServerChange]) -> ServerInfo:
    """Another name, icon or description."""
    chat, body = call.chat, call.body
    values: dict[str, str] = {}
    for field in ("name", "icon", "description"):
        value: str | None = getattr(body, field)
        if value is not None:
            validate_length(chat.config.limit, field, value, f"server_{field}_max")
            values[field] = value
    if values:
        await chat.change(partial(_change, actor_id=call.user_id, values=values))
    return _info(call)


@routes.get("/server/limits", access=requires(P.MANAGE_SERVER), returns=dict[str, int])
async def get_limits(call: Call) -> Mapping[str, int]:
    """All limits by name."""
    return call.chat.config.limits


@routes.patch("/server/limits", access=requires(P.MANAGE_SERVER), body=LimitsChange, returns=dict[str, int])
async def change_limits(call: Call[LimitsChange]) -> Mapping[str, int]:
    """Other limits; they hold from the next request on."""
    chat, wanted = call.chat, call.body.limits
    for name, value in wanted.items():
        if name not in DEFAULTS:
            raise refuse("INVALID_LIMIT", f"There is no limit {name[:64]}.")
        if problem := problem_with(name, value):
            raise refuse("VALIDATION_ERROR", f"body.limits: {problem}")
    after = {**chat.config.limits, **wanted}
    for name, value in after.items():
        low = f"{name.removesuffix('_max')}_min"
        if name.endswith("_max") and after.get(low, value) > value:
            raise refuse("VALIDATION_ERROR", f"body.limits: {low} must not be more than {name}")
    if wanted:
        await chat.change(partial(_change_limits, actor_id=call.user_id, limits=wanted))
    return chat.config.limits


@routes.get("/server/gifs", access=requires(P.MANAGE_SERVER), returns=GifsInfo)
async def get_gifs(call: Call) -> GifsInfo:
    """How GIFs are searched."""
    return _gifs(call)


@routes.patch("/server/gifs", access=requires(P.MANAGE_SERVER), body=GifsChange, returns=GifsInfo)
async def change_gifs(call: Call[GifsChange]) -> GifsInfo:
    """Another provider, key, filter or language."""
    body = call.body
    for field, value, longest in (("api_key", body.api_key, LONGEST_KEY), ("locale", body.locale, LONGEST_LOCALE)):
        validate_text(field, value)
        if value is not None and len(value) > longest:
            raise refuse("VALIDATION_ERROR", f"body.{field}: expected at most {longest} characters")
    values = {
        row: value
        for row, value in (
            ("gifs_provider", body.provider),
            (SECRET, body.api_key),
            ("gifs_content_filter", body.content_filter),
            ("gifs_locale", body.locale),
        )
        if value is not None
    }
    if values:
        await call.chat.change(partial(_change_gifs, actor_id=call.user_id, values=values))
    return _gifs(call)


def _change(connection: Connection, *, actor_id: int, values: dict[str, str]) -> Change[None]:
    lock_event_order(connection)
    store({f"server_{field}": value for field, value in values.items()})(connection)
    audit = AuditEntry("server.update", actor_id, None, {"changed": values})
    return Change(None, [server_update(changed=values)], [audit])


def _change_limits(connection: Connection, *, actor_id: int, limits: dict[str, int]) -> Change[None]:
    store({LIMIT_ROW + name: str(value) for name, value in limits.items()})(connection)
    audit = AuditEntry("server.update", actor_id, None, {"changed": {"limits": limits}})
    return Change(None, [changed(limits=limits)], [audit])


def _change_gifs(connection: Connection, *, actor_id: int, values: dict[str, str]) -> Change[None]:
    store(values)(connection)
    open_values = {row: value for row, value in values.items() if row != SECRET}
    shown: dict[str, Any] = {**open_values, **({"api_key_set": bool(values[SECRET])} if SECRET in values else {})}
    audit = AuditEntry("server.update", actor_id, None, {"changed": shown})
    return Change(None, [changed(values=open_values, secret=values.get(SECRET))], [audit])


def _info(call: Call[Any]) -> ServerInfo:
    chat = call.chat
    config = chat.config
    return ServerInfo(
        config.get("server_name"),
        config.optional("server_icon"),
        config.optional("server_description"),
        chat.members.local_count(),
    )


def _gifs(call: Call[Any]) -> GifsInfo:
    config = call.chat.config
    return GifsInfo(
        config.get("gifs_provider"),
        config.has_gifs_api_key,
        config.get("gifs_content_filter"),
        config.optional("gifs_locale"),
    )
