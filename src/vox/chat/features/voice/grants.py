"""What a member may do with media in a room, from permissions, moderators' marks and the stage; pure.

The one thing to know: token and permission of a participant come from the same function, so that what a client may do when it
joins and what it may do after a change cannot differ.
"""

from dataclasses import dataclass
from typing import Final

from vox.chat.events.ids import UserId
from vox.chat.events.permissions import P, holds
from vox.clients.rooms.contract import Permission
from vox.security.room_tokens import SOURCES, RoomClaims, VideoGrant

MICROPHONE: Final = "microphone"
STAGE: Final = "stage"
USER: Final = "user-"
AGENT: Final = "agent-"
CALLER: Final = "caller-"


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts of a member in a room.

    Args:
        mask: of permissions in the room.
        is_stage: whether only speakers publish.
        is_speaker: whether the member was let on the stage.
        server_mute: whether a moderator has muted the member.
        server_deaf: whether a moderator has deafened the member.
    """

    mask: int
    is_stage: bool = False
    is_speaker: bool = False
    server_mute: bool = False
    server_deaf: bool = False


def may_stay(mask: int) -> bool:
    """Whether a member with these permissions may be in the room at all."""
    return holds(mask, P.VIEW_SPACE | P.CONNECT)


def permission_of(standing: Standing) -> Permission:
    """What the media server lets a member do."""
    sources: set[str] = set()
    on_stage = not standing.is_stage or standing.is_speaker or holds(standing.mask, P.STAGE_MODERATOR)
    if on_stage:
        if holds(standing.mask, P.SPEAK) and not standing.server_mute:
            sources.add(MICROPHONE)
        if holds(standing.mask, P.VIDEO):
            sources.add("camera")
        if holds(standing.mask, P.STREAM):
            sources.add("screen_share")
            if not standing.server_mute:  # a client names its sources itself, so this one could carry the microphone
                sources.add("screen_share_audio")
    return Permission(
        can_subscribe=not standing.server_deaf,
        can_publish=bool(sources),
        can_publish_data=True,
        sources=frozenset(sources),
    )


def guest_permission() -> Permission:
    """What agents and telephone callers may do: all but video, and they may say who they listen to."""
    return Permission(sources=frozenset({MICROPHONE}), can_update_metadata=True)


def claims_of(
    room: str,
    identity: str,
    permission: Permission,
    *,
    name: str = "",
    kind: str = "",
    attributes: dict[str, str] | None = None,
) -> RoomClaims:
    """The token of a participant, without its times."""
    grant = VideoGrant(
        room_join=True,
        room=room,
        can_publish=permission.can_publish,
        can_subscribe=permission.can_subscribe,
        can_publish_data=permission.can_publish_data,
        can_publish_sources=tuple(one for one in SOURCES if one in permission.sources),
        can_update_own_metadata=permission.can_update_metadata,
        agent=kind == "agent",
    )
    return RoomClaims(sub=identity, name=name, kind=kind, attributes=attributes or {}, video=grant)


def is_granted(given: Permission | None, due: Permission) -> bool:
    """Whether the media server's permission is the one that is due."""
    if given is None or not given.can_publish_data:
        return False
    given_sources = given.sources if given.can_publish else frozenset[str]()
    if given.can_publish and not given.sources:  # everything
        return False
    return (given.can_subscribe, given_sources) == (due.can_subscribe, due.sources)


def user_of(identity: str) -> UserId | None:
    """The user of a participant's identity; None where it is no user's."""
    number = identity.removeprefix(USER)
    is_user = identity.startswith(USER) and number.isascii() and number.isdigit() and len(number) < 19  # noqa: PLR2004  64 bits
    return UserId(int(number)) if is_user else None
