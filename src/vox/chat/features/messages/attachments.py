"""Attaching uploaded files to a message.

Authors can attach only files they uploaded themselves to the same feed or conversation, and each file only once; a file of a feed
may also go into a conversation, where taking part is the only right that uploading needs. Otherwise the
id of a file would be enough to post it without the permission to upload, or to a place whose readers must not see it
(CVE-2026-4265 in a comparable server).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vox.chat.errors import refuse
from vox.chat.events.ids import DmId, FeedId, FileId, UserId
from vox.chat.features.messages.queries import lock_attachable_files, move_file_to_dm
from vox.chat.features.messages.schemas import Attachment
from vox.stores.sql import Connection


@dataclass(frozen=True, slots=True)
class Scope:
    """Where files were uploaded to: one feed or one conversation."""

    feed_id: FeedId | None = None
    dm_id: DmId | None = None


def attachable(
    connection: Connection, uploader_id: UserId, scope: Scope, file_ids: Sequence[FileId]
) -> list[Attachment]:
    """The files as their message will show them, in the given order; their rows stay locked until the transaction's end.

    Args:
        connection: of the writer.
        uploader_id: the author of the message.
        scope: where the message is sent.
        file_ids: each once.

    Raises:
        Refusal: INVALID_ATTACHMENT for a file that is unknown or attached already, FORBIDDEN for a file of another user or
            place.
    """
    found = lock_attachable_files(connection, file_ids)
    for file_id in file_ids:
        file = found.get(file_id)
        if file is None:
            raise refuse("INVALID_ATTACHMENT", f"There is no file {file_id}.")
        is_here = Scope(file.feed_id, file.dm_id) == scope
        may_move = scope.dm_id is not None and file.feed_id is not None
        if file.uploader_id != uploader_id or not (is_here or may_move):
            raise refuse("FORBIDDEN", f"File {file_id} was not uploaded here by you.")
        if file.attached_to is not None:
            raise refuse("INVALID_ATTACHMENT", f"File {file_id} belongs to a message already.")
        if not is_here and scope.dm_id is not None:
            move_file_to_dm(connection, file_id, scope.dm_id)
    return [found[file_id].attachment for file_id in file_ids]
