"""What requests and responses around people look like on the wire: the original's field names, in the original's order.

Unknown fields are ignored and an absent or null field of a PATCH means "no change", so a default of None is part of the
contract. Numbers are bounded to what both databases can store.
"""

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from vox.chat.community.state import Person

T = TypeVar("T")

Int64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
PageLimit = Annotated[int, Meta(ge=1, le=1000)]


class Items(Struct, Generic[T]):
    """One page of a list; `cursor` is the id of its last row, None on an empty page."""

    items: list[T]
    cursor: str | None


class PageQuery(Struct):
    """Which page of a list by id."""

    limit: PageLimit = 100
    after: Id = 0


class Registration(Struct):
    """Wishes of a new user; `invite_code` and `setup_token` where registration is not open."""

    username: str
    password: str
    display_name: str | None = None
    invite_code: str | None = None
    setup_token: str | None = None


class Registered(Struct):
    """A new account and its first token."""

    user_id: int
    token: str


class Credentials(Struct):
    """Name and password; `invite_code` lets somebody who was kicked or left come back."""

    username: str
    password: str
    invite_code: str | None = None


class LoggedIn(Struct):
    """A new token; `roles` without @everyone."""

    token: str
    user_id: int
    display_name: str
    roles: list[int]


class PasswordChange(Struct):
    """The present and the next password."""

    current_password: str
    new_password: str


class SessionInfo(Struct):
    """One login of the caller; times in Unix seconds."""

    session_id: int
    created_at: int
    expires_at: int
    last_used_at: int | None
    client: str | None
    is_current: bool


class SessionList(Struct):
    """The caller's logins, newest first."""

    sessions: list[SessionInfo]


class GatewayInfo(Struct):
    """Where events come from."""

    url: str
    media_url: str
    protocol_version: int = 1
    min_version: int = 1
    max_version: int = 1


class ServerInfo(Struct):
    """The community as a whole."""

    name: str
    icon: str | None
    description: str | None
    member_count: int


class ServerChange(Struct):
    """What to change of the community."""

    name: str | None = None
    icon: str | None = None
    description: str | None = None


class LimitsChange(Struct):
    """Limits by name."""

    limits: dict[str, int]


class GifsInfo(Struct):
    """How GIFs are searched; the key itself is never shown."""

    provider: str
    api_key_set: bool
    content_filter: str
    locale: str | None


class GifsChange(Struct):
    """What to change about GIFs."""

    provider: Literal["klipy"] | None = None
    api_key: str | None = None
    content_filter: Literal["off", "low", "medium", "high"] | None = None
    locale: str | None = None


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


class Presence(Struct):
    """Whether somebody is there, as others see it."""

    user_id: int
    status: str
    custom_status: object = None
    activity: object = None


class Blocks(Struct):
    """Whom a user has blocked."""

    blocked_user_ids: list[int]


class Friend(Struct):
    """A friend, or whom one asked to become one."""

    user_id: int
    display_name: str
    avatar: str | None
    status: str


class FriendQuery(PageQuery):
    """Which page of friends."""

    status: Literal["pending", "accepted"] | None = None


class DmSettings(Struct):
    """Who may write to somebody."""

    dm_permission: Literal["everyone", "friends_only", "mutual_servers", "nobody"]


class DmSettingsChange(Struct):
    """A new choice of who may write."""

    dm_permission: Literal["everyone", "friends_only", "mutual_servers", "nobody"] | None = None


class Member(Struct):
    """A user as a member."""

    user_id: int
    username: str
    display_name: str
    avatar: str | None
    nickname: str | None
    role_ids: list[int]


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


class MemberChange(Struct):
    """What to change of a member; an empty nickname takes it away."""

    nickname: str | None = None


class Join(Struct):
    """The way in."""

    invite_code: str


class Reason(Struct):
    """Why; goes into the audit log."""

    reason: str | None = None


class BanRequest(Struct):
    """A ban and how many days of messages go with it."""

    reason: str | None = None
    delete_msg_days: int | None = None


class Ban(Struct):
    """A ban; `created_at` in Unix seconds."""

    user_id: int
    display_name: str
    reason: str | None
    created_at: int


class RoleInfo(Struct):
    """A role."""

    role_id: int
    name: str
    color: int | None
    permissions: int
    position: int


class NewRole(Struct):
    """A role to make; a lower position is a higher rank."""

    name: str
    permissions: Id
    position: Id
    color: Int64 | None = None


class RoleChange(Struct):
    """What to change of a role."""

    name: str | None = None
    color: Int64 | None = None
    permissions: Id | None = None
    position: Id | None = None


class Mask(Struct):
    """What an override allows and denies."""

    allow: Id
    deny: Id


class NewInvite(Struct):
    """An invite to make; 0 or nothing means as often and as long as one likes."""

    feed_id: Id | None = None
    max_uses: int | None = None
    max_age: int | None = None


class Invite(Struct):
    """An invite; times in Unix seconds."""

    code: str
    creator_id: int | None
    feed_id: int | None
    max_uses: int | None
    uses: int
    expires_at: int | None
    created_at: int


class InvitePreview(Struct):
    """What somebody sees before joining."""

    code: str
    server_name: str
    server_icon: str | None


class InviteQuery(Struct):
    """Which page of invites."""

    limit: PageLimit = 100
    after: str = ""


class Evidence(Struct):
    """A message as the reporter saw it."""

    msg_id: Int64
    body: str | None = None
    timestamp: Int64 | None = None


class NewReport(Struct):
    """A complaint about somebody."""

    reported_user_id: Id
    reason: str
    feed_id: Id | None = None
    msg_id: Id | None = None
    dm_id: Id | None = None
    messages: Annotated[list[Evidence], Meta(max_length=100)] | None = None
    description: str | None = None


class ReportLine(Struct):
    """A report in a list; `created_at` in Unix seconds."""

    report_id: int
    reporter_id: int | None = None
    reported_user_id: int | None = None
    reason: str | None = None
    status: str | None = None
    created_at: int | None = None


class Report(ReportLine):
    """A report with all its details."""

    feed_id: int | None = None
    msg_id: int | None = None
    dm_id: int | None = None
    description: str | None = None
    evidence: list[Evidence] = []
    action: str | None = None


class ReportQuery(Struct):
    """Which page of reports."""

    status: Literal["open", "resolved"] | None = None
    limit: PageLimit = 50
    after: Id = 0


class Resolution(Struct):
    """What was done about a report."""

    action: str


class AuditQuery(Struct):
    """Which entries of the audit log; `event_type` may hold `*`."""

    event_type: str | None = None
    actor_id: Id | None = None
    target_id: Id | None = None
    limit: PageLimit = 50
    after: Id = 0


class AuditLine(Struct):
    """One entry; `timestamp` in Unix milliseconds."""

    entry_id: int
    event_type: str
    actor_id: int | None
    target_id: int | None
    metadata: dict[str, object] | None
    timestamp: int


class AuditPage(Struct):
    """Entries, oldest first."""

    entries: list[AuditLine]
    cursor: str | None
