"""Every route table of the API, in one list."""

from vox.chat.api.access import Access
from vox.chat.features.account import routes as account
from vox.chat.features.account_recovery import routes as account_recovery
from vox.chat.features.auth import routes as auth
from vox.chat.features.automod import routes as automod
from vox.chat.features.bots import routes as bots
from vox.chat.features.client import routes as client
from vox.chat.features.dms import message_routes
from vox.chat.features.dms import routes as dms
from vox.chat.features.federation import peer_routes
from vox.chat.features.federation import routes as federation
from vox.chat.features.feed_retention import routes as feed_retention
from vox.chat.features.files import routes as files
from vox.chat.features.friends import routes as friends
from vox.chat.features.interactions import routes as interactions
from vox.chat.features.invites import routes as invites
from vox.chat.features.keys import routes as keys
from vox.chat.features.media import routes as media
from vox.chat.features.members import ban_list_routes, directory, users
from vox.chat.features.members import routes as members
from vox.chat.features.messages import routes as messages
from vox.chat.features.moderation import member_routes
from vox.chat.features.moderation import routes as moderation
from vox.chat.features.oidc import routes as oidc
from vox.chat.features.operation_ids import PUBLISHED
from vox.chat.features.outgoing_webhooks import routes as outgoing_webhooks
from vox.chat.features.passkeys import routes as passkeys
from vox.chat.features.push import routes as push
from vox.chat.features.roles import routes as roles
from vox.chat.features.second_factors import routes as second_factors
from vox.chat.features.server import routes as server
from vox.chat.features.settings import routes as settings
from vox.chat.features.spaces import routes as spaces
from vox.chat.features.stage import routes as stage
from vox.chat.features.sync import routes as sync
from vox.chat.features.threads import routes as threads
from vox.chat.features.voice import guest_routes as voice_guests
from vox.chat.features.voice import routes as voice
from vox.chat.features.voice import server_routes as voice_servers
from vox.chat.features.webhooks import routes as webhooks
from vox.http import routing

_TABLES = {
    "account": account.routes,
    "account_recovery": account_recovery.routes,
    "auth": auth.routes,
    "bots": bots.routes,
    "client": client.routes,
    "automod": automod.routes,
    "ban_lists": ban_list_routes.routes,
    "dm_messages": message_routes.routes,
    "dms": dms.routes,
    "feed_retention": feed_retention.routes,
    "federation": federation.routes,
    "federation_peers": peer_routes.routes,
    "files": files.routes,
    "friends": friends.routes,
    "interactions": interactions.routes,
    "invites": invites.routes,
    "media": media.routes,
    "keys": keys.routes,
    "members": members.routes,
    "member_directory": directory.routes,
    "messages": messages.routes,
    "moderation": moderation.routes,
    "outgoing_webhooks": outgoing_webhooks.routes,
    "push": push.routes,
    "oidc": oidc.routes,
    "passkeys": passkeys.routes,
    "moderation_members": member_routes.routes,
    "roles": roles.routes,
    "second_factors": second_factors.routes,
    "server": server.routes,
    "settings": settings.routes,
    "spaces": spaces.routes,
    "stage": stage.routes,
    "sync": sync.routes,
    "threads": threads.routes,
    "users": users.routes,
    "voice": voice.routes,
    "voice_guests": voice_guests.routes,
    "voice_servers": voice_servers.routes,
    "webhooks": webhooks.routes,
}
"""By the name that the operations of the API description begin with."""


def all_routes() -> tuple[routing.RouteTable[Access], ...]:
    """The tables; a module with routes is imported here and nowhere else."""
    return tuple(table.grouped(name, PUBLISHED) for name, table in _TABLES.items())
