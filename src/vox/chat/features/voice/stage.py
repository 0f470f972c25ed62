"""Who speaks on a stage and who was asked to; pure. The transitions are the only way a stage changes.

    listener ──invite──▸ invited ──accept (300 s)──▸ speaker ──revoke, leave──▸ listener
                            └──decline, time-out, leave──▸ listener

Only members of the room are invited or speak; who leaves is neither any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vox.chat.errors import Refusal, refuse
from vox.chat.events.ids import UserId

INVITE_S: Final = 300
"""How long an invitation may be accepted."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The stage of a room.

    Args:
        members: who is in the room.
        speakers: who may speak.
        invites: who was asked to, and when (Unix seconds).
    """

    members: frozenset[UserId] = frozenset()
    speakers: frozenset[UserId] = frozenset()
    invites: Mapping[UserId, int] = field(default_factory=dict[UserId, int])

    def join(self, user_id: UserId) -> "Stage":
        """A user comes, as a listener."""
        return replace(self, members=self.members | {user_id})

    def leave(self, user_id: UserId) -> "Stage":
        """A user goes, and is no longer a speaker or invited."""
        return replace(
            self,
            members=self.members - {user_id},
            speakers=self.speakers - {user_id},
            invites=_without(self.invites, user_id),
        )

    def request(self, user_id: UserId) -> "Stage":
        """A listener asks to speak, which changes nothing by itself.

        Raises:
            Refusal: NOT_IN_VOICE.
        """
        self._assert_member(user_id)
        return self

    def invite(self, user_id: UserId, now_s: int) -> "Stage":
        """A moderator asks a listener to speak; one more invitation begins its time anew.

        Raises:
            Refusal: NOT_IN_VOICE.
        """
        self._assert_member(user_id)
        if user_id in self.speakers:
            return self
        return replace(self, invites={**self.invites, user_id: now_s})

    def respond(self, user_id: UserId, now_s: int, *, accepted: bool) -> "Stage":
        """An invited user accepts or declines.

        Raises:
            Refusal: NO_PENDING_INVITE.
        """
        invited_at = self.invites.get(user_id)
        if invited_at is None or user_id not in self.members or now_s >= invited_at + INVITE_S:
            raise refuse("NO_PENDING_INVITE", "No invitation to speak waits for you.")
        speakers = self.speakers | {user_id} if accepted else self.speakers
        return replace(self, speakers=speakers, invites=_without(self.invites, user_id))

    def revoke(self, user_id: UserId) -> "Stage":
        """A speaker is a listener again, and an invitation is taken back."""
        return replace(self, speakers=self.speakers - {user_id}, invites=_without(self.invites, user_id))

    def _assert_member(self, user_id: UserId) -> None:
        if user_id not in self.members:
            raise not_in_voice(user_id)


def not_in_voice(user_id: UserId) -> Refusal:
    """The refusal for a user who is not in the room."""
    return refuse("NOT_IN_VOICE", f"User {user_id} is not in this room.")


def _without(invites: Mapping[UserId, int], user_id: UserId) -> Mapping[UserId, int]:
    return {one: at for one, at in invites.items() if one != user_id}
