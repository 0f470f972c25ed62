"""Units of work that store the community's settings, with their event and audit entry."""

from typing import Any

from vox.chat.config.queries import store_rows
from vox.chat.config.runtime_config import LIMIT_ROW, SECRET, changed
from vox.chat.context import ChatContext
from vox.chat.database.unit_of_work import AuditEntry, Change, lock_event_order
from vox.chat.events import server_update
from vox.chat.events.ids import UserId
from vox.chat.features.server.schemas import ServerInfo
from vox.stores.sql import Connection


def server_info(chat: ChatContext) -> ServerInfo:
    """The name and size of the community."""
    config = chat.config
    return ServerInfo(
        config.get("server_name"),
        config.optional("server_icon"),
        config.optional("server_description"),
        chat.members.local_count(),
    )


def change(connection: Connection, *, actor_id: UserId, values: dict[str, str]) -> Change[None]:
    """Stores name, icon or description of the community."""
    lock_event_order(connection)
    store_rows(connection, {f"server_{field}": value for field, value in values.items()})
    audit = AuditEntry("server.update", actor_id, None, {"changed": values})
    return Change(None, [server_update(changed=values)], [audit])


def change_limits(connection: Connection, *, actor_id: UserId, limits: dict[str, int]) -> Change[None]:
    """Stores limits by name."""
    store_rows(connection, {LIMIT_ROW + name: str(value) for name, value in limits.items()})
    audit = AuditEntry("server.update", actor_id, None, {"changed": {"limits": limits}})
    return Change(None, [changed(limits=limits)], [audit])


def change_gifs(connection: Connection, *, actor_id: UserId, values: dict[str, str]) -> Change[None]:
    """Stores rows of the GIF provider; the key goes into neither event nor audit entry."""
    store_rows(connection, values)
    open_values = {row: value for row, value in values.items() if row != SECRET}
    shown: dict[str, Any] = {**open_values, **({"api_key_set": bool(values[SECRET])} if SECRET in values else {})}
    audit = AuditEntry("server.update", actor_id, None, {"changed": shown})
    return Change(None, [changed(values=open_values, secret=values.get(SECRET))], [audit])
