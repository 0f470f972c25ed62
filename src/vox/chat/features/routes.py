"""Every route table of the API, in one list."""

from vox.chat.api.access import Access
from vox.chat.features.auth import routes as auth
from vox.chat.features.dms import message_routes
from vox.chat.features.dms import routes as dms
from vox.chat.features.files import custom_images, gifs, previews
from vox.chat.features.files import routes as uploads
from vox.chat.features.friends import routes as friends
from vox.chat.features.invites import routes as invites
from vox.chat.features.members import routes as members
from vox.chat.features.members import users
from vox.chat.features.messages import pins, reactions, read_state, search
from vox.chat.features.messages import routes as messages
from vox.chat.features.moderation import routes as moderation
from vox.chat.features.roles import routes as roles
from vox.chat.features.server import routes as server
from vox.chat.features.spaces import categories, feeds, layout, overrides, rooms
from vox.chat.features.sync import routes as sync
from vox.chat.features.threads import routes as threads
from vox.http import routing

_TABLES = {
    "auth": auth.routes,
    "categories": categories.routes,
    "custom_images": custom_images.routes,
    "dm_messages": message_routes.routes,
    "dms": dms.routes,
    "embeds": previews.routes,
    "feeds": feeds.routes,
    "friends": friends.routes,
    "gifs": gifs.routes,
    "invites": invites.routes,
    "layout": layout.routes,
    "members": members.routes,
    "messages": messages.routes,
    "moderation": moderation.routes,
    "overrides": overrides.routes,
    "pins": pins.routes,
    "reactions": reactions.routes,
    "read_state": read_state.routes,
    "roles": roles.routes,
    "rooms": rooms.routes,
    "search": search.routes,
    "server": server.routes,
    "sync": sync.routes,
    "threads": threads.routes,
    "uploads": uploads.routes,
    "users": users.routes,
}
"""By the name that the operations of the API description begin with."""


def all_routes() -> tuple[routing.RouteTable[Access], ...]:
    """The tables; a module with routes is imported here and nowhere else."""
    return tuple(table.grouped(name) for name, table in _TABLES.items())
