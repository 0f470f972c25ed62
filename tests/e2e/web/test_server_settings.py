"""The community's settings: what a role changes is seen at once, by those who have it and by those who edit it."""

import contextlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.chats import API, RunningChat, bearer, chat_server, register
from tests.e2e.web.visitors import PASSWORD, Visitor, visitor
from vox.chat.events.permissions import P

SECTIONS = {
    "overview": "Overview",
    "roles": "Roles",
    "spaces": "Feeds and rooms",
    "invites": "Invites",
    "reports": "Reports",
    "bans": "Bans and time-outs",
    "audit": "Audit log",
    "emoji": "Emoji and stickers",
    "bots": "Bots",
    "limits": "Limits",
}
OPENS = {
    P.MANAGE_SERVER: {"overview", "invites", "bots", "limits"},
    P.MANAGE_ROLES: {"roles", "spaces"},
    P.MANAGE_SPACES: {"spaces"},
    P.CREATE_INVITES: {"invites"},
    P.VIEW_REPORTS: {"reports"},
    P.BAN_MEMBERS: {"bans"},
    P.KICK_MEMBERS: {"bans"},
    P.VIEW_AUDIT_LOG: {"audit"},
    P.MANAGE_EMOJI: {"emoji"},
}
ALERTS = "[...document.querySelectorAll('[role=alert]')].map(one => one.innerText.trim()).filter(Boolean)"


class Community:
    """A server with an administrator, a member and two feeds, and REST to it."""

    def __init__(self, chat: RunningChat, http: httpx2.AsyncClient, ada: dict[str, Any], bob: dict[str, Any]) -> None:
        self.chat = chat
        self.http = http
        self.ada = ada
        self.bob = bob

    async def asks(self, method: str, path: str, body: object = None, *, account: dict[str, Any] | None = None) -> Any:
        """What the server answers, by default to the administrator."""
        reply = await self.http.request(method, f"{API}/{path}", json=body, headers=bearer(account or self.ada))
        assert reply.status_code < 300, reply.text
        return reply.json() if reply.content else None

    async def role(self, name: str, permissions: int, position: int = 5) -> int:
        """A new role that bob has."""
        body = {"name": name, "permissions": permissions, "position": position}
        role_id = (await self.asks("POST", "roles", body))["role_id"]
        await self.asks("PUT", f"members/{self.bob['user_id']}/roles/{role_id}")
        return role_id


@contextlib.asynccontextmanager
async def community(folder: Path) -> AsyncGenerator[Community, None]:
    """Ada's community, with the feeds general and secret, and bob in it."""
    async with chat_server(folder) as chat, httpx2.AsyncClient(base_url=chat.http) as http:
        ada, bob = await register(http, "ada"), await register(http, "bob")
        made = Community(chat, http, ada, bob)
        for name in ("general", "secret"):
            await made.asks("POST", "feeds", {"name": name, "type": "text"})
        yield made


@contextlib.asynccontextmanager
async def browser(folder: Path, chat: RunningChat, name: str) -> AsyncGenerator[Visitor, None]:
    """A visitor who has logged in."""
    async with visitor(folder / name, f"{chat.http}/") as person:
        await person.fill("Name", name)
        await person.fill("Password", PASSWORD)
        await person.press("Log in")
        await person.sees("general")
        yield person


async def open_section(person: Visitor, section: str) -> None:
    """Goes to a section and waits until it stands."""
    await person.page.evaluate(f"location.hash = '#/server/{section}'")
    heading = json.dumps(SECTIONS[section])
    await person.page.wait_for(f"document.querySelector('main h1')?.innerText === {heading}")
    await person.page.wait_for("document.querySelector('main')?.innerText.includes('Loading…') === false")


async def tick(person: Visitor, label: str) -> None:
    """Clicks the check box whose label begins so."""
    box = (
        "[...document.querySelectorAll('label')]"
        f".find(one => one.innerText.trim().startsWith({json.dumps(label)}))?.control"
    )
    await person.page.wait_for(f"{box} && !{box}.disabled")
    await person.page.evaluate(f"{box}.click()")


async def choose_role(person: Visitor, name: str) -> None:
    """Opens a role of the list."""
    row = f"[...document.querySelectorAll('[data-part=name]')].find(one => one.innerText.trim().startsWith({json.dumps(name)}))"
    await person.page.wait_for(f"!!{row}")
    await person.page.evaluate(f"{row}.click()")
    await person.page.wait_for(
        f"[...document.querySelectorAll('h2')].some(one => one.innerText === {json.dumps(name)})"
    )


async def test_point_25_every_section_is_sound_at_both_widths(tmp_path: Path) -> None:
    async with community(tmp_path) as made, browser(tmp_path, made.chat, "ada") as ada:
        await made.role("Helper", int(P.KICK_MEMBERS))
        for section in SECTIONS:
            await open_section(ada, section)
            assert await ada.page.evaluate(ALERTS) == []
            assert await ada.faults(folder=tmp_path, name=section) == [], section


