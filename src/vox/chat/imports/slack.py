"""Slack's export archive: lists of channels and people, and one file for each channel and day. Pure but for reading.

A message's id follows from its time stamp, which is unique in its channel, and from the feed it comes to: the same at every import.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final, cast

from vox.chat.imports.archive_source import ArchiveSource, damaged
from vox.chat.imports.fields import JsonObject, object_of, objects_of, text_of
from vox.chat.imports.json_stream import stream_array
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
from vox.chat.imports.people_index import PeopleIndex
from vox.chat.imports.slack_text import emoji_of, plain_text

MOST_MEMBERS: Final = 400
"""Of a private channel: each gets an override of their own."""
IMPORTED_SUBTYPES: Final = frozenset(
    {"", "bot_message", "me_message", "thread_broadcast", "file_share", "file_comment", "reply_broadcast"}
)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d\.json")
_STAMP: Final = re.compile(r"(\d{1,13})\.(\d{6})")
_SPACES: Final = 4096


def message_id(stamp: str, feed_id: int) -> int | None:
    """The id that a message gets; None where the text is no time stamp of Slack's."""
    found = _STAMP.fullmatch(stamp)
    if found is None:
        return None
    micros = int(found[1]) * 1_000_000 + int(found[2])
    number = micros // 1000 << 22 | micros % 1000 << 12 | feed_id % _SPACES
    return number if number < 1 << 63 else None


