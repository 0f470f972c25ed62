"""A community in the web client: its founder, and who comes by their invite link."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from tests.e2e.chats import RunningChat
from tests.e2e.web.visitors import PASSWORD, Visitor, visitor


@contextlib.asynccontextmanager
async def founded(folder: Path, chat: RunningChat) -> AsyncGenerator[tuple[Visitor, str], None]:
    """The founder in #general, and an invite link."""
    async with visitor(folder / "ada", f"{chat.http}/") as ada:
        await ada.fill("Name", "ada")
        await ada.fill("Password", PASSWORD)
        await ada.press("Create the administrator\u2019s account")
        await ada.fill("Name of the community", "The corner")
        await ada.press("Make it")
        link = await ada.value("Invite link")
        await ada.press("Go to your community")
        await ada.sees("general")
        yield ada, link


@contextlib.asynccontextmanager
async def joined(folder: Path, link: str) -> AsyncGenerator[Visitor, None]:
    """A second person who came by the link."""
    async with visitor(folder / "bob", link) as bob:
        await bob.sees("You are invited to The corner.")
        await bob.fill("Name", "bob")
        await bob.fill("Password", PASSWORD)
        await bob.press("Create account")
        await bob.sees("general")
        yield bob
