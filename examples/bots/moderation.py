"""A moderator: deletes messages with listed words, warns their authors, and takes the right to write from those who go on.

    python examples/bots/moderation.py http://localhost:8000 --token-file bot.token --words words.txt --log moderation

The bot's role needs MANAGE_MESSAGES and MANAGE_ROLES and a better rank than the members it acts on. What it does is written into
the feed named by --log; warnings and time-outs are kept in --state, so that a restart of the bot forgets neither.
"""

import argparse
import asyncio
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec

from vox.clients.chat import Channel, Client, Interaction, Member, NotFoundError, Option, Permissions
from vox.clients.chat.events import MessageCreate, MessageUpdate, Ready
from vox.errors import VoxError

WARNINGS = 3
"""A member who is warned so often in a row may not write for a while."""


class TimeOut(msgspec.Struct):
    """A member may not write in a feed until then (Unix seconds)."""

    user_id: int
    feed_id: int
    until: float


class State(msgspec.Struct):
    """What a restart must not forget."""

    warnings: dict[int, int] = {}
    time_outs: list[TimeOut] = []


class Moderator:
    """The moderation of one community.

    Args:
        client: the bot's.
        words: what may not be written; case makes no difference.
        log_feed: the name of the feed that the bot reports to.
        state_file: where warnings and time-outs are kept.
        time_out_s: how long a time-out lasts.
    """

    def __init__(
        self, client: Client, words: Iterable[str], *, log_feed: str, state_file: Path, time_out_s: float = 600
    ) -> None:
        self.client = client
        self._pattern = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b", re.IGNORECASE)
        self._log_feed = log_feed
        self._log: Channel | None = None
        self._state_file = state_file
        self._state = State()
        with suppress(FileNotFoundError):
            self._state = msgspec.json.decode(state_file.read_bytes(), type=State)
        self._time_out_s = time_out_s
        client.on(Ready)(self.began)
        client.on(MessageCreate, in_order=True)(self.wrote)
        client.on(MessageUpdate, in_order=True)(self.edited)
        client.command(permission=Permissions.MANAGE_MESSAGES)(self.warnings)
        client.command(permission=Permissions.MANAGE_MESSAGES)(self.pardon)

    async def run(self) -> None:
        """Moderates, and gives the right to write back when its time has come."""
        async with self.client:
            await self.client.connect(timeout_s=None)
            ending = asyncio.create_task(self._end_time_outs())
            try:
                await self.client.wait_closed()
            finally:
                ending.cancel()

    async def began(self, event: Ready) -> None:
        """Finds the feed for reports."""
        feed = (await self.client.spaces.layout()).feed(self._log_feed)
        self._log = feed.channel if feed is not None else None

    async def wrote(self, event: MessageCreate) -> None:
        """Looks at a new message; those of an absence come here, too."""
        message = event.message
        if message.author_id not in (None, self.client.user_id):
            await self._check(message.channel, message.msg_id, message.author_id, message.body)

    async def edited(self, event: MessageUpdate) -> None:
        """Looks at an edited message, whose author an edit does not name."""
        if self._pattern.search(event.body):
            with suppress(NotFoundError):
                message = await event.channel.message(event.msg_id)
                if message.author_id != self.client.user_id:
                    await self._check(event.channel, event.msg_id, message.author_id, message.body)

    async def warnings(self, interaction: Interaction, member: Annotated[Member, Option("who")]) -> None:
        """Shows how often a member was warned."""
        count = self._state.warnings.get(member.user_id, 0)
        await interaction.respond(f"{member.shown_name} has {count} warnings.", ephemeral=True)

    async def pardon(self, interaction: Interaction, member: Annotated[Member, Option("who")]) -> None:
        """Forgets a member's warnings, and ends their time-outs."""
        self._state.warnings.pop(member.user_id, None)
        for one in self._state.time_outs:
            if one.user_id == member.user_id:
                one.until = 0.0
        self._save()
        await interaction.respond(f"{member.shown_name} starts afresh.")

    async def _check(self, channel: Channel, msg_id: int, author_id: int | None, body: str) -> None:
        found = self._pattern.search(body)
        if found is None or author_id is None or channel.is_private:
            return
        with suppress(NotFoundError):  # deleted already, by its author or by another moderator
            await (await channel.message(msg_id)).delete()
        count = self._state.warnings.get(author_id, 0) + 1
        self._state.warnings[author_id] = count % WARNINGS
        action = f"warned {count} of {WARNINGS}"
        if count >= WARNINGS and channel.feed_id is not None:
            await self._time_out(author_id, channel.feed_id)
            action = f"timed out for {self._time_out_s:g} s"
        self._save()
        text = f"<@{author_id}>, your message was deleted: it contained a listed word ({action})."
        # The nonces say which message this is about: however often a request is repeated, members read it once.
        await channel.send(text, mentions=[author_id], nonce=f"warn-{msg_id}")
        if self._log is not None:
            report = f"message {msg_id} of <@{author_id}> deleted for ||{found[0]}||: {action}"
            await self._log.send(report, nonce=f"log-{msg_id}")

    async def _time_out(self, user_id: int, feed_id: int) -> None:
        feed = await self.client.spaces.feed(feed_id)
        await feed.set_override("user", user_id, allow=0, deny=Permissions.SEND_MESSAGES | Permissions.SEND_IN_THREADS)
        self._state.time_outs.append(TimeOut(user_id, feed_id, time.time() + self._time_out_s))

    async def _end_time_outs(self) -> None:
        while True:
            await asyncio.sleep(1)
            for one in [one for one in self._state.time_outs if one.until <= time.time()]:
                try:
                    feed = await self.client.spaces.feed(one.feed_id)
                    await feed.delete_override("user", one.user_id)
                except NotFoundError:
                    pass  # the feed is gone
                except VoxError as error:
                    print(f"the time-out of {one.user_id} is not ended yet: {error}")
                    continue
                self._state.time_outs.remove(one)
                self._save()

    def _save(self) -> None:
        new = self._state_file.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(self._state))
        new.replace(self._state_file)


def main() -> None:
    """Reads the command line and moderates until it is stopped."""
    parser = argparse.ArgumentParser(description="Moderates a community by a list of words.")
    parser.add_argument("url", help="of the chat server, as http://localhost:8000")
    parser.add_argument("--token-file", type=Path, required=True, help="file with the bot's token")
    parser.add_argument("--words", type=Path, required=True, help="file with a word or phrase on each line")
    parser.add_argument("--log", default="moderation", help="name of the feed to report to")
    parser.add_argument("--state", type=Path, default=Path("moderation.json"), help="file for warnings and time-outs")
    parser.add_argument("--time-out", type=float, default=600, help="length of a time-out in seconds")
    asked = parser.parse_args()
    words = [word for line in asked.words.read_text(encoding="utf-8").splitlines() if (word := line.strip())]
    client = Client(asked.url, asked.token_file.read_text(encoding="utf-8").strip())
    moderator = Moderator(client, words, log_feed=asked.log, state_file=asked.state, time_out_s=asked.time_out)
    with suppress(KeyboardInterrupt):
        asyncio.run(moderator.run())


if __name__ == "__main__":
    main()
