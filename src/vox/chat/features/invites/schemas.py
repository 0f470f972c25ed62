"""Requests and responses of invites."""

from msgspec import Struct

from vox.chat.api.pages import Id, PageLimit


class NewInvite(Struct):
    """An invite to create; 0 or None means without a limit."""

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
    """What a client shows before joining."""

    code: str
    server_name: str
    server_icon: str | None


class InviteQuery(Struct):
    """Which page of invites."""

    limit: PageLimit = 100
    after: str = ""
