"""Who may call a route, declared beside it and asked in one place.

No route exists without a declaration, so that forgetting one is a type error rather than a hole. `checked` is for routes
whose answer depends on more than the path; its text says what the endpoint itself asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vox.chat.api.path_ids import path_id, target_id
from vox.chat.community import Community
from vox.chat.errors import Refusal, missing_permission, refuse, timed_out
from vox.chat.events.ids import DmId, FeedId, RoomId, UserId
from vox.chat.events.permissions import P

Kind = Literal["public", "user", "permission", "feed", "room", "self", "dm", "checked"]


@dataclass(frozen=True, slots=True)
class Access:
    """What a route demands.

    Args:
        kind: which question is asked.
        permission: what is needed, where a permission is.
        text: the demand in words, for the documentation.
        sees: the space of the path that must be visible besides.
        takes_login: whether a route that needs no login looks at a token that comes nevertheless.
        limited_by: the secret of the path whose holder the rate limit counts for, in place of the address.
        needs_fresh_login: whether an account with a second factor must have shown it lately (`vox.chat.api.step_up`).
    """

    kind: Kind
    permission: P | None = None
    text: str = ""
    sees: Literal["feed", "room"] | None = None
    takes_login: bool = False
    limited_by: str = ""
    needs_fresh_login: bool = False

    def fresh(self) -> "Access":
        """The same, for what is dangerous in the hands of a stranger who finds an open session."""
        return replace(self, text=f"{self.text}; fresh login", needs_fresh_login=True)

    @property
    def is_public(self) -> bool:
        """Whether no login is needed."""
        return self.kind == "public"

    @property
    def security(self) -> Sequence[Mapping[str, Sequence[str]]]:
        """OpenAPI security requirements."""
        return () if self.is_public else ({"token": ()},)

    def check(self, community: Community, user_id: UserId, path: Mapping[str, str]) -> None:
        """Raises the refusal where the caller may not.

        Args:
            community: says who may what.
            user_id: the caller, who is logged in; not looked at where no login is needed.
            path: the values of the route's parameters.

        Raises:
            Refusal: MISSING_PERMISSIONS, TIMED_OUT, or that the thing of the path does not exist, or not for the caller.
        """
        if self.kind in {"public", "user", "checked"}:
            return
        permission = self.permission
        try:
            if self.kind == "permission":
                assert_permission(permission is None or community.may(user_id, permission), permission)
                if self.sees is not None:
                    _check_sees(community, user_id, path, self.sees)
            elif self.kind in {"feed", "room"}:
                self._check_space(community, user_id, path)
            elif self.kind == "self":
                self._check_self(community, user_id, path)
            elif self.kind == "dm" and not community.in_dm(user_id, DmId(path_id(path, "dm_id"))):
                raise refuse("NOT_DM_PARTICIPANT", "You are not part of this conversation.")
        except Refusal as error:
            if error.wire_code == "MISSING_PERMISSIONS" and (left_s := community.timeout_left_s(user_id)):
                raise timed_out(left_s) from None
            raise

    def _check_space(self, community: Community, user_id: UserId, path: Mapping[str, str]) -> None:
        permission = self.permission or P.VIEW_SPACE
        kind: Literal["feed", "room"] = "feed" if self.kind == "feed" else "room"
        space = path_id(path, f"{kind}_id")
        known = community.feeds if kind == "feed" else community.rooms
        if space in known:
            assert_permission(_may_in(community, user_id, kind, space, permission), permission)
        else:
            assert_permission(community.may(user_id, permission), permission)
            raise refuse("SPACE_NOT_FOUND", f"There is no {kind} {space}.")

    def _check_self(self, community: Community, user_id: UserId, path: Mapping[str, str]) -> None:
        target = target_id(path, user_id)
        if target == user_id:
            return
        if self.permission is not None:
            assert_permission(community.may(user_id, self.permission), self.permission)
        if target not in community.users:
            raise refuse("USER_NOT_FOUND", f"There is no user {target}.")


PUBLIC = Access("public", text="no login")
"""No login is needed."""
BY_TOKEN = Access("public", text="the token in the path", limited_by="token")
"""No login is needed; the path has a token, which the endpoint checks."""
USER = Access("user", text="any member")
"""Any member who is logged in."""
IN_DM = Access("dm", text="participant of the conversation")
"""Participants of the conversation in the path."""


def requires(permission: P, *, sees: Literal["feed", "room"] | None = None) -> Access:
    """Who holds the permission in the community, and may view the space of the path where one is named by `sees`."""
    text = _name(permission) + (f", and VIEW_SPACE in the {sees}" if sees else "")
    return Access("permission", permission, text, sees)


def in_feed(permission: P) -> Access:
    """Who holds the permission in the feed of the path."""
    return Access("feed", permission, f"{_name(permission)} in the feed")


def in_room(permission: P) -> Access:
    """Who holds the permission in the room of the path."""
    return Access("room", permission, f"{_name(permission)} in the room")


def self_or(permission: P | None = None) -> Access:
    """The user of the path, or who holds the permission; None lets every member."""
    return Access("self", permission, f"self or {_name(permission)}" if permission else "any member")


def checked(text: str) -> Access:
    """The endpoint asks itself; `text` says what."""
    return Access("checked", text=text)


def assert_permission(is_held: bool, permission: P | None) -> None:
    """Raises MISSING_PERMISSIONS where it is not held."""
    if not is_held:
        raise missing_permission(_name(permission))


def _check_sees(community: Community, user_id: UserId, path: Mapping[str, str], kind: Literal["feed", "room"]) -> None:
    space = path_id(path, f"{kind}_id")
    known = community.feeds if kind == "feed" else community.rooms
    if space in known:
        assert_permission(_may_in(community, user_id, kind, space, P.VIEW_SPACE), P.VIEW_SPACE)


def _may_in(community: Community, user_id: UserId, kind: Literal["feed", "room"], number: int, permission: P) -> bool:
    if kind == "feed":
        return community.may_in(user_id, "feed", FeedId(number), permission)
    return community.may_in(user_id, "room", RoomId(number), permission)


def _name(permission: P | None) -> str:
    return permission.name or str(int(permission)) if permission is not None else ""
