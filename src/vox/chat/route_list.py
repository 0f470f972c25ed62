"""Every route table of the API, in one list."""

from vox.chat.people import auth, friends, invites, members, moderation, overrides, roles, server, users
from vox.chat.routing import RouteTable
from vox.chat.spaces import (
    categories,
    dm_messages,
    dms,
    feeds,
    layout,
    messages,
    pins,
    reactions,
    read_state,
    rooms,
    search,
    sync,
    threads,
)

_MODULES = (
    auth,
    categories,
    dm_messages,
    dms,
    feeds,
    friends,
    invites,
    layout,
    members,
    messages,
    moderation,
    overrides,
    pins,
    reactions,
    read_state,
    roles,
    rooms,
    search,
    server,
    sync,
    threads,
    users,
)


def all_routes() -> tuple[RouteTable, ...]:
    """The tables; a module with routes is imported here and nowhere else."""
    return tuple(module.routes for module in _MODULES)
