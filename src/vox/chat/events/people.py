"""Events around people and the community as a whole: members, roles, friends, presence, invites, emoji, settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from vox.chat.events.audience import EVERYONE, InviteViewers, Users
from vox.chat.events.event import Event, shown
from vox.chat.events.ids import FeedId, LoginId, RoleId, UserId
from vox.chat.events.kinds import LOGGED_OUT, LOGIN_REVOKED, REMOTE_CONTACT


def member_join(
    *,
    user_id: UserId,
    username: str,
    display_name: str | None = None,
    nickname: str | None = None,
    avatar: str | None = None,
    role_ids: Sequence[RoleId] = (),
    is_federated: bool = False,
) -> Event:
    """A user registered, joined or came back; nickname, avatar and roles are for the servers only."""
    facts = {
        "nickname": nickname,
        "avatar": avatar,
        "role_ids": sorted(role_ids),
        "is_federated": is_federated,
    }
    payload = {"user_id": user_id, "username": username} | shown(display_name=display_name)
    return Event("member_join", payload, EVERYONE, facts=facts)


def remote_contact(*, user_id: UserId, username: str, display_name: str) -> Event:
    """A user of another server has come to be known to the servers; members see them in a conversation."""
    facts = {"user_id": user_id, "username": username, "display_name": display_name}
    return Event(REMOTE_CONTACT, {}, Users(()), facts=facts)


def member_leave(*, user_id: UserId) -> Event:
    """A member left or was kicked."""
    return Event("member_leave", {"user_id": user_id}, EVERYONE)


def member_ban(*, user_id: UserId) -> Event:
    """A user was banned."""
    return Event("member_ban", {"user_id": user_id}, EVERYONE)


def member_unban(*, user_id: UserId) -> Event:
    """A ban was lifted, which makes the member active again."""
    return Event("member_unban", {"user_id": user_id}, EVERYONE)


def member_update(*, user_id: UserId, nickname: str | None = None) -> Event:
    """A member has another nickname; None takes it away."""
    return Event("member_update", {"user_id": user_id} | shown(nickname=nickname), EVERYONE)


def user_update(*, user_id: UserId, changed: Mapping[str, Any]) -> Event:
    """A user changed display_name, avatar or bio."""
    return Event("user_update", {"user_id": user_id, **changed}, EVERYONE)


def role_create(*, role_id: RoleId, name: str, color: int | None, permissions: int, position: int) -> Event:
    """A role was made."""
    payload = {"role_id": role_id, "name": name, "color": color, "permissions": permissions, "position": position}
    return Event("role_create", payload, EVERYONE)


def role_update(*, role_id: RoleId, changed: Mapping[str, Any]) -> Event:
    """A role has another name, color, permissions or position."""
    return Event("role_update", {"role_id": role_id, **changed}, EVERYONE)


def role_delete(*, role_id: RoleId) -> Event:
    """A role is gone, from its members and from all overrides."""
    return Event("role_delete", {"role_id": role_id}, EVERYONE)


def role_assign(*, role_id: RoleId, user_id: UserId) -> Event:
    """A member has one role more."""
    return Event("role_assign", {"role_id": role_id, "user_id": user_id}, EVERYONE)


def role_revoke(*, role_id: RoleId, user_id: UserId) -> Event:
    """A member has one role less."""
    return Event("role_revoke", {"role_id": role_id, "user_id": user_id}, EVERYONE)


def presence_update(
    *, user_id: UserId, status: str, custom_status: object = None, activity: Mapping[str, Any] | None = None
) -> Event:
    """A user is online, idle, busy or offline; what others may see of it."""
    payload = {"user_id": user_id, "status": status} | shown(custom_status=custom_status, activity=activity)
    return Event("presence_update", payload, EVERYONE)


def friend_request(*, user_id: UserId, target_id: UserId) -> Event:
    """A user asks for friendship."""
    return _between("friend_request", user_id, target_id)


def friend_add(*, user_id: UserId, target_id: UserId) -> Event:
    """Two became friends."""
    return _between("friend_add", user_id, target_id)


def friend_reject(*, user_id: UserId, target_id: UserId) -> Event:
    """A request was turned down."""
    return _between("friend_reject", user_id, target_id)


def friend_remove(*, user_id: UserId, target_id: UserId) -> Event:
    """A friendship ended."""
    return _between("friend_remove", user_id, target_id)


def block_add(*, user_id: UserId, target_id: UserId) -> Event:
    """A user blocked another user."""
    return _between("block_add", user_id, target_id)


def block_remove(*, user_id: UserId, target_id: UserId) -> Event:
    """A block was lifted."""
    return _between("block_remove", user_id, target_id)


def invite_create(*, code: str, creator_id: UserId, feed_id: FeedId | None = None) -> Event:
    """An invite was made; a code lets people in, so only those who may list it are told."""
    payload = {"code": code, "creator_id": creator_id} | shown(feed_id=feed_id)
    return Event("invite_create", payload, InviteViewers(creator_id, feed_id))


def invite_delete(*, code: str, creator_id: UserId | None, feed_id: FeedId | None = None) -> Event:
    """An invite is void; told to those who could list it."""
    return Event("invite_delete", {"code": code}, InviteViewers(creator_id, feed_id))


def server_update(*, changed: Mapping[str, Any]) -> Event:
    """The community has another name, icon or description."""
    return Event("server_update", dict(changed), EVERYONE)


def emoji_create(*, emoji_id: int, name: str, creator_id: UserId, image: str | None = None) -> Event:
    """An emoji was added."""
    payload = {"emoji_id": emoji_id, "name": name, "creator_id": creator_id} | shown(image=image)
    return Event("emoji_create", payload, EVERYONE)


def emoji_update(*, emoji_id: int, name: str) -> Event:
    """An emoji has another name."""
    return Event("emoji_update", {"emoji_id": emoji_id, "name": name}, EVERYONE)


def emoji_delete(*, emoji_id: int) -> Event:
    """An emoji is gone."""
    return Event("emoji_delete", {"emoji_id": emoji_id}, EVERYONE)


def sticker_create(*, sticker_id: int, name: str, creator_id: UserId, image: str | None = None) -> Event:
    """A sticker was added."""
    payload = {"sticker_id": sticker_id, "name": name, "creator_id": creator_id} | shown(image=image)
    return Event("sticker_create", payload, EVERYONE)


def sticker_update(*, sticker_id: int, name: str) -> Event:
    """A sticker has another name."""
    return Event("sticker_update", {"sticker_id": sticker_id, "name": name}, EVERYONE)


def sticker_delete(*, sticker_id: int) -> Event:
    """A sticker is gone."""
    return Event("sticker_delete", {"sticker_id": sticker_id}, EVERYONE)


def login_revoked(user_id: UserId, session_ids: Sequence[LoginId] | None = None, *, reason: str = LOGGED_OUT) -> Event:
    """Ends logins in every process and closes their sockets.

    The rows of a kicked or banned user in `sessions` stay, because their tokens are only good for rejoining.

    Args:
        user_id: the owner of the logins.
        session_ids: which logins; None for all.
        reason: what their sockets are told.
    """
    facts: dict[str, Any] = {"user_id": user_id, "reason": reason}
    if session_ids is not None:
        facts["session_ids"] = list(session_ids)
    return Event(LOGIN_REVOKED, {}, Users(()), facts=facts)


def _between(kind: str, user_id: UserId, target_id: UserId) -> Event:
    return Event(kind, {"user_id": user_id, "target_id": target_id}, Users((user_id, target_id)))
