"""The client against a real server that is killed under it: no message, edit or deletion is missed, and none comes twice."""

from pathlib import Path

from tests.e2e.agents import until
from tests.e2e.chats import PASSWORD, chat_server
from tests.free_ports import free_port
from tests.time_limits import WAIT_S
from vox.clients.chat import BackOff, Client, Patience
from vox.clients.chat.events import CaughtUp, Event, MemberUpdate, MessageCreate, MessageDelete, MessageUpdate, Ready

QUICK = BackOff(first_s=0.05, longest_s=0.5)
NUMBERS = [str(number) for number in range(5)]


def client(port: int) -> Client:
    """A client that is in a hurry to come back."""
    return Client(f"http://127.0.0.1:{port}", patience=Patience(patience_s=WAIT_S, back_off=QUICK), reconnect=QUICK)


async def test_what_happens_while_the_server_is_killed_and_restarted_comes_in_order_and_once(tmp_path: Path):
    port = free_port()
    async with client(port) as alice, client(port) as bot:
        events: list[Event] = []

        @bot.on(Event, in_order=True)
        async def keep(event: Event) -> None:
            events.append(event)

        def seen(kind: type[Event]) -> list[Event]:
            return [event for event in events if isinstance(event, kind)]

        def bodies() -> list[tuple[str, int | None, int | None]]:
            messages = [event.message for event in events if isinstance(event, MessageCreate)]
            return [(one.body, one.thread_id, one.dm_id) for one in messages if one.body != "before"]

        async with chat_server(tmp_path, port=port) as server:
            await alice.register("alice", PASSWORD)
            bot_id = await bot.register("bot", PASSWORD)
            feed = await alice.spaces.create_feed("general")
            thread = await feed.start_thread("aside", (await feed.channel.send("before")).msg_id)
            direct = await alice.direct(bot_id)
            await bot.connect(timeout_s=WAIT_S)
            first = await feed.channel.send("0")
            gone = await feed.channel.send("1")
            await until(lambda: len(bodies()) == 2)
            server.kill()
            await server.ended()
        async with chat_server(tmp_path, port=port):
            await (await feed.channel.message(first.msg_id)).edit("0, edited")
            await (await feed.channel.message(gone.msg_id)).delete()
            for number in NUMBERS[2:]:
                await feed.channel.send(number)
            await thread.channel.send("aside")
            await direct.send("psst")
            await (await alice.people.member(bot_id)).rename("Robot")
            await until(lambda: bool(seen(CaughtUp)) and len(bodies()) == len(NUMBERS) + 2)
            await feed.channel.send("last")
            await until(lambda: ("last", None, None) in bodies())
    in_feed = [body for body, thread_id, dm_id in bodies() if thread_id is None and dm_id is None]
    assert in_feed == [*NUMBERS, "last"]
    assert {one for one in bodies() if one[1] or one[2]} == {
        ("aside", thread.thread_id, None),
        ("psst", None, direct.dm_id),
    }
    assert [event.body for event in events if isinstance(event, MessageUpdate)] == ["0, edited"]
    assert [event.msg_id for event in events if isinstance(event, MessageDelete)] == [gone.msg_id]
    assert [event.is_first for event in events if isinstance(event, Ready)] == [True, False]
    assert {event.nickname for event in events if isinstance(event, MemberUpdate)} == {"Robot"}
