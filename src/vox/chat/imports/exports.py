"""One way to read an export, whichever program wrote it."""

from collections.abc import Iterator
from typing import Protocol

from vox.chat.imports import discord
from vox.chat.imports.archive_source import ArchiveSource
from vox.chat.imports.model import ForeignChannel, ForeignMessage, Origin, Skipped
from vox.chat.imports.slack import SlackExport


class Export(Protocol):
    """An export that can be read several times."""

    def read_channels(self) -> Iterator[ForeignChannel | Skipped]:
        """Its channels, before the threads in them."""
        ...

    def read_messages(self, name: str, feed_id: int) -> Iterator[ForeignMessage | Skipped]:
        """The messages of one of a channel's files."""
        ...

    def check_file(self, name: str) -> int:
        """Reads a file to its end, and returns how many messages it has."""
        ...

    def close(self) -> None:
        """Lets go of what it keeps."""
        ...


class DiscordExport:
    """An export of Discord's channels.

    Args:
        source: the archive.
    """

    def __init__(self, source: ArchiveSource) -> None:
        self._source = source

    def read_channels(self) -> Iterator[ForeignChannel | Skipped]:
        """See `Export`."""
        return discord.read_channels(self._source)

    def read_messages(self, name: str, feed_id: int) -> Iterator[ForeignMessage | Skipped]:
        """See `Export`; the ids do not depend on the feed."""
        return discord.read_messages(self._source, name)

    def check_file(self, name: str) -> int:
        """See `Export`."""
        return discord.check_file(self._source, name)

    def close(self) -> None:
        """See `Export`."""


def open_export(origin: Origin, source: ArchiveSource) -> Export:
    """The reader of an origin's exports.

    Raises:
        UsageError: it is none (archive_damaged).
    """
    return SlackExport(source) if origin == "slack" else DiscordExport(source)
