"""Every route table of the API, in one list."""

from vox.chat.files import custom_images, embeds, gifs, uploads
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
    custom_images,
    dm_messages,
    dms,
    embeds,
    feeds,
    friends,
    gifs,
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
    uploads,
    users,
)


def all_routes() -> tuple[RouteTable, ...]:
    """The tables; a module with routes is imported here and nowhere else."""
    return tuple(module.routes for module in _MODULES)
