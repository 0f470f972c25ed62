"""From an empty server to two people who write to each other, and on through a server that goes away."""

from pathlib import Path

from tests.e2e.chats import chat_server
from tests.e2e.web.communities import founded, joined
from tests.e2e.web.visitors import PASSWORD, visitor
from tests.free_ports import free_port


async def test_a_printed_link_leads_to_the_first_message(tmp_path: Path) -> None:
    environment = {"VOX_REGISTRATION": "invite"}
    async with chat_server(tmp_path, environment=environment) as chat:
        printed = next(line for line in chat.log.read_text().splitlines() if "/#/setup/" in line).split()[-1]
        assert printed.startswith(f"{chat.http}/#/setup/")
        async with visitor(tmp_path / "ada", printed) as ada:
            await ada.fill("Name", "ada")
            await ada.fill("Password", PASSWORD)
            await ada.page.press("Enter")
            await ada.press("Make it")
            await ada.press("Go to your community")
            await ada.says("the first message")
            await ada.sees("the first message")
        async with visitor(tmp_path / "late", printed) as late:
            await late.sees("This community is set up already. Log in.")


async def test_two_people_write_to_each_other_and_every_screen_is_sound(tmp_path: Path) -> None:
    async with chat_server(tmp_path) as chat, founded(tmp_path, chat) as (ada, link):
        async with joined(tmp_path, link) as bob:
            await ada.says("hello **bob** <script>alert(1)</script>")
            await bob.sees("<script>alert(1)</script>")
            await bob.says("hello ada")
            await ada.sees("hello ada")
            assert await bob.has("hello bob") == 1
            assert await ada.faults(folder=tmp_path, name="feed") == []
        async with visitor(tmp_path / "eve", f"{chat.http}/") as eve:
            await eve.fill("Name", "ada")
            await eve.fill("Password", "not her password")
            await eve.press("Log in")
            await eve.sees("Name or password is wrong.")
            assert await eve.faults(folder=tmp_path, name="login") == []


async def test_what_was_sent_while_the_server_was_away_arrives_once(tmp_path: Path) -> None:
    port = free_port()
    async with (
        chat_server(tmp_path, port=port) as chat,
        founded(tmp_path, chat) as (ada, link),
        joined(tmp_path, link) as bob,
    ):
        await ada.says("before")
        await bob.sees("before")
        chat.kill()
        await chat.ended()
        await ada.says("while it was away")
        await ada.sees("while it was away")
        async with chat_server(tmp_path, port=port):
            await bob.sees("while it was away")
            await ada.page.call("Page.reload")
            await ada.page.wait_for("document.readyState === 'complete'")
            await ada.sees("while it was away")
            await bob.says("after")
            await ada.sees("after")
            assert await ada.has("while it was away") == 1
            assert await bob.has("while it was away") == 1


async def test_an_ended_login_keeps_the_place(tmp_path: Path) -> None:
    async with chat_server(tmp_path) as chat, founded(tmp_path, chat) as (ada, _):
        place = await ada.page.evaluate("location.hash")
        await ada.press("Log out")
        await ada.fill("Name", "ada")
        await ada.fill("Password", PASSWORD)
        await ada.press("Log in")
        await ada.sees("general")
        await ada.page.wait_for(f"location.hash === '{place}'")


async def test_a_screen_that_cannot_be_loaded_says_so_and_comes_with_the_server(tmp_path: Path) -> None:
    port = free_port()
    async with chat_server(tmp_path, port=port) as chat, founded(tmp_path, chat) as (ada, _):
        chat.kill()
        await chat.ended()
        await ada.page.evaluate("location.hash = '#/friends'")
        await ada.sees("This part of the page could not be loaded.")
        async with chat_server(tmp_path, port=port):
            await ada.press("Reload")
            await ada.sees("Add a friend")
