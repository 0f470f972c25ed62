"""The client against a real server: what a bot author writes works, and a server that is killed under it costs no message."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.e2e.chats import PASSWORD, chat_server, free_port
from tests.time_limits import WAIT_S, time_limit
from vox.clients.chat import BackOff, Client, Patience
from vox.clients.chat.events import CaughtUp, Event, MessageCreate, MessageDelete, MessageUpdate

QUICK = BackOff(first_s=0.05, longest_s=0.5)


def client(port: int) -> Client:
    """A client that is in a hurry to come back."""
    return Client(f"http://127.0.0.1:{port}", patience=Patience(patience_s=WAIT_S, back_off=QUICK), reconnect=QUICK)


async def until(test: Callable[[], bool]) -> None:
    """Waits until something is so."""
    async with time_limit():
        while not test():
            await asyncio.sleep(0.02)


async def test_messages_edits_and_deletions_of_an_absence_come_in_order_and_once(tmp_path: Path):
    port = free_port()
    async with client(port) as alice, client(port) as bot:
        seen: list[str] = []
        others: list[Event] = []

        @bot.on(MessageCreate, in_order=True)
        async def _(event: MessageCreate) -> None:
            seen.append(event.message.body)

        @bot.on(MessageUpdate)
        @bot.on(MessageDelete)
        async def _(event: Event) -> None:
            others.append(event)

        async with chat_server(tmp_path, port=port) as server:
            await alice.register("alice", PASSWORD)
            await bot.register("bot", PASSWORD)
            feed = await alice.spaces.create_feed("general")
            thread = await feed.start_thread("aside", (await feed.channel.send("before")).msg_id)
            await asyncio.sleep(1.1)  # the bot is told of what comes from the second on in which it connected
            await bot.connect()
            first = await feed.channel.send("0")
            gone = await feed.channel.send("1")
            await until(lambda: len(seen) == 2)
            server.kill()
            await server.ended()
        async with chat_server(tmp_path, port=port):
            await (await feed.channel.message(first.msg_id)).edit("0, edited")
            await (await feed.channel.message(gone.msg_id)).delete()
            for number in range(2, 5):
                await feed.channel.send(str(number))
            await thread.channel.send("aside")
            caught_up = await bot.wait_for(CaughtUp, timeout_s=WAIT_S)
            await until(lambda: len(seen) >= 6)
            await feed.channel.send("last")
            await until(lambda: "last" in seen)
    assert sorted(seen) == sorted(["0", "1", "2", "3", "4", "aside", "last"])
    assert [one for one in seen if one != "aside"] == ["0", "1", "2", "3", "4", "last"]
    assert caught_up.messages <= 4
    assert {type(one) for one in others} == {MessageUpdate, MessageDelete}
