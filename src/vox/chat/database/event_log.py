"""SQL of the event log beyond writing it, which `unit_of_work` does in the transaction of each change."""

from sqlalchemy import Connection, delete

from vox.chat.database.schema import event_log


def delete_events_before(connection: Connection, event_id: int) -> int:
    """Deletes all events with lower ids, and returns how many there were."""
    return connection.execute(delete(event_log).where(event_log.c.id < event_id)).rowcount
