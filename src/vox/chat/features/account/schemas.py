"""Requests and responses of one's own data: what the server keeps of an account, and its end."""

from typing import Any, Literal

from msgspec import Struct

from vox.chat.api.fields import Id, Limit


class ExportQuery(Struct):
    """Which page of one's own messages."""

    limit: Limit = 100
    after: Id = 0


class FileExportQuery(Struct):
    """Which page of one's own files."""

    limit: Limit = 100
    after: str = ""


class AccountExport(Struct):
    """What is kept of an account besides messages and files; secrets such as the password's hash are left out.

    Each list has the rows of a table that name the account, by the table's name.
    """

    profile: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]]
    messages: int
    files: int


class OwnMessage(Struct):
    """A message that one has written, in whatever place."""

    msg_id: int
    feed_id: int | None
    dm_id: int | None
    thread_id: int | None
    body: str | None
    opaque_blob: str | None
    timestamp: int
    edit_timestamp: int | None
    reply_to: int | None
    embed: str | None
    attachments: list[str]


class OwnFile(Struct):
    """A file that one has uploaded."""

    file_id: str
    name: str
    size: int
    mime: str
    url: str
    created_at: int


class Deletion(Struct):
    """The end of an account: the password as a proof, and whether what was said goes, too."""

    password: str
    messages: Literal["keep", "delete"] = "keep"
