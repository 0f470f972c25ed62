"""Requests and responses of members, profiles and bans."""

from msgspec import Struct

from vox.chat.community.state import Person


class User(Struct):
    """A user's profile."""

    user_id: int
    username: str
    display_name: str
    avatar: str | None
    bio: str | None
    roles: list[int]
    created_at: int
    federated: bool
    home_domain: str | None


class UserChange(Struct):
    """What to change of a profile."""

    display_name: str | None = None
    avatar: str | None = None
    bio: str | None = None


class Avatar(Struct):
    """The address of a user's avatar."""

    avatar: str


class Presence(Struct):
    """Whether a user is online, as others see it."""

    user_id: int
    status: str
    custom_status: object = None
    activity: object = None


class Member(Struct):
    """A user as a member."""

    user_id: int
    username: str
    display_name: str
    avatar: str | None
    nickname: str | None
    role_ids: list[int]


class MemberChange(Struct):
    """What to change of a member; an empty nickname removes it."""

    nickname: str | None = None


class Join(Struct):
    """The invite to join with."""

    invite_code: str


class Reason(Struct):
    """The reason for the audit log."""

    reason: str | None = None


class BanRequest(Struct):
    """A ban, and how many days of the user's messages are deleted with it."""

    reason: str | None = None
    delete_msg_days: int | None = None


class Ban(Struct):
    """A ban; `created_at` in Unix seconds."""

    user_id: int
    display_name: str
    reason: str | None
    created_at: int


def member_of(person: Person) -> Member:
    """The wire form of a person."""
    return Member(
        person.id,
        person.username,
        person.display_name,
        person.avatar,
        person.nickname,
        sorted(person.role_ids),
    )
