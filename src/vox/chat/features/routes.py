"""Every route table of the API, in one list."""

from vox.chat.api.request import RouteTable
from vox.chat.features.auth import routes as auth
from vox.chat.features.dms import message_routes
from vox.chat.features.dms import routes as dms
from vox.chat.features.files import routes as files
from vox.chat.features.friends import routes as friends
from vox.chat.features.invites import routes as invites
from vox.chat.features.members import routes as members
from vox.chat.features.members import users
from vox.chat.features.messages import routes as messages
from vox.chat.features.moderation import routes as moderation
from vox.chat.features.roles import routes as roles
from vox.chat.features.server import routes as server
from vox.chat.features.spaces import routes as spaces
from vox.chat.features.sync import routes as sync
from vox.chat.features.threads import routes as threads

_MODULES = (
    auth,
    message_routes,
    dms,
    files,
    friends,
    invites,
    members,
    messages,
    moderation,
    roles,
    server,
    spaces,
    sync,
    threads,
    users,
)


def all_routes() -> tuple[RouteTable, ...]:
    """The tables; a module with routes is imported here and nowhere else."""
    return tuple(module.routes for module in _MODULES)
