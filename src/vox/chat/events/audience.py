"""Who may know of an event: the closed set of audiences.

An audience is a rule, not a list of people: it is asked when the event is delivered, replayed or synchronised, so that what
counts is the permission of that moment. `Community.sees` answers it for one user, `AudienceIndex` for all sessions of a process.
"""

from typing import Final, Literal

import msgspec

from vox.chat.events.ids import DmId, FeedId, SpaceId, TargetId, UserId

SpaceKind = Literal["feed", "room"]
TargetKind = Literal["role", "user"]


class Everyone(msgspec.Struct, frozen=True, tag="everyone"):
    """Every active member."""


class Viewers(msgspec.Struct, frozen=True, tag="viewers"):
    """Who has VIEW_SPACE in a feed or room."""

    kind: SpaceKind
    id: SpaceId


class Readers(msgspec.Struct, frozen=True, tag="readers"):
    """Who may read a feed's messages: VIEW_SPACE and READ_HISTORY, just what GET messages asks."""

    feed_id: FeedId


class Participants(msgspec.Struct, frozen=True, tag="participants"):
    """The participants of a DM, and further users it concerns, such as one just removed."""

    dm_id: DmId
    besides: tuple[UserId, ...] = ()


class Users(msgspec.Struct, frozen=True, tag="users"):
    """These, wherever they are."""

    ids: tuple[UserId, ...]


class PermissionHolders(msgspec.Struct, frozen=True, tag="holders"):
    """Who holds a permission in the community."""

    permission: int


class InviteViewers(msgspec.Struct, frozen=True, tag="invite"):
    """Who may see an invite: its creator, and holders of MANAGE_SERVER who may view the feed that it leads to."""

    creator_id: UserId | None
    feed_id: FeedId | None = None


class SpaceOverride(msgspec.Struct, frozen=True, array_like=True):
    """What a role or user is allowed and denied in one space."""

    target_type: TargetKind
    target_id: TargetId
    allow: int = 0
    deny: int = 0


class FormerViewers(msgspec.Struct, frozen=True, tag="former"):
    """Who could view a space that is gone: by its last overrides and the roles of now."""

    overrides: tuple[SpaceOverride, ...] = ()


Audience = Everyone | Viewers | Readers | Participants | Users | PermissionHolders | InviteViewers | FormerViewers

EVERYONE: Final = Everyone()

_decoder = msgspec.json.Decoder[Audience](Audience)


def audience_text(audience: Audience) -> str:
    """The form for the column `event_log.audience`: JSON."""
    return msgspec.json.encode(audience).decode()


def audience_from(text: str) -> Audience:
    """The inverse of `audience_text`.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decoder.decode(text)
