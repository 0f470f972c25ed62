"""What tabs and devices of one user have in common: one socket, one mark, no message lost."""

from pathlib import Path

from tests.e2e.chats import chat_server
from tests.e2e.web.communities import founded, joined
from tests.e2e.web.tabs import sockets, tab

_UNREAD = "document.querySelector('nav a.unread') !== null"


async def test_three_tabs_have_one_socket_and_closing_the_leader_loses_nothing(tmp_path: Path) -> None:
    async with (
        chat_server(tmp_path, environment={"VOX_METRICS": "1"}) as chat,
        founded(tmp_path, chat) as (ada, link),
        joined(tmp_path, link) as bob,
    ):
        await ada.says("hello")
        await bob.sees("hello")
        assert await sockets(chat.http) == 2
        url = await bob.page.evaluate("location.href")
        async with tab(tmp_path / "bob", url) as second, tab(tmp_path / "bob", url) as third:
            await second.sees("general")
            await third.sees("general")
            await ada.says("to all tabs")
            for one in (bob, second, third):
                await one.sees("to all tabs")
            assert await sockets(chat.http) == 2
            await bob.go("about:blank")  # The tab that led.
            await ada.says("after the leader went")
            for one in (second, third):
                await one.sees("after the leader went")
            await third.says("from a tab that follows")
            for one in (ada, second, third):
                await one.sees("from a tab that follows")
                assert await one.has("from a tab that follows") == 1
            assert await sockets(chat.http) == 2


async def test_reading_on_one_device_clears_the_other(tmp_path: Path) -> None:
    async with (
        chat_server(tmp_path) as chat,
        founded(tmp_path, chat) as (ada, link),
        joined(tmp_path, link) as bob,
    ):
        place = await bob.page.evaluate("location.href")
        await bob.page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        async with tab(tmp_path / "bob", f"{chat.http}/#/doctor") as second:
            await second.sees("general")
            await bob.go(f"{chat.http}/#/doctor")
            await bob.sees("general")
            await ada.says("news")
            await second.page.wait_for(_UNREAD)
            await bob.page.wait_for(_UNREAD)
            await bob.go(place)
            await bob.page.wait_for(f"!({_UNREAD})")
            await second.page.wait_for(f"!({_UNREAD})")
