"""Subscriptions to pushes over REST: one for each login, which goes with it."""

from functools import partial
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from vox.chat.api.request import Call, RouteTable
from vox.chat.database.conflicts import map_conflict
from vox.chat.database.unit_of_work import Change
from vox.chat.errors import refuse
from vox.chat.events.ids import LoginId
from vox.chat.features.push import queries
from vox.chat.features.settings.routes import ONESELF, own
from vox.errors import UsageError
from vox.security.web_push import receiver
from vox.stores.sql import Connection

LONGEST_ENDPOINT: Final = 2048

Key = Annotated[str, Meta(min_length=1, max_length=256)]

routes = RouteTable()


class SubscriptionKeys(msgspec.Struct, frozen=True):
    """The browser's keys, base64url."""

    p256dh: Key
    auth: Key


class NewPushSubscription(msgspec.Struct, frozen=True):
    """What `PushSubscription.toJSON()` gives in a browser."""

    endpoint: Annotated[str, Meta(min_length=1, max_length=LONGEST_ENDPOINT)]
    keys: SubscriptionKeys


@routes.put("/users/{user_id}/push", access=ONESELF, body=NewPushSubscription)
async def subscribe(call: Call[NewPushSubscription]) -> None:
    """Sends this login's pushes to this browser."""
    chat, body = call.chat, call.body
    values: dict[str, Any] = {
        "session_id": call.session_id,
        "user_id": own(call),
        "endpoint": body.endpoint,
        "public_key": body.keys.p256dh,
        "auth_secret": body.keys.auth,
        "now_s": chat.clock.unix_s(),
    }
    if chat.push_key is None:
        raise refuse("UNKNOWN", "This server sends no pushes.")
    try:
        chat.push_outbound.check_url(body.endpoint)
    except UsageError:
        raise refuse("INVALID_URL", "This is no address of a push service.") from None
    try:
        receiver(body.keys.p256dh, body.keys.auth)
    except UsageError:
        raise refuse("VALIDATION_ERROR", "body.keys: expected p256dh and auth as the browser gives them") from None
    with map_conflict(refuse("AUTH_EXPIRED", "This login has just ended.")):
        await chat.change(partial(_kept, values=values))


@routes.delete("/users/{user_id}/push", access=ONESELF)
async def unsubscribe(call: Call) -> None:
    """Ends the pushes of this login."""
    own(call)
    await call.chat.change(partial(_removed, session_id=call.session_id))


def _kept(connection: Connection, *, values: dict[str, Any]) -> Change[None]:
    queries.keep_subscription(connection, values)
    return Change(None)


def _removed(connection: Connection, *, session_id: LoginId) -> Change[None]:
    queries.remove_subscription(connection, session_id)
    return Change(None)
