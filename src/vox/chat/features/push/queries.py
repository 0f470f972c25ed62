"""The SQL of subscriptions to pushes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from vox.chat.events.ids import LoginId, UserId
from vox.stores.sql import Connection
from vox.stores.statements import Statement

PAGE: Final = 500

_COLUMNS: Final = (
    "SELECT p.id, p.session_id, p.user_id, p.endpoint, p.public_key, p.auth_secret, s.document"
    " FROM push_subscriptions p LEFT JOIN user_settings s ON s.user_id = p.user_id WHERE p.id > :after"
)
_ALL: Final = Statement(f"{_COLUMNS} ORDER BY p.id LIMIT :limit")
_OF_USERS: Final = Statement(
    f"{_COLUMNS} AND p.user_id IN (SELECT value FROM json_each(:ids)) ORDER BY p.id LIMIT :limit",  # noqa: S608  our own texts only
    f"{_COLUMNS} AND p.user_id = ANY(:ids) ORDER BY p.id LIMIT :limit",
)
_FORGET_ENDPOINT: Final = Statement(
    "DELETE FROM push_subscriptions WHERE endpoint = :endpoint AND session_id <> :session_id"
)
_KEEP: Final = Statement(
    "INSERT INTO push_subscriptions (session_id, user_id, endpoint, public_key, auth_secret, created_at)"
    " VALUES (:session_id, :user_id, :endpoint, :public_key, :auth_secret, :now_s)"
    " ON CONFLICT (session_id) DO UPDATE SET endpoint = excluded.endpoint, public_key = excluded.public_key,"
    " auth_secret = excluded.auth_secret, created_at = excluded.created_at"
)
_REMOVE: Final = Statement("DELETE FROM push_subscriptions WHERE session_id = :session_id")
_REMOVE_ENDED: Final = Statement("DELETE FROM push_subscriptions WHERE id = :id AND endpoint = :endpoint")


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where pushes of one login go, and its user's settings as JSON text; None where there are none."""

    id: int
    session_id: LoginId
    user_id: UserId
    endpoint: str
    public_key: str
    auth_secret: str
    settings: str | None


def subscriptions_after(connection: Connection, *, after: int, user_ids: Sequence[UserId] | None) -> list[Subscription]:
    """A page of subscriptions by id, of some users or, with None, of all."""
    values: dict[str, Any] = {"after": after, "limit": PAGE}
    if user_ids is None:
        rows = _ALL.rows(connection, values)
    else:
        is_sqlite = connection.dialect.name == "sqlite"
        values["ids"] = msgspec.json.encode(user_ids).decode() if is_sqlite else list(user_ids)
        rows = _OF_USERS.rows(connection, values)
    return [Subscription(*row) for row in rows]


def keep_subscription(connection: Connection, values: dict[str, Any]) -> None:
    """Stores the subscription of a login in place of an earlier one; a browser has one login at a time."""
    _FORGET_ENDPOINT.run(connection, values)
    _KEEP.run(connection, values)


def remove_subscription(connection: Connection, session_id: LoginId) -> None:
    """Removes the subscription of a login; succeeds where there is none."""
    _REMOVE.run(connection, {"session_id": session_id})


def remove_ended(connection: Connection, ended: Subscription) -> None:
    """Removes a subscription that its push service does not know any more, unless it was renewed meanwhile."""
    _REMOVE_ENDED.run(connection, {"id": ended.id, "endpoint": ended.endpoint})
