"""Who may call a route, declared beside it and asked in one place.

No route exists without a declaration, so that forgetting one is a type error rather than a hole. `checked` is for routes
whose answer depends on more than the path; its text says what the endpoint itself asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vox.chat.errors import missing_permission, refuse
from vox.chat.events.permissions import P

if TYPE_CHECKING:
    from vox.chat.api.request import Call
    from vox.chat.server import Chat

Kind = Literal["nobody", "user", "permission", "feed", "room", "self", "dm", "checked"]


@dataclass(frozen=True, slots=True)
class Access:
    """What a route demands.

    Args:
        kind: which question is asked.
        permission: what is needed, where a permission is.
        text: the demand in words, for the documentation.
        sees: the space of the path that must be visible besides.
    """

    kind: Kind
    permission: P | None = None
    text: str = ""
    sees: Literal["feed", "room"] | None = None

    @property
    def is_public(self) -> bool:
        """Whether no login is needed."""
        return self.kind == "nobody"

    @property
    def security(self) -> Sequence[Mapping[str, Sequence[str]]]:
        """OpenAPI security requirements."""
        return () if self.is_public else ({"token": ()},)

    def check(self, chat: "Chat", call: "Call[object, object]") -> None:
        """Raises the refusal where the caller may not.

        Raises:
            Refusal: as §3 and §5 of the specification say.
        """
        if self.kind in {"nobody", "user", "checked"}:
            return
        community, permission = chat.community, self.permission
        if self.kind == "permission":
            assert_permission(permission is None or community.may(call.user_id, permission), permission)
            if self.sees is not None:
                self._check_sees(chat, call, self.sees)
        elif self.kind in {"feed", "room"}:
            self._check_space(chat, call)
        elif self.kind == "self":
            self._check_self(chat, call)
        elif self.kind == "dm" and not community.in_dm(call.user_id, call.id("dm_id")):
            raise refuse("NOT_DM_PARTICIPANT", "You are not part of this conversation.")

    def _check_space(self, chat: "Chat", call: "Call[object, object]") -> None:
        community, permission = chat.community, self.permission or P.VIEW_SPACE
        kind: Literal["feed", "room"] = "feed" if self.kind == "feed" else "room"
        space = call.id(f"{kind}_id")
        known = community.feeds if kind == "feed" else community.rooms
        if space in known:
            assert_permission(community.may_in(call.user_id, kind, space, permission), permission)
        else:
            assert_permission(community.may(call.user_id, permission), permission)
            raise refuse("SPACE_NOT_FOUND", f"There is no {kind} {space}.")

    def _check_sees(self, chat: "Chat", call: "Call[object, object]", kind: Literal["feed", "room"]) -> None:
        community, space = chat.community, call.id(f"{kind}_id")
        known = community.feeds if kind == "feed" else community.rooms
        if space in known:
            assert_permission(community.may_in(call.user_id, kind, space, P.VIEW_SPACE), P.VIEW_SPACE)

    def _check_self(self, chat: "Chat", call: "Call[object, object]") -> None:
        target = call.target_id
        if target == call.user_id:
            return
        if self.permission is not None:
            assert_permission(chat.community.may(call.user_id, self.permission), self.permission)
        if target not in chat.community.users:
            raise refuse("USER_NOT_FOUND", f"There is no user {target}.")


PUBLIC = Access("nobody", text="no login")
"""No login is needed."""
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


def _name(permission: P | None) -> str:
    return permission.name or str(int(permission)) if permission is not None else ""
