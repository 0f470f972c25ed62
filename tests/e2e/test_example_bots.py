"""The bots of examples/bots as the programs that they are, against a real server that is killed under them: nothing is missed or done twice."""

import asyncio
import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.e2e.agents import FAKES, agent_server, until
from tests.e2e.chats import PASSWORD, RunningChat, chat_server
from tests.e2e.ircd import irc_person, irc_server
from tests.e2e.ws_client import connected
from tests.free_ports import free_port
from tests.time_limits import WAIT_S, time_limit
from vox.clients.chat import BackOff, Channel, Client, ForbiddenError, Patience, Permissions
from vox.clients.chat.bots import Bot
from vox.clients.chat.events import MessageCreate, PresenceUpdate

BOTS = Path(__file__).parents[2] / "examples" / "bots"
QUICK = BackOff(first_s=0.05, longest_s=0.5)


def person(port: int) -> Client:
    """Somebody whose requests wait for a server that is away."""
    return Client(f"http://127.0.0.1:{port}", patience=Patience(patience_s=WAIT_S, back_off=QUICK), reconnect=QUICK)


async def made_bot(owner: Client, name: str, folder: Path, permissions: int = 0) -> Bot:
    """A bot with a role, its token in a file."""
    bot = await owner.bots.create(name)
    (folder / "bot.token").write_text(bot.token)
    if permissions:
        role = await owner.roles.create(name, permissions=permissions)
        await (await owner.people.member(bot.user_id)).add_role(role.role_id)
    return bot


@contextlib.asynccontextmanager
async def running(program: str, folder: Path, port: int, *arguments: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """An example as a process of its own, stopped as by Ctrl-C and seen to end in order."""
    command = [str(BOTS / program), f"http://127.0.0.1:{port}", "--token-file", str(folder / "bot.token"), *arguments]
    log = folder / "bot.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=folder
        )
    try:
        yield process
        assert process.returncode is None, log.read_text()
        process.terminate()
        async with time_limit():
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()


@contextlib.asynccontextmanager
async def killed_and_restarted(folder: Path, port: int, server: RunningChat) -> AsyncGenerator[None]:
    """The server is killed without a warning, and back inside the block."""
    server.kill()
    await server.ended()
    async with chat_server(folder, port=port):
        yield


async def test_the_moderator_misses_no_word_while_the_server_is_killed(tmp_path: Path):
    port = free_port()
    (tmp_path / "words.txt").write_text("crab\nbad word\n")
    async with person(port) as owner, person(port) as alice, contextlib.AsyncExitStack() as resources:
        server = await resources.enter_async_context(chat_server(tmp_path, port=port))
        await owner.register("owner", PASSWORD)
        alice_id = await alice.register("alice", PASSWORD)
        general = (await owner.spaces.create_feed("general")).channel
        log = (await owner.spaces.create_feed("moderation")).channel
        powers = Permissions.MANAGE_MESSAGES | Permissions.MANAGE_ROLES
        bot = await made_bot(owner, "moderator", tmp_path, powers)
        await owner.connect(timeout_s=WAIT_S)
        online = asyncio.create_task(
            owner.wait_for(PresenceUpdate, lambda event: event.user_id == bot.user_id, timeout_s=WAIT_S)
        )
        await asyncio.sleep(0)
        await resources.enter_async_context(
            running("moderation.py", tmp_path, port, "--words", "words.txt", "--time-out", "3600")
        )
        await online
        writing = alice.feed(general.feed_id or 0)
        await writing.send("good morning")
        await writing.send("a crab!")
        edited = await writing.send("an innocent text")
        await until_lines(log, 1)
        async with killed_and_restarted(tmp_path, port, server):
            await writing.send("what a Bad Word that is")
            await (await writing.message(edited.msg_id)).edit("no longer innocent: crab")
            await until_lines(log, 3)
            left = [message async for message in general.history() if message.author_id == alice_id]
            assert [message.body for message in left] == ["good morning"]
            reports = [message.body async for message in log.history()]
            assert Counter(report.rpartition(": ")[2] for report in reports) == {
                "warned 1 of 3": 1,
                "warned 2 of 3": 1,
                "timed out for 3600 s": 1,
            }
            with pytest.raises(ForbiddenError, match="give the account the permission SEND_MESSAGES"):
                await writing.send("am I still here?")
            entries = [entry async for entry in owner.community.audit_log(event_type="permission.update")]
            assert [(entry.actor_id, entry.metadata["target_id"]) for entry in entries] == [(bot.user_id, alice_id)]


