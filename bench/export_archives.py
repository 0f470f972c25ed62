"""Writes export archives of Discord and Slack at any size, for tests and for bench/community.py; the same at every run.

    python -m bench.export_archives discord /tmp/d.zip --members 5000 --channels 200 --messages 1000000

Words, lengths and the shares of replies, threads, reactions and files follow what public statistics of communities say: most
messages are short, one in eight answers another, one in twenty has a reaction.
"""

import argparse
import io
import json
import random
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WORDS = (  # noqa: SIM905  read as a text
    "the of and to in is you that it was for on are as with they at be this have from or one had by word but not what all "
    "were we when your can said there use an each which do how their if will up other about out many then them these so some "
    "would make like into time has look two more write go see number no way could people my than first water been call "
    "who oil its now find long down day did get come made may part gateway deploy release server voice latency codec packet "
    "merge branch review ticket budget lunch friday coffee weekend train project customer invoice meeting holiday standup"
).split()
DISCORD_EPOCH_MS = 1_420_070_400_000
START_MS = int(datetime(2021, 1, 1, tzinfo=UTC).timestamp() * 1000)
EMOJI = ("👍", "❤️", "😂", "🎉", "👀")
SLACK_EMOJI = ("+1", "heart", "joy", "tada", "eyes")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much an archive holds; `files` counts attachments whose bytes are in it."""

    members: int = 50
    channels: int = 4
    messages: int = 400
    files: int = 4
    threads: int = 2


def write_discord(path: Path, size: Size) -> None:
    """A ZIP archive as DiscordChatExporter's files with downloaded media, one JSON file a channel or thread."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        share = size.messages // size.channels
        for channel in range(size.channels):
            folder = f"export/Guild - channel-{channel} [{discord_id(channel, 1)}]"
            name = f"channel-{channel}"
            head = _discord_head(
                str(discord_id(channel, 1)),
                name,
                "GuildTextChat",
                (str(9_000_000 + channel % 9), f"Topics {channel % 9}"),
            )
            with_files = size.files // size.channels + (channel < size.files % size.channels)
            count = share + (size.messages % size.channels if channel == 0 else 0)
            messages = _discord_messages(channel, count, size.members, folder, with_files)
            _stream(archive, f"{folder}.json", head, messages)
            for number in range(with_files):
                archive.writestr(f"{folder}.json_Files/picture-{number}.png", PNG)
        for thread in range(size.threads):
            parent = (str(discord_id(thread % size.channels, 1)), f"channel-{thread % size.channels}")
            head = _discord_head(str(discord_id(500_000 + thread, 2)), f"thread {thread}", "GuildPublicThread", parent)
            messages = _discord_messages(500_000 + thread, 10, size.members, "", 0)
            _stream(archive, f"export/thread-{thread}.json", head, messages)


def write_slack(path: Path, size: Size) -> None:
    """A ZIP archive as Slack's export: lists, and a file for each channel and day."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("users.json", "w", force_zip64=True) as out:
            _write_array(out, (_slack_user(number) for number in range(size.members)))
        channels = [
            {"id": f"C{number:08d}", "name": f"channel-{number}", "is_archived": False, "members": [],
             "topic": {"value": f"About {WORDS[number % len(WORDS)]}"}, "purpose": {"value": ""}}
            for number in range(size.channels)
        ]  # fmt: skip
        archive.writestr("channels.json", json.dumps(channels))
        archive.writestr("groups.json", json.dumps([
            {"id": "G00000001", "name": "board", "members": [user_id(0), user_id(1)], "topic": {"value": ""}, "purpose": {"value": ""}}
        ]))  # fmt: skip
        archive.writestr("dms.json", json.dumps([{"id": "D00000001", "members": [user_id(0), user_id(1)]}]))
        share = size.messages // size.channels
        for channel in range(size.channels):
            count = share + (size.messages % size.channels if channel == 0 else 0)
            with_files = size.files // size.channels + (channel < size.files % size.channels)
            threads = size.threads // size.channels + (channel < size.threads % size.channels)
            messages = list(_slack_messages(channel, count, size.members, with_files, threads))
            for day in range(0, len(messages), 500):
                stamp = datetime.fromtimestamp(START_MS / 1000 + day * 200, UTC)
                archive.writestr(f"channel-{channel}/{stamp:%Y-%m-%d}.json", json.dumps(messages[day : day + 500]))
            for number in range(with_files):
                archive.writestr(f"__uploads/F{channel:04d}{number:04d}/picture-{number}.png", PNG)


def discord_id(number: int, kind: int) -> int:
    """An id of Discord's for a thing of the archive."""
    return (START_MS - DISCORD_EPOCH_MS + number) << 22 | kind


def message_ms(channel: int, number: int) -> int:
    """When a message was sent, in Unix milliseconds."""
    return START_MS + number * 200_000 + channel % 1000


def user_id(number: int) -> str:
    """A person's id in Slack's archive."""
    return f"U{number:08d}"


def text_of(channel: int, number: int) -> str:
    """What a message says; the same at every call."""
    words = random.Random(channel << 32 | number)  # noqa: S311  a generator of test data
    return " ".join(words.choices(WORDS, k=min(60, 2 + int(words.expovariate(0.12)))))


