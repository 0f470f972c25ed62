"""The frame around the screens: by keyboard, on a phone, and when something is wrong."""

from pathlib import Path

from tests.e2e.chats import chat_server
from tests.e2e.chromium import Page
from tests.e2e.web.communities import founded

_KEYS = {"k": 75, "i": 73, "/": 191, "F6": 117, "ArrowDown": 40}


async def shortcut(page: Page, key: str, *, ctrl: bool = False, alt: bool = False) -> None:
    """A key with what is held down besides."""
    held = 2 * ctrl + alt
    for kind in ("rawKeyDown", "keyUp"):
        await page.call("Input.dispatchKeyEvent", type=kind, key=key, modifiers=held, windowsVirtualKeyCode=_KEYS[key])


async def test_the_frame_by_keyboard_and_on_a_phone(tmp_path: Path) -> None:
    async with chat_server(tmp_path) as chat, founded(tmp_path, chat) as (ada, _):
        page = ada.page
        await ada.press("New feed")
        await ada.fill("Name of the feed", "cellar")
        await ada.press("Create")
        await ada.sees("cellar")

        await shortcut(page, "k", ctrl=True)
        await page.wait_for("document.activeElement?.getAttribute('role') === 'combobox'")
        await page.type("gene")
        await page.wait_for("document.querySelectorAll('[role=option]').length === 1")
        assert await ada.faults(folder=tmp_path, name="switcher") == []
        await page.press("Enter")
        await page.wait_for("document.title.startsWith('#general')")

        await shortcut(page, "ArrowDown", alt=True)
        await page.wait_for("!document.title.startsWith('#general')")

        await shortcut(page, "/", ctrl=True)
        await ada.sees("Next region of the page")
        await page.press("Escape")
        await page.wait_for("document.querySelector('dialog') === null")
        await shortcut(page, "i", ctrl=True)
        await ada.sees("You have read everything.")
        await page.press("Escape")
        await page.wait_for("document.querySelector('dialog') === null")

        await page.evaluate("document.activeElement.blur()")
        await shortcut(page, "F6")
        first = await page.evaluate("document.activeElement.tagName")
        await shortcut(page, "F6")
        assert [first, await page.evaluate("document.activeElement.tagName")] == ["NAV", "MAIN"]

        await page.show_as(360)
        await ada.go(f"{chat.http}/#/")
        await ada.press("Voice")
        await page.wait_for("location.hash === '#/voices'")
        await ada.press("You")
        await ada.sees("Log out")
        assert await ada.faults(folder=tmp_path, name="you") == []
        await page.show_as(360)
        await ada.go(f"{chat.http}/#/you")
        await ada.press("Community")
        await ada.sees("cellar")


async def test_a_banner_says_since_when_there_is_no_connection(tmp_path: Path) -> None:
    async with chat_server(tmp_path) as chat, founded(tmp_path, chat) as (ada, _):
        await ada.says("before")
        await ada.sees("before")
        chat.kill()
        await chat.ended()
        await ada.sees("No connection since")
        assert await ada.faults(folder=tmp_path, name="offline") == []
