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
    """A member who talks to the server without a browser."""

    def __init__(self, http: httpx2.AsyncClient, user_id: str) -> None:
        self._http = http
        self.user_id = user_id

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request that must not be refused; None where it is empty."""
        answer = await self._http.request(method, path, **({} if body is None else {"json": body}))
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, body: Any = None) -> str:
        """The code of the refusal."""
        answer = await self._http.request(method, path, **({} if body is None else {"json": body}))
        assert not answer.is_success, answer.text
        return str(answer.json()["error"]["code"])

    async def leave(self) -> None:
        """Ends the connections."""
        await self._http.aclose()


async def person(chat: RunningChat, name: str, *, register: bool = False) -> Person:
    """Logs in, or registers, with everyone's password."""
    http = httpx2.AsyncClient(base_url=f"{chat.http}/api/v1/", headers={"X-Vox-Ids": "string"}, timeout=WAIT_S)
    path = "auth/register" if register else "auth/login"
    answer = await http.post(path, json={"username": name, "password": PASSWORD})
    assert answer.is_success, answer.text
    http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return Person(http, str(answer.json()["user_id"]))
