"""Discord's channels as DiscordChatExporter writes them in JSON, one file for each channel, thread or part of one. Pure but for reading.

Discord's ids are milliseconds since 2015 above 22 bits, ours since 1970, so each message's id here follows from its id there: in the
same order, and the same at every import. Nothing need be remembered to find the message that another one answers.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Final, Literal, cast

import msgspec

from vox.chat.imports.archive_source import ArchiveSource
from vox.chat.imports.fields import JsonObject, object_of, objects_of, text_of
from vox.chat.imports.json_stream import stream_object
from vox.chat.imports.model import (
    LONGEST_BODY,
    MOST_EMOJI,
    MOST_FILES,
    MOST_REACTING,
    ForeignChannel,
    ForeignFile,
    ForeignMessage,
    ForeignPerson,
    ForeignReaction,
    Skipped,
    clean_text,
)

EPOCH_MS: Final = 1_420_070_400_000
IMPORTED_TYPES: Final = frozenset({"Default", "Reply", "0", "19", "ChatInputCommand", "ApplicationCommand", "20", "23"})
_KINDS: Final[dict[str, Literal["text", "announcement", "forum"]]] = {
    "GuildNews": "announcement",
    "GuildForum": "forum",
    "GuildMedia": "forum",
}
_SHIFT: Final = 22
_LOW: Final = (1 << _SHIFT) - 1
_HIGHEST: Final = (1 << 63) - 1
_CUSTOM: Final = re.compile(r"<a?(:\w{1,64}:)\d{1,20}>")
_MENTION: Final = re.compile(r"<(@!?|@&|#)(\d{1,20})>")


def message_id(foreign: str) -> int | None:
    """The id that a message gets; None where the text is no id of Discord's."""
    if not (foreign.isascii() and foreign.isdigit() and len(foreign) <= 20):  # noqa: PLR2004  digits of 64 bits
        return None
    number = int(foreign)
    found = ((number >> _SHIFT) + EPOCH_MS) << _SHIFT | number & _LOW
    return found if found <= _HIGHEST else None


def read_channels(source: ArchiveSource) -> Iterator[ForeignChannel | Skipped]:
    """The channels and threads of an export, from the beginnings of its files, channels before threads."""
    found: dict[str, ForeignChannel] = {}
    for name in source.names():
        if not name.endswith(".json") or "_Files/" in name:
            continue
        head = _head(source, name)
        if isinstance(head, Skipped):
            yield head
        elif head.id in found:  # parts of one channel
            found[head.id] = replace(found[head.id], files=(*found[head.id].files, name))
        else:
            found[head.id] = head
    yield from sorted(found.values(), key=lambda channel: channel.parent is not None)


def read_messages(source: ArchiveSource, name: str) -> Iterator[ForeignMessage | Skipped]:
    """The messages of a file.

    Raises:
        UsageError: archive_damaged.
    """
    folder = name.rpartition("/")[0]
    with source.open(name) as file:
        for key, value in stream_object(file, name, "messages"):
            if key != "messages":
                continue
            if isinstance(value, dict):
                yield _message(cast("JsonObject", value), folder)
            else:
                yield Skipped("message", name, "it is no object")


def _head(source: ArchiveSource, name: str) -> ForeignChannel | Skipped:
    """What a file says of its channel, which stands before the messages."""
    with source.open(name) as file:
        members = islice(stream_object(file, name, "messages"), 16)
        for key, value in members:
            if key == "channel" and isinstance(value, dict):
                return _channel(cast("JsonObject", value), name)
            if key == "messages":
                break
    return Skipped("file", name, "it is no channel of an export")


def _channel(value: JsonObject, name: str) -> ForeignChannel | Skipped:
    foreign, kind = text_of(value, "id"), text_of(value, "type")
    title = text_of(value, "name") or foreign
    if not foreign:
        return Skipped("file", name, "its channel has no id")
    if kind.startswith("Direct"):
        return Skipped("conversation", title, "direct messages are not imported")
    above = (text_of(value, "categoryId"), text_of(value, "category") or text_of(value, "categoryId"))
    if kind.endswith("Thread"):
        if above[0] in {"", foreign}:
            return Skipped("thread", title, "the channel that it is in is not named")
        private = () if kind == "GuildPrivateThread" else None
        return ForeignChannel(foreign, title, (name,), parent=above, members=private)
    category = above if above[0] else None
    return ForeignChannel(foreign, title, (name,), _KINDS.get(kind, "text"), text_of(value, "topic"), category)


