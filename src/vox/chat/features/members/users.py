"""Profiles and presence of users.

A profile is answered from memory; only its rarely read half is fetched from the database the first time.
"""

from functools import partial
from typing import Any

from vox.chat.api.access import USER, self_or
from vox.chat.api.request import Call, RouteTable
from vox.chat.api.validation import validate_address, validate_length, validate_person_name, validate_prose
from vox.chat.errors import refuse
from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P
from vox.chat.features.members import service
from vox.chat.features.members.schemas import Presence, User, UserChange

routes = RouteTable()


@routes.get("/users/{user_id}", access=self_or(), returns=User)
async def get_user(call: Call) -> User:
    """Returns the profile of a user, including one who has left."""
    found = await _profile(call, call.target_id)
    if found.federated and call.chat.federation is not None:
        call.chat.federation.viewed(UserId(found.user_id), found.username)
    return found


@routes.patch("/users/{user_id}", access=self_or(P.ADMINISTRATOR), body=UserChange, returns=User)
async def change_user(call: Call[UserChange]) -> User:
    """Changes display name, avatar or biography."""
    chat, body, user_id = call.chat, call.body, call.target_id
    limits = chat.config.limit
    changed: dict[str, str] = {}
    if body.display_name is not None:
        changed["display_name"] = validate_person_name(limits, "display_name", body.display_name, "display_name_max")
    if body.avatar is not None:
        validate_length(limits, "avatar", body.avatar, "avatar_max")
        validate_address("avatar", body.avatar)
        changed["avatar"] = body.avatar
    if body.bio is not None:
        validate_prose(limits, "bio", body.bio, "bio_max")
        changed["bio"] = body.bio
    if changed:
        await chat.change(partial(service.change_profile, user_id=user_id, changed=changed))
    return await _profile(call, user_id)


@routes.get("/users/{user_id}/presence", access=USER, returns=Presence)
async def get_presence(call: Call) -> Presence:
    """Returns whether a user is online, as others may see it."""
    user_id = call.id("user_id")
    if user_id not in call.chat.community.users:
        raise refuse("USER_NOT_FOUND", f"There is no user {user_id}.")
    shown = call.chat.presence.public(user_id)
    return Presence(user_id, shown["status"], shown.get("custom_status"), shown.get("activity"))


async def _profile(call: Call[Any], user_id: UserId) -> User:
    chat = call.chat
    profiles = chat.logins.profiles
    profile = profiles.kept(user_id) or await profiles.read(user_id)
    person = chat.community.users.get(user_id)
    if person is None or profile is None:
        raise refuse("USER_NOT_FOUND", f"There is no user {user_id}.")
    return User(
        user_id,
        person.username,
        person.display_name,
        person.avatar,
        profile.bio,
        sorted(person.role_ids),
        profile.created_at,
        profile.federated,
        profile.home_domain,
    )
