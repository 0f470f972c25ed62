"""The settings of the community: its name, its limits, its GIF provider, and the address of its gateway.

An environment variable masks a stored setting: a change is stored, and the response shows the value that is in force.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from vox.chat.api.access import PUBLIC, USER, requires
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import (
    validate_address,
    validate_length,
    validate_name,
    validate_prose,
    validate_text,
)
from vox.chat.config.limits import DEFAULTS, problem_with
from vox.chat.config.runtime_config import SECRET
from vox.chat.errors import refuse
from vox.chat.events.permissions import P
from vox.chat.features.server import service
from vox.chat.features.server.schemas import GatewayInfo, GifsChange, GifsInfo, LimitsChange, ServerChange, ServerInfo
from vox.chat.features.server.service import server_info

LONGEST_KEY = 512
LONGEST_LOCALE = 16

routes = RouteTable()


@routes.get("/gateway", access=PUBLIC, returns=GatewayInfo)
async def get_gateway(call: Call) -> GatewayInfo:
    """Returns the addresses of the gateway and the voice server."""
    return GatewayInfo(call.chat.config.get("gateway_url"), call.chat.config.get("media_url"))


@routes.get("/server", access=USER, returns=ServerInfo)
async def get_server(call: Call) -> ServerInfo:
    """Returns the name and size of the community."""
    return server_info(call.chat)


@routes.patch("/server", access=requires(P.MANAGE_SERVER), body=ServerChange, returns=ServerInfo)
async def change_server(call: Call[ServerChange]) -> ServerInfo:
    """Changes name, icon or description."""
    chat, body = call.chat, call.body
    limits = chat.config.limit
    validate_length(limits, "icon", body.icon, "server_icon_max")
    validate_address("icon", body.icon)
    validate_prose(limits, "description", body.description, "server_description_max")
    name = validate_name(limits, "name", body.name, "server_name_max")
    given = {"name": name, "icon": body.icon, "description": body.description}
    values = {field: value for field, value in given.items() if value is not None}
    if values:
        await chat.change(partial(service.change, actor_id=call.user_id, values=values))
    return server_info(call.chat)


@routes.get("/server/limits", access=requires(P.MANAGE_SERVER), returns=dict[str, int])
async def get_limits(call: Call) -> Mapping[str, int]:
    """Returns all limits by name."""
    return call.chat.config.limits


@routes.patch("/server/limits", access=requires(P.MANAGE_SERVER), body=LimitsChange, returns=dict[str, int])
async def change_limits(call: Call[LimitsChange]) -> Mapping[str, int]:
    """Changes limits, which apply from the next request on."""
    chat, limits = call.chat, call.body.limits
    for name, value in limits.items():
        if name not in DEFAULTS:
            raise refuse("INVALID_LIMIT", f"There is no limit {name[:64]}.")
        if problem := problem_with(name, value):
            raise refuse("VALIDATION_ERROR", f"body.limits: {problem}")
    after = {**chat.config.limits, **limits}
    for name, value in after.items():
        low = f"{name.removesuffix('_max')}_min"
        if name.endswith("_max") and after.get(low, value) > value:
            raise refuse("VALIDATION_ERROR", f"body.limits: {low} must not be more than {name}")
    if limits:
        await chat.change(partial(service.change_limits, actor_id=call.user_id, limits=limits))
    return chat.config.limits


@routes.get("/server/gifs", access=requires(P.MANAGE_SERVER), returns=GifsInfo)
async def get_gifs(call: Call) -> GifsInfo:
    """Returns the settings of the GIF provider."""
    return _gifs(call)


@routes.patch("/server/gifs", access=requires(P.MANAGE_SERVER), body=GifsChange, returns=GifsInfo)
async def change_gifs(call: Call[GifsChange]) -> GifsInfo:
    """Changes provider, key, filter or language of GIFs."""
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
        await call.chat.change(partial(service.change_gifs, actor_id=call.user_id, values=values))
    return _gifs(call)


def _gifs(call: Call[Any]) -> GifsInfo:
    config = call.chat.config
    return GifsInfo(
        config.get("gifs_provider"),
        config.has_gifs_api_key,
        config.get("gifs_content_filter"),
        config.optional("gifs_locale"),
    )
