"""What tests about people do at a page beyond what every visitor does, and people who use the server without a browser."""

import json
from typing import Any

import httpx2

from tests.e2e.chats import RunningChat
from tests.e2e.web.visitors import PASSWORD, Visitor
from tests.time_limits import WAIT_S

_ABOUT = """[...document.querySelectorAll('button, a')].find(one => !one.disabled && one.checkVisibility()
  && [%(verb)s, %(name)s].every(text => (one.innerText + ' ' + (one.ariaLabel ?? '')).includes(text)))"""
_LABELLED = """[...document.querySelectorAll('button, a')].find(one => !one.disabled && one.checkVisibility() && one.ariaLabel === %(name)s)"""


async def press_about(visitor: Visitor, verb: str, name: str) -> None:
    """Clicks the button that says both."""
    button = _ABOUT % {"verb": json.dumps(verb), "name": json.dumps(name)}
    await visitor.page.wait_for(f"!!{button}")
    await visitor.page.evaluate(f"{button}.click()")


async def press_labelled(visitor: Visitor, name: str) -> None:
    """Clicks the picture of that name."""
    button = _LABELLED % {"name": json.dumps(name)}
    await visitor.page.wait_for(f"!!{button}")
    await visitor.page.evaluate(f"{button}.click()")


async def sees_no(visitor: Visitor, text: str) -> None:
    """Waits until that text is gone from the page."""
    await visitor.page.wait_for(f"!document.body.innerText.includes({json.dumps(text)})")


class Person:
    """A member who talks to the server without a browser, each time over a connection of its own."""

    def __init__(self, chat: RunningChat) -> None:
        self.user_id = ""
        self._address = f"{chat.http}/api/v1/"
        self._headers = {"X-Vox-Ids": "string"}

    async def enter(self, path: str, name: str) -> None:
        """Logs in or registers over that route, with everyone's password."""
        login = await self.ask("POST", path, {"username": name, "password": PASSWORD})
        self.user_id = str(login["user_id"])
        self._headers["Authorization"] = f"Bearer {login['token']}"

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request that must not be refused; None where it is empty."""
        answer = await self._send(method, path, body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, body: Any = None) -> str:
        """The code of the refusal."""
        answer = await self._send(method, path, body)
        assert not answer.is_success, answer.text
        return str(answer.json()["error"]["code"])

    async def _send(self, method: str, path: str, body: Any) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self._address, headers=self._headers, timeout=WAIT_S) as http:
            return await http.request(method, path, **({} if body is None else {"json": body}))


async def person(chat: RunningChat, name: str, *, register: bool = False) -> Person:
    """A member who has logged in, or registered."""
    one = Person(chat)
    await one.enter("auth/register" if register else "auth/login", name)
    return one
