"""Requests and responses of conversations; field names and their order are those of the original server."""

import msgspec

from vox.chat.api.fields import Id, Limit


class DmPageQuery(msgspec.Struct, frozen=True):
    """A page of conversations."""

    limit: Limit = 100
    after: Id | None = None


class OpenDm(msgspec.Struct, frozen=True):
    """One recipient for a conversation of two, or several for a group."""

    recipient_id: Id | None = None
    recipient_ids: list[Id] | None = None
    name: str | None = None


class UpdateDm(msgspec.Struct, frozen=True):
    """Changes of a conversation; what is absent or null stays."""

    name: str | None = None
    icon: str | None = None


class DmInfo(msgspec.Struct, frozen=True):
    """A conversation as its participants see it."""

    dm_id: int
    participant_ids: list[int]
    is_group: bool
    name: str | None
    icon: str | None


class DmPage(msgspec.Struct, frozen=True):
    """A page of conversations."""

    items: list[DmInfo]
    cursor: str | None
