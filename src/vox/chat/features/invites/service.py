"""Units of work around invites, and whether an invite is valid when it is used: the same for registering and rejoining.

An invite is valid while its creator may invite: once that member has left, is banned or has lost the permission, it is refused.
Uses are counted in the statement that checks them, so two users cannot share the last one.
"""

from functools import partial

from msgspec import structs

from vox.chat.api.hierarchy import assert_may, fresh_community
from vox.chat.community import Community
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.errors import missing_permission, refuse
from vox.chat.events import invite_create, invite_delete
from vox.chat.events.ids import FeedId, UserId
from vox.chat.events.permissions import P
from vox.chat.features.invites import queries
from vox.chat.features.invites.schemas import Invite
from vox.stores.sql import Connection


def create(connection: Connection, *, actor_id: UserId, invite: Invite) -> Change[None]:
    """Stores a new invite.

    Raises:
        DependencyError: database_conflict, its feed has been deleted.
    """
    lock_event_order(connection)
    queries.insert_invite(connection, invite)
    feed_id = None if invite.feed_id is None else FeedId(invite.feed_id)
    event = invite_create(code=invite.code, creator_id=actor_id, feed_id=feed_id)
    metadata = {"code": invite.code, "max_uses": invite.max_uses, "expires_at": invite.expires_at}
    return Change(None, [event], [AuditEntry("invite.create", actor_id, None, metadata)])


def may_manage(community: Community, actor_id: UserId) -> bool:
    """Whether the actor sees and deletes everyone's invites rather than their own.

    Raises:
        Refusal: MISSING_PERMISSIONS where they may not even have their own.
    """
    if community.may(actor_id, P.MANAGE_SERVER):
        return True
    assert_may(community, actor_id, P.CREATE_INVITES)
    return False


def shown_to(community: Community, user_id: UserId, invite: Invite) -> Invite:
    """An invite as a user may see it: without the feed where they cannot view it."""
    if invite.feed_id is not None and not community.may_in(user_id, "feed", FeedId(invite.feed_id), P.VIEW_SPACE):
        return structs.replace(invite, feed_id=None)
    return invite


def delete(connection: Connection, *, actor_id: UserId, code: str) -> Change[None]:
    """Deletes an invite: one's own, or any with MANAGE_SERVER.

    Raises:
        Refusal: INVITE_INVALID, MISSING_PERMISSIONS.
    """
    is_manager = may_manage(fresh_community(connection, actor_id), actor_id)
    terms = queries.read_terms(connection, code=code)
    if terms is None:
        raise unknown_invite()
    if not is_manager and terms.creator_id != actor_id:
        raise missing_permission("MANAGE_SERVER")
    if not queries.delete_invite(connection, code=code):
        raise unknown_invite()
    event = invite_delete(code=code, creator_id=terms.creator_id, feed_id=terms.feed_id)
    return Change(None, [event], [AuditEntry("invite.delete", actor_id, None, {"code": code})])


async def assert_usable(chat: ChatContext, code: str) -> None:
    """Refuses an invite whose creator may no longer invite, before a unit of work uses it.

    Raises:
        Refusal: INVITE_INVALID (422).
    """
    creator_id = await chat.read(partial(queries.read_creator, code=_storable(code)))
    if creator_id is None or not chat.community.may(creator_id, P.CREATE_INVITES):
        raise _invalid()


def use_invite(connection: Connection, code: str, now_s: int) -> None:
    """Counts one use, within the unit of work that admits a user.

    Raises:
        Refusal: INVITE_INVALID (422) where it is unknown, used up or no longer valid, INVITE_EXPIRED.
    """
    terms = queries.read_terms(connection, code=_storable(code))
    if terms is None or terms.creator_id is None:
        raise _invalid()
    # Memory was asked before; the creator may have lost the permission since.
    if not fresh_community(connection, terms.creator_id).may(terms.creator_id, P.CREATE_INVITES):
        raise _invalid()
    if terms.expires_at is not None and terms.expires_at <= now_s:
        raise refuse("INVITE_EXPIRED", "This invite has expired.")
    if not queries.count_use(connection, code=code):
        raise _invalid()


def unknown_invite() -> Exception:
    """The refusal of a code that is no invite, where one is shown or deleted."""
    return refuse("INVITE_INVALID", "This invite is unknown.")


def _storable(code: str) -> str:
    if "\0" in code:
        raise _invalid()
    return code


def _invalid() -> Exception:
    return refuse("INVITE_INVALID", "This invite is unknown or used up.", status=422)