def _message(value: JsonObject, folder: str) -> ForeignMessage | Skipped:
    foreign, kind = text_of(value, "id"), text_of(value, "type") or "Default"
    number = message_id(foreign)
    if number is None:
        return Skipped("message", foreign[:40] or "without an id", "it has no id of Discord's")
    if kind not in IMPORTED_TYPES:
        return Skipped("notice", foreign, f"{kind[:40]} is no message of a person")
    timestamp = _milliseconds(text_of(value, "timestamp"))
    if timestamp is None:
        timestamp = number >> _SHIFT
    body = _body(value)
    if len(body) > LONGEST_BODY:
        return Skipped("message", foreign, f"it has more than {LONGEST_BODY} characters")
    answered = message_id(text_of(object_of(value, "reference"), "messageId"))
    author = _person(object_of(value, "author"))
    files = [
        _file(one, folder, foreign, place) for place, one in enumerate(objects_of(value, "attachments", MOST_FILES))
    ]
    files += [_sticker(one, folder) for one in objects_of(value, "stickers", MOST_FILES)]
    embed = next((card for one in objects_of(value, "embeds", 1) if (card := _embed(one))), None)
    if not body.strip() and not files and embed is None:
        return Skipped("message", foreign, "it is empty")
    return ForeignMessage(
        foreign,
        number,
        timestamp,
        author,
        body,
        _milliseconds(text_of(value, "timestampEdited")),
        answered,
        value.get("isPinned") is True,
        embed=embed,
        files=files,
        reactions=[_reaction(one) for one in objects_of(value, "reactions", MOST_EMOJI)],
    )


def _body(value: JsonObject) -> str:
    text = _CUSTOM.sub(r"\1", clean_text(text_of(value, "content")))
    if "<" not in text:
        return text
    names = {
        text_of(one, "id"): text_of(one, "nickname") or text_of(one, "name")
        for one in objects_of(value, "mentions", MOST_REACTING)
    }

    def named(found: re.Match[str]) -> str:
        mark = "#" if found[1] == "#" else "@"
        return mark + (clean_text(names.get(found[2], "")) or found[2])

    return _MENTION.sub(named, text)


def _person(value: JsonObject) -> ForeignPerson | None:
    foreign = text_of(value, "id")
    if not foreign or len(foreign) > 40:  # noqa: PLR2004  twice an id of 64 bits
        return None
    name = text_of(value, "name") or foreign
    return ForeignPerson(foreign, name, text_of(value, "nickname") or name)


def _file(value: JsonObject, folder: str, message: str, place: int) -> ForeignFile:
    size = value.get("fileSizeBytes")
    return ForeignFile(
        text_of(value, "id") or f"{message}-{place}",
        clean_text(text_of(value, "fileName")) or "file",
        _places(text_of(value, "url"), folder),
        size if isinstance(size, int) and size > 0 else 0,
    )


def _sticker(value: JsonObject, folder: str) -> ForeignFile:
    name = f"{clean_text(text_of(value, 'name')) or 'sticker'}.{(text_of(value, 'format') or 'png').lower()}"
    return ForeignFile(f"sticker-{text_of(value, 'id')}", name, _places(text_of(value, "sourceUrl"), folder))


def _places(url: str, folder: str) -> tuple[str, ...]:
    """Where a file would lie that was downloaded with the export: beside the channel's file."""
    if not url or "://" in url:
        return ()
    path = url.replace("\\", "/").removeprefix("./")
    return (f"{folder}/{path}", path) if folder else (path,)


def _reaction(value: JsonObject) -> ForeignReaction:
    emoji = object_of(value, "emoji")
    people = (_person(one) for one in objects_of(value, "users", MOST_REACTING))
    return ForeignReaction(clean_text(text_of(emoji, "name")), tuple(person for person in people if person is not None))


def _embed(value: JsonObject) -> str | None:
    card = {
        "title": clean_text(text_of(value, "title")),
        "description": clean_text(text_of(value, "description"))[:4096],
        "url": _address(text_of(value, "url")),
        "image": _address(text_of(object_of(value, "image"), "url")),
        "thumbnail": _address(text_of(object_of(value, "thumbnail"), "url")),
    }
    kept = {name: text for name, text in card.items() if text}
    return msgspec.json.encode(kept).decode() if kept else None


def _address(url: str) -> str:
    return url if url.startswith(("https://", "http://")) and len(url) < 2048 else ""  # noqa: PLR2004  as browsers bound it


def _milliseconds(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text[:19] + text[19:].lstrip("0123456789.")) if text else None
        return None if moment is None or moment.tzinfo is None else int(moment.timestamp() * 1000) + _fraction(text)
    except (ValueError, OverflowError, OSError):
        return None


def _fraction(text: str) -> int:
    """The milliseconds behind the seconds, of however many digits."""
    found = re.match(r"\.(\d+)", text[19:])
    return int(found[1][:3].ljust(3, "0")) if found else 0


def check_file(source: ArchiveSource, name: str) -> int:
    """Reads a file to its end, and returns how many messages it has.

    Raises:
        UsageError: archive_damaged.
    """
    with source.open(name) as file:
        return sum(key == "messages" for key, _ in stream_object(file, name, "messages"))
