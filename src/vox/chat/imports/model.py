"""What an export holds, whichever program wrote it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from vox.text.names import problem_with_name, stored_name, without_unshown

Origin = Literal["discord", "slack"]

LONGEST_BODY: Final = 65_536
LONGEST_NAME: Final = 32
LONGEST_SPACE_NAME: Final = 64
LONGEST_TOPIC: Final = 256
MOST_FILES: Final = 100
"""Of one message."""
MOST_EMOJI: Final = 100
"""Of one message."""
MOST_REACTING: Final = 20_000
"""People of one reaction."""


@dataclass(frozen=True, slots=True)
class ForeignPerson:
    """An account of the other program.

    Args:
        id: there.
        username: there.
        display_name: what others saw.
    """

    id: str
    username: str
    display_name: str


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """A file of a message.

    Args:
        id: there.
        name: for showing.
        places: names under which the archive may have it.
        size: in bytes, as the export says; 0 where it does not.
    """

    id: str
    name: str
    places: tuple[str, ...]
    size: int = 0


@dataclass(frozen=True, slots=True)
class ForeignReaction:
    """One emoji and who reacted with it, as far as the export says."""

    emoji: str
    people: tuple[ForeignPerson, ...]


@dataclass(frozen=True, slots=True)
class ForeignMessage:
    """A message.

    Args:
        name: what names it in the report.
        id: the id it gets: ascending with time, the same at every import.
        timestamp: Unix milliseconds.
        author: None where the export does not say.
        body: its text.
        edited: Unix milliseconds, None where it never was.
        reply_to: the id that the answered message gets.
        is_pinned: whether it is pinned.
        thread: names the thread it is in, in its channel; None outside of threads.
        begins_thread: whether the thread begins with it.
        embed: a card as JSON text.
        files: attached.
        reactions: to it.
    """

    name: str
    id: int
    timestamp: int
    author: ForeignPerson | None
    body: str
    edited: int | None = None
    reply_to: int | None = None
    is_pinned: bool = False
    thread: str | None = None
    begins_thread: bool = False
    embed: str | None = None
    files: Sequence[ForeignFile] = ()
    reactions: Sequence[ForeignReaction] = ()


@dataclass(frozen=True, slots=True)
class ForeignChannel:
    """A channel or a thread, and where its messages lie in the archive.

    Args:
        id: there.
        name: of it.
        files: names of the archive's files with its messages, in the order of time.
        kind: type of the feed.
        topic: of it.
        category: id and name of its category.
        parent: of a thread: id and name of the channel it is in.
        members: who may see it where it is private; None where everyone may.
        pins: ids of pinned messages that the messages themselves do not say.
    """

    id: str
    name: str
    files: tuple[str, ...]
    kind: Literal["text", "announcement", "forum"] = "text"
    topic: str = ""
    category: tuple[str, str] | None = None
    parent: tuple[str, str] | None = None
    members: tuple[ForeignPerson, ...] | None = None
    pins: frozenset[str] = field(default_factory=frozenset[str])


@dataclass(frozen=True, slots=True)
class Skipped:
    """A thing that is not imported.

    Args:
        what: its kind, such as message or file.
        name: which one.
        reason: why.
    """

    what: str
    name: str
    reason: str


def clean_text(text: str) -> str:
    """Text that both databases can store: without NUL and without halves of surrogate pairs."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def usable_name(text: str, longest: int, otherwise: str) -> str:
    """A name as this server allows it; `otherwise` where nothing usable is left."""
    name = stored_name(without_unshown(clean_text(text)))[:longest].strip()
    return otherwise if not name or problem_with_name(name) else name