class SlackExport:
    """An export and its people.

    Args:
        source: the archive.

    Raises:
        UsageError: it is no export of Slack, or a list is damaged (archive_damaged).
    """

    def __init__(self, source: ArchiveSource) -> None:
        self._source = source
        lists = [name for name in source.names() if name.rpartition("/")[2] == "channels.json"]
        if not lists:
            raise damaged("channels.json", "it is missing, so this is no export of Slack")
        self._root = min(lists, key=len).removesuffix("channels.json")
        self.people = PeopleIndex()
        self._days: dict[str, list[str]] = defaultdict(list)
        for name in source.names():
            folder, _, day = name.removeprefix(self._root).rpartition("/")
            if name.startswith(self._root) and "/" not in folder and _DAY.fullmatch(day):
                self._days[folder].append(name)
        for users in ("users.json", "org_users.json"):
            if source.size(self._root + users) is not None:
                self.people.add(self._listed_people(self._root + users))

    def close(self) -> None:
        """Lets go of the list of people."""
        self.people.close()

    def read_channels(self) -> Iterator[ForeignChannel | Skipped]:
        """The channels; conversations are named and left out."""
        known: set[str] = set()
        for listed, is_private in (("channels.json", False), ("groups.json", True)):
            if self._source.size(self._root + listed) is not None:
                for value in self._items(self._root + listed):
                    channel = self._channel(value, is_private=is_private)
                    known.add(channel.name)
                    yield channel
        for listed in ("dms.json", "mpims.json"):
            if self._source.size(self._root + listed) is not None:
                for value in self._items(self._root + listed):
                    name = text_of(value, "name") or text_of(value, "id")
                    known.add(name)
                    yield Skipped("conversation", name, "direct messages are not imported")
        for folder in sorted(self._days.keys() - known):
            yield Skipped("folder", folder, "no list of the export names it")

    def read_messages(self, name: str, feed_id: int) -> Iterator[ForeignMessage | Skipped]:
        """The messages of a day.

        Raises:
            UsageError: archive_damaged.
        """
        for value in self._items(name):
            yield self._message(value, feed_id, name)

    def check_file(self, name: str) -> int:
        """Reads a file to its end, and returns how many messages it has.

        Raises:
            UsageError: archive_damaged.
        """
        return sum(1 for _ in self._items(name))

    def _items(self, name: str) -> Iterator[JsonObject]:
        with self._source.open(name) as file:
            for item in stream_array(file, name):
                yield cast("JsonObject", item) if isinstance(item, dict) else {}

    def _listed_people(self, name: str) -> Iterator[ForeignPerson]:
        for value in self._items(name):
            foreign, profile = text_of(value, "id"), object_of(value, "profile")
            if foreign and len(foreign) <= 40:  # noqa: PLR2004  they have eleven characters
                username = text_of(value, "name") or foreign
                shown = text_of(profile, "display_name") or text_of(profile, "real_name") or text_of(value, "real_name")
                yield ForeignPerson(foreign, clean_text(username), clean_text(shown) or clean_text(username))

    def _channel(self, value: JsonObject, *, is_private: bool) -> ForeignChannel:
        name = text_of(value, "name") or text_of(value, "id")
        topic = text_of(object_of(value, "topic"), "value") or text_of(object_of(value, "purpose"), "value")
        members = None
        if is_private:
            listed = cast("list[object]", value.get("members")) if isinstance(value.get("members"), list) else []
            found = (self.people.find(one) for one in listed[:MOST_MEMBERS] if isinstance(one, str))
            members = tuple(person for person in found if person is not None)
        pins = frozenset(text_of(pin, "id") for pin in objects_of(value, "pins", 1000))
        files = tuple(sorted(self._days.get(name, ())))
        return ForeignChannel(text_of(value, "id") or name, name, files, topic=topic, members=members, pins=pins)

    def _message(self, value: JsonObject, feed_id: int, name: str) -> ForeignMessage | Skipped:
        stamp, subtype = text_of(value, "ts"), text_of(value, "subtype")
        number = message_id(stamp, feed_id)
        if number is None:
            return Skipped("message", name, "it has no time stamp of Slack's")
        if subtype not in IMPORTED_SUBTYPES:
            return Skipped("notice", f"{name} {stamp}", f"{subtype[:40]} is no message of a person")
        body = clean_text(plain_text(text_of(value, "text"), self._shown))
        if len(body) > LONGEST_BODY:
            return Skipped("message", f"{name} {stamp}", f"it has more than {LONGEST_BODY} characters")
        files = [self._file(one, name) for one in objects_of(value, "files", MOST_FILES)]
        if not body.strip() and not files:
            body = "\n".join(filter(None, (self._card(one) for one in objects_of(value, "attachments", 10))))
            if not body:
                return Skipped("message", f"{name} {stamp}", "it is empty")
        thread = text_of(value, "thread_ts") or None
        edited = message_id(text_of(object_of(value, "edited"), "ts"), 0)
        return ForeignMessage(
            f"{name} {stamp}",
            number,
            number >> 22,
            self._author(value),
            body,
            None if edited is None else edited >> 22,
            thread=thread,
            begins_thread=thread == stamp,
            files=files,
            reactions=[self._reaction(one) for one in objects_of(value, "reactions", MOST_EMOJI)],
        )

    def _author(self, value: JsonObject) -> ForeignPerson | None:
        if foreign := text_of(value, "user"):
            return self._person(foreign)
        name = (
            text_of(value, "username") or text_of(object_of(value, "bot_profile"), "name") or text_of(value, "bot_id")
        )
        return ForeignPerson(f"bot:{name[:32]}", clean_text(name), clean_text(name)) if name else None

    def _person(self, foreign: str) -> ForeignPerson | None:
        """One of the list; one that is not in it, as guests of other workspaces, under their id."""
        if len(foreign) > 40:  # noqa: PLR2004  see above
            return None
        return self.people.find(foreign) or ForeignPerson(foreign, foreign, foreign)

    def _shown(self, foreign: str) -> str:
        person = self.people.find(foreign)
        return "" if person is None else person.display_name

    def _card(self, value: JsonObject) -> str:
        return clean_text(plain_text(text_of(value, "text") or text_of(value, "fallback"), self._shown))[:LONGEST_BODY]

    def _reaction(self, value: JsonObject) -> ForeignReaction:
        listed = cast("list[object]", value.get("users")) if isinstance(value.get("users"), list) else []
        people = (self._person(one) for one in listed[:MOST_REACTING] if isinstance(one, str))
        return ForeignReaction(
            emoji_of(clean_text(text_of(value, "name"))), tuple(person for person in people if person is not None)
        )

    def _file(self, value: JsonObject, message_file: str) -> ForeignFile:
        """Slack's own archive has links to files only; programs that fetch them use one of these places."""
        foreign = text_of(value, "id") or text_of(value, "name")
        name = clean_text(text_of(value, "name") or text_of(value, "title")) or "file"
        folder = message_file.rpartition("/")[0]
        size = value.get("size")
        return ForeignFile(
            foreign,
            name,
            (
                f"{self._root}__uploads/{foreign}/{name}",
                f"{folder}/attachments/{foreign}-{name}",
                f"{self._root}attachments/{foreign}-{name}",
                f"{self._root}files/{foreign}-{name}",
            ),
            size if isinstance(size, int) and size > 0 else 0,
        )
