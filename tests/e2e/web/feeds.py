"""A community with people and feeds, made over REST, and its members at the web client."""

import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.contract.chat.harness import API, PASSWORD
from tests.e2e.chats import RunningChat, chat_server, register
from tests.e2e.web.visitors import Visitor, visitor

WIDTHS = (1280, 360)

_NAMED = """[...document.querySelectorAll("button, a, [role=menuitem], [role=menuitemradio], [role=option], [role=tab]")]
  .filter(one => one.checkVisibility())
  .findLast(one => (one.ariaLabel ?? one.innerText).trim() === %(name)s)"""
_ARTICLE = "[...document.querySelectorAll('article')].filter(one => one.innerText.includes(%(text)s)).at(-1)"


@dataclass(slots=True)
class Community:
    """A server with its founder, one other member and a feed.

    Args:
        chat: the server.
        http: asks its API.
        people: the answer to each one's registration, by name.
        feed: the id of its first feed.
    """

    chat: RunningChat
    http: httpx2.AsyncClient
    people: dict[str, dict[str, Any]]
    feed: str

    async def ask(self, name: str, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """What the server answers that person; ids as texts."""
        headers = {"authorization": f"Bearer {self.people[name]['token']}", "x-vox-ids": "string"}
        reply = await self.http.request(method, f"{API}/{path}", json=body, params=query, headers=headers)
        assert reply.status_code < 300, (path, reply.status_code, reply.text)
        return reply.json() if reply.content else None

    async def upload(self, name: str, path: str, file: tuple[str, bytes, str], field: str = "file", **form: str) -> Any:
        """What the server answers to a file of that person."""
        headers = {"authorization": f"Bearer {self.people[name]['token']}"}
        reply = await self.http.post(f"{API}/{path}", files={field: file}, data=form, headers=headers)
        assert reply.status_code < 300, (path, reply.status_code, reply.text)
        return reply.json()

    async def say(self, name: str, body: str, *, feed: str | None = None, **more: Any) -> str:
        """The id of a message of that person."""
        path = f"feeds/{feed or self.feed}/messages"
        return str((await self.ask(name, "POST", path, {"body": body, **more}))["msg_id"])


@contextlib.asynccontextmanager
async def community(folder: Path, environment: Mapping[str, str] | None = None) -> AsyncGenerator[Community, None]:
    """A fresh community of ada, who founded it, and bob."""
    given = {"VOX_REGISTRATION": "open", "VOX_SIGNED_MEDIA_URLS": "true", **(environment or {})}
    async with chat_server(folder, environment=given) as chat, httpx2.AsyncClient(base_url=chat.http) as http:
        people = {name: await register(http, name) for name in ("ada", "bob")}
        made = Community(chat, http, people, "")
        layout = await made.ask("ada", "GET", "server/layout")
        feeds = layout["feeds"] or [await made.ask("ada", "POST", "feeds", {"name": "general", "type": "text"})]
        made.feed = feeds[0]["feed_id"]
        yield made


@contextlib.asynccontextmanager
async def member(folder: Path, place: Community, name: str, width: int = 1280) -> AsyncGenerator[Visitor, None]:
    """That person in the first feed, at a screen of that width."""
    async with visitor(folder / f"{name}-{width}", f"{place.chat.http}/#/f/{place.feed}") as person:
        await person.page.show_as(width, motion="reduce")
        await person.fill("Name", name)
        await person.fill("Password", PASSWORD)
        await person.press("Log in")
        await person.page.wait_for("!!document.querySelector('form textarea')")
        yield person


async def use(person: Visitor, name: str) -> None:
    """Clicks what a screen reader calls by that name; the last one that is shown."""
    found = _NAMED % {"name": json.dumps(name)}
    await person.page.wait_for(f"!!({found})")
    await person.page.evaluate(f"({found}).click()")


async def act(person: Visitor, message: str, action: str) -> None:
    """Chooses an action of the message with that text, by keys as far as its menu."""
    article = _ARTICLE % {"text": json.dumps(message)}
    await person.page.wait_for(f"!!({article})")
    await person.page.evaluate(f"({article}).focus()")
    await person.page.press("Enter")
    await use(person, action)


async def open_tool(person: Visitor, name: str) -> None:
    """Opens a part of the header, which a narrow screen keeps in a menu."""
    found = _NAMED % {"name": json.dumps(name)}
    if not await person.page.evaluate(f"!!({found})"):
        await use(person, "More of this place")
    await use(person, name)


async def open_search(person: Visitor) -> None:
    """Opens the search of the place, without any filter."""
    await open_tool(person, "Search")
    await person.page.wait_for("document.activeElement.type === 'search'")
    await drop_filters(person)


async def drop_filters(person: Visitor) -> None:
    """Takes all filters out of the search."""
    await person.page.evaluate(
        "(async () => { for (let one; (one = document.querySelector('[role=search] li button'));)"
        " { one.click(); await new Promise(done => setTimeout(done)); } })()"
    )


async def search(person: Visitor, text: str) -> list[str]:
    """What is found for that text, filters in it included."""
    await person.page.evaluate(
        "(() => { const one = document.querySelector('[role=search] input'); one.focus(); one.select(); })()"
    )
    await person.page.type(f"{text} ")
    await person.page.press("Enter")
    await person.page.wait_for("document.querySelector('section .body').ariaBusy === 'false'")
    await person.page.wait_for("document.querySelectorAll('section .body p').length > 0")
    return await person.page.evaluate(
        "[...document.querySelectorAll('section li .text')].map(one => one.innerText.trim())"
    )


async def foreign_requests(person: Visitor) -> list[str]:
    """The addresses that the page asked for and that are not of its own server."""
    return await person.page.evaluate(
        "performance.getEntriesByType('resource').map(one => one.name)"
        ".filter(one => new URL(one).origin !== location.origin && !one.startsWith('blob:'))"
    )
