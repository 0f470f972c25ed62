"""What must be done so that a room of the media server and the community's state of it agree; pure.

The community decides who belongs into a room and what each may do; the media server knows who is there and what is published.
So the plan has two halves: commands for the media server, and what the community learns from it. Making it again after it was
carried out gives an empty one, whatever happened before: lost commands, a restart, webhooks twice or in any order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from vox.chat.events.ids import UserId
from vox.chat.features.voice.grants import AGENT, CALLER, MICROPHONE, is_granted, user_of
from vox.clients.rooms.contract import Participant, Permission

JOIN_S: Final = 60
"""How long a member may take to connect to the media."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A member of the room, as the community has it.

    Args:
        user_id: who.
        permission: what the member may do.
        absent_since: since when the media is not connected (Unix seconds); None where it is.
        was_present: whether it has ever been, since the member joined.
        is_online: whether the member has a session at the gateway.
        self_mute: whether the member says to be muted.
        video: whether a camera is shown.
        streaming: whether a screen is shown.
        server_mute: whether a moderator has muted the member: then the microphone says nothing of the member's own wish.
    """

    user_id: UserId
    permission: Permission
    absent_since: int | None = None
    was_present: bool = False
    is_online: bool = True
    self_mute: bool = False
    video: bool = False
    streaming: bool = False
    server_mute: bool = False


@dataclass(frozen=True, slots=True)
class ExpectedGuest:
    """An agent or caller of the room, by identity."""

    identity: str
    guest_id: int
    created_at: int
    joined_at: int | None = None
    absent_since: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the media shows of a member."""

    self_mute: bool
    video: bool
    streaming: bool


@dataclass(slots=True)
class Plan:
    """What is to be done.

    Attributes:
        remove: identities that the media server shall disconnect.
        permit: permissions that it shall set, by identity.
        gone: members whose media has been away for too long.
        absent: members whose media is away from now on.
        present: members whose media is there again.
        seen: members whose media shows something else than their state.
        guests_gone: guests that are away for good.
        guests_absent: guests that are away from now on.
        guests_present: guests that have come.
    """

    remove: list[str] = field(default_factory=list[str])
    permit: dict[str, Permission] = field(default_factory=dict[str, Permission])
    gone: list[UserId] = field(default_factory=list[UserId])
    absent: list[UserId] = field(default_factory=list[UserId])
    present: list[UserId] = field(default_factory=list[UserId])
    seen: dict[UserId, Seen] = field(default_factory=dict[UserId, Seen])
    guests_gone: list[int] = field(default_factory=list[int])
    guests_absent: list[int] = field(default_factory=list[int])
    guests_present: list[int] = field(default_factory=list[int])

    @property
    def changes_state(self) -> bool:
        """Whether the community has something to write down."""
        return bool(
            self.gone
            or self.absent
            or self.present
            or self.seen
            or self.guests_gone
            or self.guests_absent
            or self.guests_present
        )


def plan(
    members: Iterable[Expected],
    guests: Iterable[ExpectedGuest],
    there: Iterable[Participant],
    *,
    now_s: int,
    grace_s: int,
) -> Plan:
    """Compares both sides.

    Args:
        members: of the community.
        guests: agents and callers that were let in.
        there: the media server's participants.
        now_s: Unix seconds.
        grace_s: how long a member whose media is lost still belongs into the room.
    """
    found = Plan()
    present = {one.identity: one for one in there}
    expected: set[str] = set()
    for member in members:
        identity = f"user-{member.user_id}"
        expected.add(identity)
        participant = present.get(identity)
        if participant is None:
            _absent(found, member, now_s, grace_s)
        else:
            _present(found, member, participant)
    for guest in guests:
        expected.add(guest.identity)
        _guest(found, guest, is_there=guest.identity in present, now_s=now_s, grace_s=grace_s)
    found.remove = sorted(one for one in present if one not in expected and is_ours(one))
    return found


def is_ours(identity: str) -> bool:
    """Whether an identity is one that this server gives out; others belong to who else uses the media server."""
    return user_of(identity) is not None or identity.startswith((AGENT, CALLER))


def _absent(found: Plan, member: Expected, now_s: int, grace_s: int) -> None:
    if member.absent_since is None:
        found.absent.append(member.user_id)
        return
    allowed = grace_s if member.was_present or not member.is_online else max(grace_s, JOIN_S)
    if now_s - member.absent_since >= allowed:
        found.gone.append(member.user_id)


def _present(found: Plan, member: Expected, participant: Participant) -> None:
    if member.absent_since is not None or not member.was_present:
        found.present.append(member.user_id)
    if not is_granted(participant.permission, member.permission):
        found.permit[participant.identity] = member.permission
    camera, screen = participant.track("camera"), participant.track("screen_share")
    microphone = participant.track(MICROPHONE)
    seen = Seen(
        self_mute=member.self_mute if microphone is None or member.server_mute else microphone.is_muted,
        video=camera is not None and not camera.is_muted,
        streaming=screen is not None and not screen.is_muted,
    )
    if seen != Seen(member.self_mute, member.video, member.streaming):
        found.seen[member.user_id] = seen


def _guest(found: Plan, guest: ExpectedGuest, *, is_there: bool, now_s: int, grace_s: int) -> None:
    if is_there:
        if guest.joined_at is None or guest.absent_since is not None:
            found.guests_present.append(guest.guest_id)
    elif guest.joined_at is None:
        if now_s - guest.created_at >= JOIN_S:
            found.guests_gone.append(guest.guest_id)
    elif guest.absent_since is None:
        found.guests_absent.append(guest.guest_id)
    elif now_s - guest.absent_since >= grace_s:
        found.guests_gone.append(guest.guest_id)
