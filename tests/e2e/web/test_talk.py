"""Conversations with agents in the web client, with a real agent server."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from tests.e2e.agents import FAKES, RunningAgent, agent_server
from tests.e2e.chats import chat_server
from tests.e2e.web.communities import founded
from tests.e2e.web.visitors import Visitor

SPOKEN = "[...document.querySelectorAll('.entry.bot .word')].length > 0 && !document.querySelector('.entry.bot .word:not(.spoken)')"


@contextlib.asynccontextmanager
async def beside_an_agent(folder: Path, **config: Any) -> AsyncGenerator[tuple[Visitor, RunningAgent]]:
    """The founder of a community whose chat server knows of an agent server."""
    async with (
        agent_server(folder, {**FAKES, **config}) as agent,
        chat_server(folder, environment={"VOX_AGENT_URL": agent.http}) as chat,
        founded(folder, chat) as (ada, _),
    ):
        yield ada, agent


async def opens_the_agent(visitor: Visitor) -> None:
    await visitor.press("Agents")
    await visitor.page.wait_for("!!document.querySelector('main a[href^=\"#/talk/\"]')")
    await visitor.page.evaluate("document.querySelector('main a[href^=\"#/talk/\"]').click()")
    await visitor.sees("Press Talk and speak, or type a message.")


async def test_an_agent_answers_what_is_typed_marks_what_it_spoke_and_takes_keys(tmp_path: Path) -> None:
    async with beside_an_agent(tmp_path) as (ada, _):
        await ada.press("Agents")
        await ada.sees("A conversation with one is between you and it alone.")
        assert await ada.faults(folder=tmp_path, name="agents") == []
        await opens_the_agent(ada)
        assert await ada.faults(folder=tmp_path, name="talk") == []
        await ada.fill("Message to the agent", "good morning")
        await ada.page.press("Enter")
        await ada.sees("Connected over")
        await ada.sees("good morning")
        await ada.page.wait_for(SPOKEN)
        await ada.sees("Answered in")
        await ada.page.evaluate("document.querySelector('summary').click()")
        await ada.press("5")
        await ada.sees("Key 5")
        assert await ada.faults(folder=tmp_path, name="talking") == []
        await ada.press("Hang up")
        await ada.sees("Ready")


async def test_the_microphone_is_opened_muted_and_given_back(tmp_path: Path) -> None:
    async with beside_an_agent(tmp_path) as (ada, _):
        await opens_the_agent(ada)
        await ada.press("Talk")
        await ada.sees("Connected over")
        await ada.press("Mute")
        await ada.press("Unmute")
        await ada.press("Hang up")
        await ada.sees("Ready")
        await ada.page.wait_for("!document.querySelector('meter')")


async def test_a_full_server_is_asked_again_after_a_countdown(tmp_path: Path) -> None:
    async with beside_an_agent(tmp_path, max_concurrent_calls=1) as (ada, agent):
        other = f"new WebSocket('{agent.ws}?format=protobuf')"
        await ada.page.evaluate(f"new Promise(done => {{ window.other = {other}; other.onopen = () => done(true); }})")
        await opens_the_agent(ada)
        await ada.press("Talk")
        await ada.sees("All lines are busy. It tries again in")
        await ada.page.evaluate("other.close()")
        await ada.sees("Connected over")
        ada.page.errors[:] = [error for error in ada.page.errors if "response code: 503" not in error]


async def test_a_server_that_is_away_and_an_agent_that_is_not_there_say_so(tmp_path: Path) -> None:
    async with beside_an_agent(tmp_path) as (ada, agent):
        await ada.page.evaluate("location.hash = '#/talk/stranger'")
        await ada.sees("There is no agent named")
        agent.terminate()
        await agent.process.wait()
        await ada.press("All agents")
        await ada.sees("The agent server cannot be reached.")
        await ada.press("Try again")
        await ada.sees("The agent server cannot be reached.")
