"""Requests and responses of `/sync`; field names and their order are those of the original server."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from vox.chat.api.fields import Id, Limit
from vox.chat.features.messages.schemas import ReadState


class SyncRequest(msgspec.Struct, frozen=True):
    """Which events since a moment (Unix ms), in some categories; `after` is the cursor of the page before."""

    since_timestamp: Annotated[int, Meta(ge=0, le=(1 << 41) - 1)]
    categories: Annotated[list[str], Meta(max_length=64)]
    limit: Limit = 500
    after: Id | None = None


class SyncEvent(msgspec.Struct, frozen=True):
    """An event as the gateway sent it."""

    type: str
    payload: Any
    timestamp: int


class SyncPage(msgspec.Struct, frozen=True):
    """Events, oldest first; ask again with `cursor` until it is null."""

    events: list[SyncEvent]
    server_timestamp: int
    cursor: int | None
    read_states: list[ReadState]
