"""Requests and responses of federation's clients and administrators; what servers send each other is in `chat.federation.wire`."""

from typing import Annotated

from msgspec import Meta, Struct

from vox.chat.api.fields import Id, Limit

Domain = Annotated[str, Meta(min_length=1, max_length=253)]


class JoinRequest(Struct):
    """Which server the caller wants to join, and the invite to it."""

    target_domain: Domain
    invite_code: Annotated[str, Meta(max_length=128)] | None = None


class FederationLogin(Struct):
    """A ticket of `join-request`."""

    federation_token: str


class FindUser(Struct):
    """The address of a user of another server, such as alice@example.com."""

    user_address: Annotated[str, Meta(min_length=3, max_length=512)]


class FoundUser(Struct):
    """A user of another server as they are known here: write to them by `POST /dms` with `recipient_id`."""

    user_id: int
    user_address: str
    display_name: str
    home_domain: str


class ListChange(Struct):
    """A server to block or to allow."""

    domain: Domain
    reason: str | None = None


class Listed(Struct):
    """A server on a list; `created_at` in ISO 8601."""

    domain: str
    reason: str | None
    created_at: str


class ListPage(Struct):
    """Servers on a list, in the order they were added."""

    items: list[Listed]


class ListQuery(Struct):
    """Which part of a list."""

    limit: Limit = 50
    offset: Id = 0


class PeerQuery(Struct):
    """Which page of servers."""

    limit: Limit = 50
    after: str = ""


class PeerInfo(Struct):
    """A server that this one has met.

    `waiting` and `failed` count deliveries to it, `keys_waiting` says that it shows only keys that are not believed yet; `failures`
    counts attempts in a row that did not reach it. Times in Unix seconds.
    """

    domain: str
    waiting: int
    failed: int
    failures: int
    last_error: str | None
    signs_fully: bool
    keys_waiting: bool
    first_seen_at: int
    last_seen_at: int | None


class PeerPage(Struct):
    """Servers by domain."""

    items: list[PeerInfo]
    cursor: str | None


class KeyInfo(Struct):
    """A key of this server: `state` is next, active or retired; `record` is its TXT record at `name`. `created_at` in Unix seconds."""

    key_id: str
    state: str
    public_key: str
    name: str
    record: str
    created_at: int


class KeyList(Struct):
    """The keys of this server, oldest first."""

    items: list[KeyInfo]


class Unsettled(Struct):
    """A message of the caller that has not arrived at another server.

    `state` is pending or failed, `code` why it has not arrived.
    """

    msg_id: int
    dm_id: int
    domain: str
    state: str
    code: str | None


class UnsettledQuery(Struct):
    """Which page of messages."""

    limit: Limit = 50
    after: Id = 0


class UnsettledPage(Struct):
    """Messages in the order they were sent."""

    items: list[Unsettled]
    cursor: str | None
