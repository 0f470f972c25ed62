"""Who changed which relay when: one row in `directory_audit` per registration, removal, drain and change of keys.

A row is written in the transaction of its change, so there is none without the other. The newest KEEP_ROWS of the last KEEP_S
are kept. Heartbeats and probes are no changes in this sense.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from vox.directory.database.schema import directory_audit as _audit

KEEP_S: Final = 90 * 86_400.0
KEEP_ROWS: Final = 100_000
DIRECTORY: Final = "directory"
"""Who removes relays that are dead for long."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change.

    Attributes:
        at_s: seconds since 1970.
        action: register, renew, owner, drain, resume, delete, force_delete, remove, key, approve, refuse, token or token_delete.
        relay_id: the relay that was changed; empty for a join token, which has its id in the detail.
        url: where that relay was.
        actor: an API key's name, a signing key's fingerprint, `directory`, or empty for an unnamed caller (open mode).
        detail: what else there is to say, in words.
    """

    at_s: float
    action: str
    relay_id: str
    url: str
    actor: str
    detail: str = ""


def append(connection: Connection, entry: Entry) -> None:
    """Writes one change down, and forgets what is older or more than is kept."""
    row = insert(_audit).values(
        at_s=entry.at_s,
        action=entry.action,
        relay_id=entry.relay_id,
        url=entry.url,
        actor=entry.actor,
        detail=entry.detail,
    )
    number = int(connection.execute(row.returning(_audit.c.number)).scalar_one())
    connection.execute(delete(_audit).where(_audit.c.number <= number - KEEP_ROWS))
    # In the order they were written, so that the oldest are looked at and no others.
    oldest = select(_audit.c.number, _audit.c.at_s).order_by(_audit.c.number).limit(2)
    for old in connection.execute(oldest).all():
        if old.at_s < entry.at_s - KEEP_S:
            connection.execute(delete(_audit).where(_audit.c.number == old.number))


def entries(connection: Connection, limit: int = 100) -> list[Entry]:
    """The last changes, the newest first."""
    rows = connection.execute(select(_audit).order_by(_audit.c.number.desc()).limit(limit)).all()
    return [Entry(row.at_s, row.action, row.relay_id, row.url, row.actor, row.detail) for row in rows]
