"""A user's settings over REST: the same for all of the user's clients."""

from functools import partial
from typing import Any, Final

from vox.chat.api.access import checked
from vox.chat.api.request import Call, Reply, RouteTable
from vox.chat.errors import refuse
from vox.chat.events.ids import UserId
from vox.chat.features.settings.queries import Stored, read_settings
from vox.chat.features.settings.schemas import Settings, SettingsChange
from vox.chat.features.settings.service import checked_document, replace_settings

ONESELF: Final = checked("oneself")

routes = RouteTable()


@routes.get("/users/{user_id}/settings", access=ONESELF, returns=Settings)
async def get_settings(call: Call) -> Reply:
    """The caller's settings, and how often they were changed."""
    return _shown(await call.chat.read(partial(read_settings, user_id=own(call))))


@routes.put("/users/{user_id}/settings", access=ONESELF, body=SettingsChange, returns=Settings)
async def put_settings(call: Call[SettingsChange]) -> Reply:
    """Replaces the caller's settings, where they were not changed since the revision that the caller has."""
    document = checked_document(call.body.settings)
    unit = partial(replace_settings, user_id=own(call), revision=call.body.revision, document=document)
    return _shown(await call.chat.change(unit))


def own(call: Call[Any, Any]) -> UserId:
    """The caller, who must be the user of the path.

    Raises:
        Refusal: FORBIDDEN for another user, USER_NOT_FOUND where there is none.
    """
    if call.target_id != call.user_id:
        if call.target_id not in call.chat.community.users:
            raise refuse("USER_NOT_FOUND", f"There is no user {call.target_id}.")
        raise refuse("FORBIDDEN", "Only the user has access to this; write @me.")
    return call.user_id


def _shown(stored: Stored) -> Reply:
    """The settings as the client wrote them: texts and numbers in them are no ids to be turned into texts."""
    body = b'{"revision":%d,"settings":%b}' % (stored[0], stored[1].encode())
    return Reply(200, body, {"content-type": "application/json"})
