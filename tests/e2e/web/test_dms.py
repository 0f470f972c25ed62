"""Conversations and friends in the web client: two people find each other, become friends and write, on a phone and at a desk."""

from pathlib import Path

import pytest

from tests.e2e.axe_checker import violations
from tests.e2e.chats import chat_server
from tests.e2e.web.communities import founded, joined
from tests.e2e.web.people import person, press_about, press_labelled
from tests.e2e.web.visitors import Visitor


async def asks(visitor: Visitor, name: str) -> None:
    """Sends a friend request to who has that name."""
    await visitor.page.evaluate("location.hash = '#/friends'")
    await visitor.press("Add a friend")
    await visitor.fill("Find people", name[:2])
    await press_about(visitor, "Send request", name)


@pytest.mark.parametrize("width", [360, 1280])
async def test_two_people_become_friends_and_write_to_each_other(tmp_path: Path, width: int) -> None:
    async with chat_server(tmp_path) as chat, founded(tmp_path, chat) as (ada, link), joined(tmp_path, link) as bob:
        for one in (ada, bob):
            await one.page.show_as(width)
        await asks(ada, "bob")
        await ada.sees("You asked")
        await bob.go(f"{chat.http}/#/friends")
        await bob.sees("They ask you")
        await bob.press("Accept")
        await ada.press("Online")
        await ada.sees("bob")
        await ada.press("Write")
        await ada.says("hello, friend")
        await ada.sees("hello, friend")
        await bob.press("Write")
        await bob.sees("hello, friend")
        await bob.says("hello yourself")
        await ada.sees("hello yourself")
        assert await ada.faults(folder=tmp_path, name="dm") == []
        await ada.go(f"{chat.http}/#/friends")
        await ada.press("All")
        assert await ada.faults(folder=tmp_path, name="friends") == []
        await ada.go(f"{chat.http}/#/dms")
        await ada.sees("Conversations")
        await ada.page.show_as(1280, motion="reduce")
        assert await violations(ada.page) == []


async def test_a_group_is_made_renamed_and_left(tmp_path: Path) -> None:
    async with chat_server(tmp_path) as chat, founded(tmp_path, chat) as (ada, link), joined(tmp_path, link) as bob:
        await person(chat, "cleo", register=True)
        await ada.go(f"{chat.http}/#/dms")
        await ada.press("New message")
        for name in ("bob", "cleo"):
            await ada.fill("Find people", name)
            await press_about(ada, "Add", name)
        await ada.fill("Name of the group", "The picnic")
        await ada.press("Make the group")
        await ada.says("who brings bread?")
        await bob.go(f"{chat.http}/#/dms")
        await press_about(bob, "3 people", "The picnic")
        await bob.sees("who brings bread?")
        await press_labelled(ada, "People and settings of this conversation")
        assert await ada.faults(folder=tmp_path, name="group") == []
        await ada.fill("Name of the group", "The wedding")
        await ada.press("Rename")
        await bob.sees("The wedding")
        await press_labelled(bob, "People and settings of this conversation")
        await bob.press("Leave the group")
        await bob.press("Leave")
        await bob.sees("No conversations yet.")


async def test_who_takes_no_messages_is_explained(tmp_path: Path) -> None:
    async with chat_server(tmp_path) as chat, founded(tmp_path, chat) as (_, link), joined(tmp_path, link) as bob:
        await bob.go(f"{chat.http}/#/dms")
        await bob.press("New message")
        await bob.fill("Find people", "ada")
        await press_about(bob, "Add", "ada")
        too = await person(chat, "ada")
        await too.ask("PATCH", "users/@me/dm-settings", {"dm_permission": "nobody"})
        await bob.press("Write")
        await bob.sees("This person takes messages only from friends, or from no one.")
