"""A model in a room that asks a person to come in."""

import json
from typing import Any

import pytest

from vox.agent.rooms.room_tools import fetch_person_tool
from vox.agent.tools.contract import Toolbox
from vox.providers.llm.contract import ToolCall
from vox.security.outbound import FetchResult


class PlayedChat:
    """Implements `Fetches`."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[Any] = []

    async def fetch(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes, **_limits: Any
    ) -> FetchResult:
        self.asked.append((method, url, headers["authorization"], json.loads(body)))
        return FetchResult(self.status, {}, b"", "192.0.2.1", 0.1, url)


async def run(chat: PlayedChat, arguments: str) -> Any:
    tool = fetch_person_tool("http://chat/", "token", chat)
    return json.loads(await Toolbox({"fetch_person": tool}).run(ToolCall("1", "fetch_person", arguments)))


async def test_the_person_is_asked_by_the_chat_server_with_the_agents_own_token():
    chat = PlayedChat(204)
    assert await run(chat, '{"username": "bert"}') == {"status": "bert was asked to come"}
    assert chat.asked == [("POST", "http://chat/api/v1/voice/fetch", "Bearer token", {"username": "bert"})]


@pytest.mark.parametrize(("status", "says"), [(404, "no person"), (403, "may not"), (500, "HTTP 500")])
async def test_the_model_is_told_why_nobody_was_asked(status: int, says: str):
    assert says in (await run(PlayedChat(status), '{"username": "bert"}'))["error"]


@pytest.mark.parametrize(
    "arguments", ["{}", '{"username": 7}', '{"username": ""}', json.dumps({"username": "x" * 200})]
)
async def test_a_call_without_a_name_asks_nobody(arguments: str):
    chat = PlayedChat(204)
    assert "user name" in (await run(chat, arguments))["error"]
    assert chat.asked == []
