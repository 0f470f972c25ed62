"""Every route table of the API, in one list."""

from vox.chat.api.access import Access
from vox.chat.features.account import routes as account
from vox.chat.features.auth import routes as auth
from vox.chat.features.dms import message_routes
from vox.chat.features.dms import routes as dms
from vox.chat.features.feed_retention import routes as feed_retention
from vox.chat.features.files import routes as files
from vox.chat.features.friends import routes as friends
from vox.chat.features.invites import routes as invites
from vox.chat.features.members import routes as members
from vox.chat.features.members import users
from vox.chat.features.messages import routes as messages
from vox.chat.features.moderation import routes as moderation
from vox.chat.features.operation_ids import PUBLISHED
from vox.chat.features.roles import routes as roles
from vox.chat.features.server import routes as server
from vox.chat.features.spaces import routes as spaces
from vox.chat.features.sync import routes as sync
from vox.chat.features.threads import routes as threads
from vox.http import routing

_TABLES = {
    "account": account.routes,
    "auth": auth.routes,
    "dm_messages": message_routes.routes,
    "dms": dms.routes,
    "feed_retention": feed_retention.routes,
    "files": files.routes,
    "friends": friends.routes,
    "invites": invites.routes,
    "members": members.routes,
    "messages": messages.routes,
    "moderation": moderation.routes,
    "roles": roles.routes,
    "server": server.routes,
    "spaces": spaces.routes,
    "sync": sync.routes,
    "threads": threads.routes,
    "users": users.routes,
}
"""By the name that the operations of the API description begin with."""


def all_routes() -> tuple[routing.RouteTable[Access], ...]:
    """The tables; a module with routes is imported here and nowhere else."""
    return tuple(table.grouped(name, PUBLISHED) for name, table in _TABLES.items())
