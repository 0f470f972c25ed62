"""A person at the web client: finds things by the words they read, types and clicks for real, and notices what the page did wrong."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path

from tests.e2e.axe_checker import violations
from tests.e2e.chromium import Page, open_page
from tests.require import require
from vox.runtime.pages import ClientPages

PASSWORD = "correct horse battery"

_FIELD = """(() => {
  for (const label of document.querySelectorAll("label"))
    if (label.innerText.trim() === %(name)s && label.control) return label.control;
  return [...document.querySelectorAll("input, textarea")].find(one => (one.ariaLabel ?? "").startsWith(%(name)s));
})()"""
_BUTTON = (
    """[...document.querySelectorAll("button, a")].find(one => !one.disabled && one.innerText.trim() === %(name)s)"""
)
_TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
_TEXT = "document.body.innerText.includes(%(name)s)"


class Visitor:
    """One browser with the client open."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def fill(self, name: str, text: str) -> None:
        """Types into the field of that name, in place of what it had."""
        field = _FIELD % {"name": json.dumps(name)}
        await self.page.wait_for(f"!!{field}")
        await self.page.evaluate(f"(() => {{ const one = {field}; one.focus(); one.select(); }})()")
        await self.page.type(text)

    async def value(self, name: str) -> str:
        """What the field of that name has."""
        field = _FIELD % {"name": json.dumps(name)}
        await self.page.wait_for(f"!!{field}")
        return str(await self.page.evaluate(f"{field}.value"))

    async def press(self, name: str) -> None:
        """Clicks the button or link of that name."""
        button = _BUTTON % {"name": json.dumps(name)}
        await self.page.wait_for(f"!!{button}")
        await self.page.evaluate(f"{button}.click()")

    async def sees(self, text: str) -> None:
        """Waits until that text is on the page."""
        await self.page.wait_for(_TEXT % {"name": json.dumps(text)})

    async def has(self, text: str) -> int:
        """How many messages say that text."""
        return int(
            await self.page.evaluate(
                f"[...document.querySelectorAll('article')].filter(one => one.innerText.includes({json.dumps(text)})).length"
            )
        )

    async def go(self, url: str) -> None:
        """Types an address."""
        await self.page.call("Page.navigate", url=url)
        await self.page.wait_for("document.readyState === 'complete'")

    async def says(self, text: str) -> None:
        """Writes a message and sends it by Enter."""
        await self.fill("Message to", text)
        await self.page.press("Enter")

    async def faults(self, *, folder: Path | None = None, name: str = "") -> list[str]:
        """What is wrong with the screen at both widths and in both schemes: axe, and what stands out sideways."""
        found: list[str] = []
        for width in (360, 1280):
            for scheme in ("light", "dark"):
                await self.page.show_as(width, scheme=scheme, motion="reduce")
                await self.page.evaluate(_TWO_FRAMES)
                found += [f"{width} {scheme}: {one}" for one in await violations(self.page)]
                if await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    found.append(f"{width} {scheme}: wider than the screen")
                if folder is not None:
                    await self.page.screenshot(folder / f"{name}-{width}-{scheme}.png")
        return found


@contextlib.asynccontextmanager
async def visitor(folder: Path, url: str) -> AsyncGenerator[Visitor, None]:
    """A fresh browser at that address; at the end the page must have raised no exception."""
    require(ClientPages().is_built, "the web client", "make web")
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    async with open_page(folder, url) as page:
        yield Visitor(page)
        assert [error for error in page.errors if "net::ERR" not in error and "status of" not in error] == []
