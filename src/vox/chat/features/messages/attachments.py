"""Hooking uploaded files to a message.

Only the uploader's own files, uploaded to the same feed or conversation, and each only once: otherwise a file's id would carry
it past the right to upload there, or into a place whose readers were never meant to see it (CVE-2026-4265 of a peer).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from vox.chat.database.schema import files, message_attachments
from vox.chat.errors import refuse
from vox.chat.features.messages.schemas import Attachment


@dataclass(frozen=True, slots=True)
class Scope:
    """Where files were uploaded to: one feed or one conversation."""

    feed_id: int | None = None
    dm_id: int | None = None


def attachable(connection: Connection, uploader_id: int, scope: Scope, file_ids: Sequence[str]) -> list[Attachment]:
    """The files as their message will show them, in the given order; their rows stay locked until the transaction's end.

    Args:
        connection: of the writer.
        uploader_id: who sends the message.
        scope: where it is sent to.
        file_ids: each once.

    Raises:
        Refusal: INVALID_ATTACHMENT for a file that is unknown or hooked already, FORBIDDEN for one of somebody else or of
            another place.
    """
    columns = (
        files.c.id,
        files.c.name,
        files.c.size,
        files.c.mime,
        files.c.url,
        files.c.uploader_id,
        files.c.feed_id,
        files.c.dm_id,
        select(message_attachments.c.msg_id)
        .where(message_attachments.c.file_id == files.c.id)
        .limit(1)
        .scalar_subquery(),
    )
    wanted = (files.c.id.in_(file_ids)) & (files.c.state == "ready") & (files.c.purpose == "attachment")
    # Locked in one order, so that two messages with the same files wait for each other instead of for ever.
    connection.execute(select(files.c.id).where(wanted).order_by(files.c.id).with_for_update())
    found = {row[0]: row for row in connection.execute(select(*columns).where(wanted))}
    for file_id in file_ids:
        row = found.get(file_id)
        if row is None:
            raise refuse("INVALID_ATTACHMENT", f"There is no file {file_id}.")
        if row[5] != uploader_id or Scope(row[6], row[7]) != scope:
            raise refuse("FORBIDDEN", f"File {file_id} was not uploaded here by you.")
        if row[8] is not None:
            raise refuse("INVALID_ATTACHMENT", f"File {file_id} belongs to a message already.")
    return [Attachment(*found[file_id][:5]) for file_id in file_ids]


def attach(connection: Connection, msg_id: int, attachments: Sequence[Attachment]) -> None:
    """Hooks files to a message that was inserted in the same transaction."""
    rows = [
        {"msg_id": msg_id, "file_id": attachment.file_id, "position": position}
        for position, attachment in enumerate(attachments)
    ]
    connection.execute(insert(message_attachments), rows)