async def test_point_25_the_matrix_and_the_reasons_are_sound_too(tmp_path: Path) -> None:
    async with community(tmp_path) as made, browser(tmp_path, made.chat, "ada") as ada:
        helper = await made.role("Helper", int(P.KICK_MEMBERS))
        feed = (await made.asks("GET", "server/layout"))["feeds"][0]["feed_id"]
        await made.asks("PUT", f"feeds/{feed}/permissions/role/{helper}", {"allow": 0, "deny": int(P.SEND_MESSAGES)})
        await open_section(ada, "roles")
        await ada.press("All roles")
        await ada.sees("Permission")
        assert await ada.faults(folder=tmp_path, name="matrix") == []
        await ada.press("Why?")
        await ada.fill("Member", "bob")
        await ada.page.wait_for("!!document.querySelector('button[aria-label=bob]')")
        await ada.page.evaluate("document.querySelector('button[aria-label=bob]').click()")
        await ada.page.evaluate(
            f"(() => {{ const one = document.querySelector('main select'); one.value = 'feed:{feed}';"
            " one.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )
        await ada.sees("The exception for Helper denies it here.")
        assert await ada.faults(folder=tmp_path, name="why") == []


async def test_point_25_a_feed_is_changed_and_its_screen_is_sound(tmp_path: Path) -> None:
    async with community(tmp_path) as made, browser(tmp_path, made.chat, "ada") as ada:
        feed = (await made.asks("GET", "server/layout"))["feeds"][0]["feed_id"]
        await open_section(ada, "spaces")
        await choose_role(ada, "general")
        await ada.fill("Topic", "what is new")
        await ada.sees("Topic: (empty) → what is new")
        assert await ada.faults(folder=tmp_path, name="feed") == []
        await ada.press("Save")
        await ada.page.wait_for("!document.body.innerText.includes('Saving changes')")
        assert (await made.asks("GET", f"feeds/{feed}"))["topic"] == "what is new"


async def test_point_22_the_second_of_two_administrators_sees_the_difference(tmp_path: Path) -> None:
    async with community(tmp_path) as made, browser(tmp_path, made.chat, "ada") as ada:
        helper = await made.role("Helper", 0)
        await open_section(ada, "roles")
        await choose_role(ada, "Helper")
        await tick(ada, "Ban")
        await ada.sees("Helper may now: Ban")
        await made.asks("PATCH", f"roles/{helper}", {"permissions": int(P.KICK_MEMBERS)})
        await ada.sees("Another administrator changed this meanwhile:")
        await ada.sees("Helper may now: Remove and time out")
        await ada.press("Save over it")
        await ada.sees("Saved.")
        roles = (await made.asks("GET", "roles"))["items"]
        stored = next(one["permissions"] for one in roles if one["role_id"] == helper)
        assert stored == P.KICK_MEMBERS | P.BAN_MEMBERS


async def test_point_14_a_role_change_removes_a_feed_and_a_view_shows_what_the_role_reads(tmp_path: Path) -> None:
    async with community(tmp_path) as made, browser(tmp_path, made.chat, "bob") as bob:
        helper = await made.role("Helper", 0)
        feeds = (await made.asks("GET", "server/layout"))["feeds"]
        secret = next(one["feed_id"] for one in feeds if one["name"] == "secret")
        await bob.sees("secret")
        await made.asks("PUT", f"feeds/{secret}/permissions/role/{helper}", {"allow": 0, "deny": int(P.VIEW_SPACE)})
        await bob.page.wait_for("document.querySelector('nav')?.innerText.includes('secret') === false")
        read = (await made.asks("GET", "server/layout", account=made.bob))["feeds"]
        async with browser(tmp_path, made.chat, "ada") as ada:
            await open_section(ada, "roles")
            await choose_role(ada, "Helper")
            await ada.press("View as this role")
            await ada.sees("You see the community as someone with the role Helper.")
            await ada.sees("general")
            links = "[...document.querySelectorAll('nav a[href^=\"#/f/\"]')].map(one => one.hash.slice(4))"
            assert await ada.page.evaluate(links) == [str(one["feed_id"]) for one in read]
            await ada.press("Leave the view")
            await ada.sees("Roles")


async def test_point_21_sections_are_offered_exactly_where_the_server_grants_them(tmp_path: Path) -> None:
    async with community(tmp_path) as made, browser(tmp_path, made.chat, "bob") as bob:
        everyone = next(one for one in (await made.asks("GET", "roles"))["items"] if one["position"] == 0)
        base = int(P.VIEW_SPACE | P.READ_HISTORY)
        await made.asks("PATCH", f"roles/{everyone['role_id']}", {"permissions": base})
        role = await made.role("Tried", 0)
        for permission, sections in OPENS.items():
            await made.asks("PATCH", f"roles/{role}", {"permissions": int(permission)})
            await bob.page.evaluate("location.hash = '#/server/'")
            links = "[...document.querySelectorAll('nav a[href^=\"#/server/\"]')].map(one => one.hash.slice(9)).sort()"
            wanted = json.dumps(sorted(sections))
            await bob.page.wait_for(f"JSON.stringify({links}) === JSON.stringify({wanted})")
            for section in sections:
                await open_section(bob, section)
                assert await bob.page.evaluate(ALERTS) == [], (permission.name, section)
