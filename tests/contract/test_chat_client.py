"""Bots as their authors write and test them: against `FakeChatServer`, in this process."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

import pytest

from tests.time_limits import WAIT_S
from vox.clients.chat import (
    AuthenticationError,
    BackOff,
    Button,
    Client,
    Embed,
    ForbiddenError,
    GatewayClosedError,
    Interaction,
    Member,
    Menu,
    MenuOption,
    Message,
    Modal,
    NotFoundError,
    Option,
    Patience,
    Permissions,
    RateLimitedError,
    RequestRefusedError,
    TextInput,
    UnavailableError,
)
from vox.clients.chat.events import (
    CaughtUp,
    Disconnected,
    Event,
    MemberJoin,
    MessageCreate,
    MessageDelete,
    MessageReactionAdd,
    MessageUpdate,
    Ready,
    Resumed,
    TypingStart,
    UnknownEvent,
)
from vox.clients.chat.messages import Channel
from vox.clients.chat.testing import FakeChatServer, FakeUser
from vox.errors import UsageError
from vox.protocols.gateway import CloseCode

QUICK = BackOff(first_s=0.01, longest_s=0.1)


@asynccontextmanager
async def serving() -> AsyncGenerator[tuple[FakeChatServer, FakeUser, Client]]:
    """A server, a person, and a bot that is not connected yet."""
    async with FakeChatServer(wait_s=WAIT_S) as server:
        alice, helper = server.add_user("alice"), server.add_bot("helper")
        patience = Patience(patience_s=WAIT_S, back_off=QUICK)
        async with Client(server.url, helper.token, patience=patience, reconnect=QUICK) as bot:
            yield server, alice, bot


async def collected(bot: Client, kind: type[Event] = MessageCreate) -> list[Event]:
    """What the bot hears of from now on."""
    events: list[Event] = []

    async def keep(event: Event) -> None:
        events.append(event)

    bot.on(kind, in_order=True)(keep)
    return events


async def test_a_bot_answers_what_people_write():
    async with serving() as (server, alice, bot):

        @bot.on(MessageCreate)
        async def greet(event: MessageCreate) -> None:
            if event.message.body == "hello":
                await event.message.reply("Hello!")

        ready = await bot.connect()
        said = server.say(alice, "hello")
        helper = server.community.users[bot.user_id]
        answer = await server.next_message(helper)
        assert (answer.body, answer.reply_to) == ("Hello!", said.msg_id)
        assert ready.is_first
        assert ready.user_id == bot.user_id == helper.user_id
        assert bot.is_connected


async def test_what_is_sent_is_sent_once_though_the_answer_is_lost():
    async with serving() as (server, _, bot):
        server.lose_answers(2)
        sent = await bot.feed(server.feed_id).send("once")
        assert [one.body for one in server.community.messages.values()] == ["once"]
        assert sent.msg_id in server.community.messages
        assert len(server.called("POST", f"/feeds/{server.feed_id}/messages")) == 3


async def test_a_request_that_could_do_a_thing_twice_is_not_repeated():
    async with serving() as (server, _, bot):
        server.lose_answers()
        with pytest.raises(UnavailableError, match="POST /feeds had no answer"):
            await bot.spaces.create_feed("twice")
        assert len(server.called("POST", "/feeds")) == 1
        server.fail_next(503, "UNAVAILABLE", retry_after_ms=5)
        assert (await bot.spaces.create_feed("news")).name == "news"


async def test_faults_of_the_server_are_tried_again_and_then_told():
    async with serving() as (server, _, bot):
        server.fail_next(502, times=5)
        assert (await bot.people.me()).username == "helper"
        server.fail_next(500, times=9)
        with pytest.raises(UnavailableError, match="HTTP 500 INTERNAL_ERROR"):
            await bot.people.me()


async def test_a_rate_limit_is_waited_for():
    async with serving() as (server, _, bot):
        server.fail_next(429, "RATE_LIMITED", times=2, retry_after_ms=10)
        await bot.feed(server.feed_id).send("patient")
        server.fail_next(429, "RATE_LIMITED", retry_after_ms=3_600_000)
        with pytest.raises(RateLimitedError, match="would have to wait 3600 s"):
            await bot.people.me()


async def test_refusals_say_what_is_missing():
    async with serving() as (server, _, bot):
        server.fail_next(403, "MISSING_PERMISSIONS", missing_permission="BAN_MEMBERS")
        with pytest.raises(ForbiddenError, match="give the account the permission BAN_MEMBERS") as refused:
            await bot.people.member(1)
        assert (refused.value.missing_permission, refused.value.reason) == ("BAN_MEMBERS", "MISSING_PERMISSIONS")
        with pytest.raises(NotFoundError):
            await bot.feed(server.feed_id).message(77)
        with pytest.raises(RequestRefusedError, match="EMPTY_MESSAGE"):
            await bot.feed(server.feed_id).send(" ")
        with pytest.raises(RequestRefusedError, match="give it one with answer"):
            await bot.community.preview("https://example.com")
        server.answer("POST", "/embeds/resolve", {"title": "Example"})
        assert (await bot.community.preview("https://example.com")).title == "Example"
        bot.rest.token = "wrong"
        with pytest.raises(AuthenticationError):
            await bot.people.me()
    with pytest.raises(UsageError, match="is not the address of a chat server"):
        Client("chat.example.com", "token")


async def test_a_lost_connection_is_resumed_and_nothing_is_missed_or_repeated():
    async with serving() as (server, alice, bot):
        events = await collected(bot)
        await bot.connect()
        for number in range(30):
            server.say(alice, str(number))
            if number % 10 == 5:
                resumed = asyncio.create_task(bot.wait_for(Resumed, timeout_s=WAIT_S))
                await asyncio.sleep(0)
                server.drop_connections(CloseCode.SERVER_RESTART)
                await resumed
        await server.wait_until(lambda: len(events) == 30)
        assert [one.message.body for one in events if isinstance(one, MessageCreate)] == [str(n) for n in range(30)]


async def test_what_a_lost_session_hid_is_read_in_order_before_what_comes_after():
    async with serving() as (server, alice, bot):
        events = await collected(bot, Event)
        lost: list[Event] = await collected(bot, Disconnected)
        known = server.say(alice, "known")
        changed, gone = server.say(alice, "first draft"), server.say(alice, "gone")
        await bot.connect()
        for message in (known, changed, gone):
            server.publish("message_create", message.on_the_wire())
        caught_up = asyncio.create_task(bot.wait_for(CaughtUp, timeout_s=WAIT_S))
        server.refuse_gateway(CloseCode.SERVER_FULL)
        server.lose_sessions()
        await bot.wait_for(Disconnected, timeout_s=WAIT_S) if not lost else None
        server.community.edit(changed, {"body": "final"})
        server.community.delete(gone)
        for number in range(250):
            server.say(alice, str(number))
        thread = await bot.rest.post(f"/feeds/{server.feed_id}/threads", dict, {"name": "t", "parent_msg_id": 1})
        server.say(alice, "in a thread", thread_id=thread["thread_id"])
        server.refuse_gateway(None)
        assert (await caught_up).messages == 251
        server.say(alice, "live")
        await server.wait_until(
            lambda: any(one.message.body == "live" for one in events if isinstance(one, MessageCreate))
        )
        created = [one for one in events if isinstance(one, MessageCreate)]
        in_feed = [one.message.body for one in created if one.message.thread_id is None]
        assert in_feed == ["known", "first draft", "gone", *map(str, range(250)), "live"]
        assert [one.message.body for one in created if one.message.thread_id] == ["in a thread"]
        assert sum(one.is_recovered for one in created) == 251
        assert [one.body for one in events if isinstance(one, MessageUpdate)] == ["final"]
        assert [one.msg_id for one in events if isinstance(one, MessageDelete)] == [gone.msg_id]


async def test_interactions_are_not_held_up_while_the_client_catches_up():
    async with serving() as (server, alice, bot):

        @bot.command()
        async def ping(interaction: Interaction) -> str:
            return "pong"

        await bot.connect()
        server.answer("POST", "/sync", {"events": "nonsense"})
        server.lose_sessions()
        await bot.wait_for(Ready, timeout_s=WAIT_S)
        answered = await server.command(alice, "ping")
        assert answered.answer is not None
        assert answered.answer["body"] == "pong"


async def test_a_final_close_code_ends_the_client():
    async with serving() as (server, _, bot):
        server.refuse_gateway(CloseCode.AUTH_FAILED)
        with pytest.raises(GatewayClosedError, match="4004") as closed:
            await bot.connect(timeout_s=WAIT_S)
        assert closed.value.close_code == CloseCode.AUTH_FAILED
        await bot.close()
        server.refuse_gateway(None)
        await bot.connect(timeout_s=WAIT_S)
        server.refuse_gateway(CloseCode.VERSION_MISMATCH)
        server.drop_connections()
        with pytest.raises(GatewayClosedError, match="update the older one"):
            await bot.wait_closed()


async def test_commands_get_what_their_annotations_say():
    async with serving() as (server, alice, bot):

        @bot.command()
        async def roll(
            interaction: Interaction,
            sides: Annotated[int, Option("how many", min=2, max=100)] = 6,
            mood: Literal["fair", "loaded"] = "fair",
            whom: Member | None = None,
            *,
            loud: bool = False,
        ) -> str:
            """Rolls a die."""
            return f"{sides + 1} {mood} {whom.username if whom else None} {loud}"

        @bot.command(name="lock", permission=Permissions.MANAGE_SPACES)
        async def lock_feed(interaction: Interaction, reason: str) -> None:
            await interaction.respond(f"Locked: {reason}")

        await bot.connect()
        given = {"sides": 20, "mood": "loaded", "whom": alice.user_id, "loud": True}
        answers = [
            (await server.command(alice, "roll")).answer,
            (await server.command(alice, "roll", dict(given))).answer,
            (await server.command(alice, "lock", {"reason": "x"})).answer,
        ]
        alice.roles.append(server.add_role("moderator", Permissions.MANAGE_SPACES))
        answers += [
            (await server.command(alice, "lock", {})).answer,
            (await server.command(alice, "lock", {"reason": "spam"})).answer,
        ]
        assert [one and one["body"] for one in answers] == [
            "7 fair None False",
            "21 loaded alice True",
            "You need the permission MANAGE_SPACES.",
            "/lock: reason is missing",
            "Locked: spam",
        ]
        assert answers[2] is not None
        assert answers[2]["ephemeral"] is True
        [one] = [one for one in server.community.commands[bot.user_id] if one["name"] == "roll"]
        assert one["description"] == "Rolls a die."
        assert [(param["name"], param.get("type", "string")) for param in one["params"]] == [
            ("sides", "integer"),
            ("mood", "string"),
            ("whom", "user"),
            ("loud", "boolean"),
        ]
        assert one["params"][0] == {
            "name": "sides",
            "type": "integer",
            "description": "how many",
            "min": 2.0,
            "max": 100.0,
        }


async def test_buttons_menus_and_forms():
    async with serving() as (server, alice, bot):

        @bot.command()
        async def poll(interaction: Interaction) -> None:
            options = [MenuOption("Red", "red"), MenuOption("Blue", "blue")]
            await interaction.respond(
                "Vote!",
                components=[Button(label="Yes", custom_id="vote:yes"), Menu(custom_id="colour", options=options)],
            )

        @bot.component("vote:*")
        async def vote(interaction: Interaction) -> None:
            field = TextInput(custom_id="why", label="Why?")
            await interaction.ask(Modal(custom_id="reason", title="Your reason", fields=[field]))

        @bot.component("colour")
        async def colour(interaction: Interaction) -> None:
            await interaction.update(f"{interaction.chosen[0]} it is", components=[])

        @bot.modal("reason")
        async def reason(interaction: Interaction) -> str:
            return f"because {interaction.fields['why']}"

        await bot.connect()
        helper = server.community.users[bot.user_id]
        await server.command(alice, "poll")
        message = await server.next_message(helper)
        opened = await server.click(alice, message, "vote:yes")
        await server.submit(alice, opened, {"why": "it is good"})
        assert (await server.next_message(helper)).body == "because it is good"
        await server.choose(alice, message, "colour", "blue")
        assert (message.body, message.components) == ("blue it is", [])
        with pytest.raises(UsageError, match="no component 'vote:yes'"):
            await server.click(alice, message, "vote:yes")


async def test_a_command_that_fails_tells_the_member_and_the_log():
    async with serving() as (server, alice, bot):
        failures: list[Exception] = []

        @bot.command()
        async def broken(interaction: Interaction) -> None:
            raise ValueError("out of order")

        @bot.on_error
        async def _(error: Exception, event: Event) -> None:
            failures.append(error)

        await bot.connect()
        answer = (await server.command(alice, "broken")).answer
        assert answer is not None
        assert answer["ephemeral"] is True
        await server.wait_until(lambda: len(failures) == 1)
        assert str(failures[0]) == "out of order"


async def test_one_listener_that_fails_stops_no_other():
    async with serving() as (server, alice, bot):
        errors: list[Event] = []

        @bot.on(MessageCreate)
        async def _(event: MessageCreate) -> None:
            raise ValueError

        @bot.on_error
        async def _(error: Exception, event: Event) -> None:
            errors.append(event)

        heard = await collected(bot)
        await bot.connect()
        server.say(alice, "a")
        server.say(alice, "b")
        await server.wait_until(lambda: len(heard) == 2 == len(errors))


async def test_waiting_for_an_event_gets_the_one_that_fits_and_gives_up_in_time():
    async with serving() as (server, alice, bot):
        await bot.connect()
        waiting = asyncio.create_task(bot.wait_for(MessageCreate, lambda event: event.message.body == "b"))
        await asyncio.sleep(0)
        server.say(alice, "a")
        server.say(alice, "b")
        assert (await waiting).message.author_id == alice.user_id
        with pytest.raises(TimeoutError):
            await bot.wait_for(MemberJoin, timeout_s=0.01)


async def test_files_go_up_and_down(tmp_path):
    async with serving() as (server, _, bot):
        source = tmp_path / "notes.txt"
        source.write_text("hello")
        channel = bot.feed(server.feed_id)
        files = [await channel.upload(source), await channel.upload(b"x" * 100_000, name="big.bin")]
        message = await channel.message((await channel.send(attachments=files)).msg_id)
        assert [one.name for one in message.attachments] == ["notes.txt", "big.bin"]
        assert await message.attachments[0].read() == b"hello"
        assert await message.attachments[1].save(tmp_path / "copy") == 100_000
        with pytest.raises(UsageError, match="more than 10 bytes"):
            await message.attachments[1].save(tmp_path / "refused", max_bytes=10)
        assert not (tmp_path / "refused").exists()


async def test_history_is_read_page_by_page():
    async with serving() as (server, alice, bot):
        ids = [server.say(alice, str(number)).msg_id for number in range(230)]
        channel = bot.feed(server.feed_id)
        assert [one.msg_id async for one in channel.history()] == ids[::-1]
        assert [one.msg_id async for one in channel.history(limit=150, before=ids[200])] == ids[199:49:-1]
        assert len(server.called("GET", f"/feeds/{server.feed_id}/messages")) == 6


async def test_messages_can_be_changed_pinned_and_reacted_to():
    async with serving() as (server, alice, bot):
        reactions = await collected(bot, MessageReactionAdd)
        await bot.connect()
        channel = bot.feed(server.feed_id)
        message = await channel.message((await channel.send("a", embed=Embed(title="card"))).msg_id)
        await message.edit("b")
        await message.react("🎉")
        await message.pin()
        assert [one.body for one in await channel.pins()] == ["b"]
        assert [(one.emoji, one.user_ids) for one in await message.reactions()] == [("🎉", [bot.user_id])]
        await message.unreact("🎉")
        await message.unpin()
        await message.delete()
        await message_gone(channel, message)
        await server.wait_until(lambda: len(reactions) == 1)
        direct = await bot.direct(alice.user_id)
        await direct.send("psst")
        assert direct.is_private


async def message_gone(channel: Channel, message: Message) -> None:
    """The server no longer has the message."""
    with pytest.raises(NotFoundError):
        await channel.message(message.msg_id)


async def test_a_newer_server_breaks_nothing():
    async with serving() as (server, _, bot):
        events = await collected(bot, Event)
        await bot.connect()
        server.publish("comet_sighted", {"brightness": 3})
        server.publish("member_join", {"user_id": 9, "username": "x", "new_field": {"a": 1}})
        server.publish("member_join", {"user_id": "not a number"})
        bot.send_typing(bot.feed(server.feed_id))
        await bot.wait_for(TypingStart, timeout_s=WAIT_S)
        unknown = [one for one in events if isinstance(one, UnknownEvent)]
        assert [(one.type, one.data) for one in unknown] == [
            ("comet_sighted", {"brightness": 3}),
            ("member_join", {"user_id": "not a number"}),
        ]
        assert [one.user_id for one in events if isinstance(one, MemberJoin)] == [9]


async def test_closing_lets_a_listener_finish():
    finished: list[str] = []
    async with serving() as (server, alice, bot):
        begun = asyncio.Event()

        @bot.on(MessageCreate)
        async def _(event: MessageCreate) -> None:
            begun.set()
            await asyncio.sleep(0.05)
            finished.append(event.message.body)

        await bot.connect()
        server.say(alice, "work")
        await begun.wait()
    assert finished == ["work"]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_breaks_whenever_each_message_comes_once_and_in_order(seed: int):
    chance = random.Random(seed)
    async with serving() as (server, alice, bot):
        events = await collected(bot)
        await bot.connect()
        feeds = [server.feed_id, server.add_feed("other")]
        said: dict[int, list[str]] = {feed_id: [] for feed_id in feeds}
        for number in range(300):
            feed_id = chance.choice(feeds)
            said[feed_id].append(str(number))
            server.say(alice, str(number), feed_id=feed_id)
            match chance.randrange(25):
                case 0:
                    server.drop_connections(chance.choice([1011, CloseCode.SERVER_RESTART, CloseCode.UNKNOWN_ERROR]))
                case 1:
                    server.lose_sessions()
                case 2:
                    server.fail_next(503, "UNAVAILABLE", times=2)
                case 3:
                    server.lose_answers(2)
                case _:
                    await asyncio.sleep(chance.choice([0, 0, 0.002]))
        await server.wait_until(lambda: len(events) >= 300)
        got: dict[int | None, list[str]] = {feed_id: [] for feed_id in feeds}
        for event in events:
            assert isinstance(event, MessageCreate)
            got[event.message.feed_id].append(event.message.body)
        assert got == said


async def test_a_program_that_does_not_keep_up_is_resumed_and_loses_nothing():
    async with (
        serving() as (server, alice, patient),
        Client(server.url, patient.rest.token, reconnect=QUICK, queue_limit=50) as bot,
    ):
        lost = await collected(bot, Disconnected)
        busy, seen = asyncio.Event(), list[str]()

        @bot.on(MessageCreate)
        async def _(event: MessageCreate) -> None:
            await busy.wait()
            seen.append(event.message.body)

        await bot.connect()
        for number in range(400):
            server.say(alice, str(number))
        await server.wait_until(lambda: server.online_count == 0)
        busy.set()
        await server.wait_until(lambda: len(seen) == 400)
        assert seen == [str(number) for number in range(400)]
        assert [one.reason for one in lost if isinstance(one, Disconnected)][:1] == ["the program does not keep up"]