def _discord_head(channel_id: str, name: str, kind: str, above: tuple[str, str]) -> dict[str, Any]:
    return {
        "guild": {"id": "42", "name": "Guild", "iconUrl": ""},
        "channel": {"id": channel_id, "type": kind, "categoryId": above[0], "category": above[1], "name": name, "topic": None},
        "dateRange": {"after": None, "before": None},
        "exportedAt": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip


def _discord_messages(channel: int, count: int, members: int, folder: str, with_files: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(channel)  # noqa: S311  same
    for number in range(count):
        sent = message_ms(channel, number)
        own_id = (sent - DISCORD_EPOCH_MS) << 22 | channel & 0x3FFFFF
        is_reply = number > 3 and chance.random() < 0.125
        answered = (message_ms(channel, number - 2) - DISCORD_EPOCH_MS) << 22 | channel & 0x3FFFFF
        yield {
            "id": str(own_id),
            "type": "Reply" if is_reply else "Default",
            "timestamp": datetime.fromtimestamp(sent / 1000, UTC).isoformat(timespec="milliseconds"),
            "timestampEdited": None,
            "callEndedTimestamp": None,
            "isPinned": number == 0,
            "content": text_of(channel, number),
            "author": _discord_person(chance.randrange(members)),
            "attachments": [] if number >= with_files else [
                {"id": str(own_id + 7), "fileName": f"picture-{number}.png", "fileSizeBytes": len(PNG),
                 "url": f"{folder.rpartition('/')[2]}.json_Files/picture-{number}.png"}
            ],
            "embeds": [],
            "stickers": [],
            "reactions": [] if chance.random() > 0.05 else [
                {"emoji": {"id": "", "name": chance.choice(EMOJI)}, "count": 2,
                 "users": [_discord_person(chance.randrange(members)) for _ in range(2)]}
            ],
            "mentions": [],
            **({"reference": {"messageId": str(answered), "channelId": "1", "guildId": "42"}} if is_reply else {}),
        }  # fmt: skip


def _discord_person(number: int) -> dict[str, Any]:
    return {
        "id": str(discord_id(number, 3)), "name": f"member{number}", "discriminator": "0000", "nickname": f"Member {number}",
        "color": None, "isBot": False, "roles": [], "avatarUrl": "",
    }  # fmt: skip


def _slack_user(number: int) -> dict[str, Any]:
    return {
        "id": user_id(number),
        "name": f"member{number}",
        "deleted": False,
        "profile": {"real_name": f"Member {number}", "display_name": ""},
    }


def _slack_messages(channel: int, count: int, members: int, with_files: int, threads: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(channel)  # noqa: S311  same
    thread = ""
    for number in range(count):
        stamp = f"{message_ms(channel, number) // 1000}.{number % 1000:03d}{channel % 1000:03d}"
        message: dict[str, Any] = {
            "type": "message",
            "user": user_id(chance.randrange(members)),
            "text": text_of(channel, number),
            "ts": stamp,
        }
        if number < with_files:
            message["files"] = [
                {
                    "id": f"F{channel:04d}{number:04d}",
                    "name": f"picture-{number}.png",
                    "mimetype": "image/png",
                    "size": len(PNG),
                }
            ]
        if number % 10 == 0 and number // 10 < threads:
            thread = stamp
            message |= {"thread_ts": stamp, "reply_count": 3}
        elif thread and number % 10 < 4:
            message |= {"thread_ts": thread}
        else:
            thread = ""
        if chance.random() < 0.05:
            users = [user_id(chance.randrange(members)) for _ in range(2)]
            message["reactions"] = [{"name": chance.choice(SLACK_EMOJI), "users": users, "count": 2}]
        yield message


def _stream(archive: zipfile.ZipFile, name: str, head: dict[str, Any], messages: Iterator[dict[str, Any]]) -> None:
    with archive.open(name, "w", force_zip64=True) as out:
        out.write(json.dumps(head)[:-1].encode() + b', "messages": ')
        count = _write_array(out, messages)
        out.write(b', "messageCount": %d}' % count)


def _write_array(out: Any, items: Iterator[Any]) -> int:
    writer, count = io.BytesIO(), 0
    writer.write(b"[")
    for count, item in enumerate(items, 1):
        writer.write(b",\n" if count > 1 else b"\n")
        writer.write(json.dumps(item, ensure_ascii=False).encode())
        if writer.tell() > 1 << 20:
            out.write(writer.getvalue())
            writer = io.BytesIO()
    writer.write(b"]")
    out.write(writer.getvalue())
    return count


def main() -> None:
    """Writes one archive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("origin", choices=("discord", "slack"))
    parser.add_argument("file", type=Path)
    for name, value in (
        ("members", 5000),
        ("channels", 200),
        ("messages", 1_000_000),
        ("files", 200),
        ("threads", 200),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    size = Size(args.members, args.channels, args.messages, args.files, args.threads)
    (write_discord if args.origin == "discord" else write_slack)(args.file, size)


if __name__ == "__main__":
    main()