async def until_lines(channel: Channel, count: int) -> None:
    """Waits until a channel has so many messages."""
    async with time_limit():
        while len(await channel.page()) < count:  # noqa: ASYNC110  another process writes them
            await asyncio.sleep(0.05)


async def test_the_bridge_carries_every_line_once_and_in_order_while_the_server_is_killed(tmp_path: Path):
    port = free_port()
    async with (
        person(port) as owner,
        irc_server(tmp_path) as irc_port,
        irc_person(irc_port, "carol", "#vox") as carol,
        contextlib.AsyncExitStack() as resources,
    ):
        server = await resources.enter_async_context(chat_server(tmp_path, port=port))
        await owner.register("owner", PASSWORD)
        general = (await owner.spaces.create_feed("general")).channel
        bot = await made_bot(owner, "bridge", tmp_path)
        said: list[str] = []

        @owner.on(MessageCreate, in_order=True)
        async def keep(event: MessageCreate) -> None:
            if event.message.author_id == bot.user_id:
                said.append(event.message.body)

        await owner.connect(timeout_s=WAIT_S)
        options = ("--irc", f"127.0.0.1:{irc_port}", "--channel", "#vox")
        await resources.enter_async_context(running("irc_bridge.py", tmp_path, port, *options))
        await until(lambda: "voxbridge" in carol.present)
        for number in range(5):
            await general.send(f"from chat {number}")
            carol.say(f"from irc {number}")
        await until(lambda: len(carol.heard) >= 5 and len(said) >= 2)
        carol.say("from irc 5")
        async with killed_and_restarted(tmp_path, port, server):
            for number in range(5, 10):
                await general.send(f"from chat {number}")
                carol.say(f"from irc {number + 1}")
            await until(lambda: len(carol.heard) >= 10 and len(said) >= 11)
            await general.send("goodbye\nin two lines")
            await until(lambda: len(carol.heard) >= 12)
    assert carol.heard == [*(f"<owner> from chat {n}" for n in range(10)), "<owner> goodbye", "<owner> in two lines"]
    assert said == [f"**carol**: from irc {number}" for number in range(11)]


async def test_the_summoner_opens_a_session_with_the_agent_before_and_after_the_server_is_killed(tmp_path: Path):
    port = free_port()
    config = {**FAKES, "greeting": "Hello {{member}}, let us talk about {{topic}}."}
    folder = tmp_path / "agent"
    folder.mkdir()
    async with person(port) as owner, agent_server(folder, config) as agent, contextlib.AsyncExitStack() as resources:
        server = await resources.enter_async_context(chat_server(tmp_path, port=port))
        await owner.register("owner", PASSWORD)
        general = (await owner.spaces.create_feed("general")).channel
        bot = await made_bot(owner, "summoner", tmp_path)
        await owner.connect(timeout_s=WAIT_S)
        await resources.enter_async_context(running("voice_agent.py", tmp_path, port, "--agent-url", agent.http))
        assert await greeting_of(await called(owner, general, bot, "boats"), agent.http) == (
            "Hello owner, let us talk about boats."
        )
        async with killed_and_restarted(tmp_path, port, server):
            assert await greeting_of(await called(owner, general, bot, "trees"), agent.http) == (
                "Hello owner, let us talk about trees."
            )


async def called(owner: Client, channel: Channel, bot: Bot, topic: str) -> str:
    """Types `/call` until the bot, which may be on its way back, answers; the address behind its button."""

    def is_answer(event: MessageCreate) -> bool:
        return event.message.author_id == bot.user_id and event.message.ephemeral

    async with time_limit():
        while True:
            answer = asyncio.create_task(owner.wait_for(MessageCreate, is_answer, timeout_s=3))
            await asyncio.sleep(0)
            sent = await channel.send(f'/call topic="{topic}"')
            if sent.interaction_id is None:
                answer.cancel()
                await asyncio.sleep(0.1)
                continue
            with contextlib.suppress(TimeoutError):
                message = (await answer).message
                assert message.body == "Your agent is ready.", message.body
                return message.components[0]["url"]


async def greeting_of(page: str, agent: str) -> str:
    """What the agent says first to a caller who opens the page, whose script passes agent and session on to the socket."""
    assert page.startswith(f"{agent}/?")
    async with httpx2.AsyncClient(timeout=WAIT_S) as http:
        assert (await http.get(page)).status_code == 200
    socket = f"{agent.replace('http', 'ws', 1)}/ws?format=json&{urlsplit(page).query}"
    async with connected(socket) as caller:
        return (await caller.frame("AggregatedTextFrame"))["text"]
