"""What a model can do in a room beside talking: ask a person of the community to come in."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from vox.agent.tools.contract import Tool
from vox.errors import UsageError
from vox.providers.llm.contract import ToolCall, ToolSpec
from vox.security.outbound import FetchResult

NAME: Final = "fetch_person"
DEADLINE_S: Final = 5.0
MAX_NAME: Final = 100
_MAX_ANSWER_BYTES: Final = 1 << 14
_DONE: Final = range(200, 300)
_NOT_FOUND: Final = 404
_FORBIDDEN: Final = 403
_SPEC: Final = ToolSpec(
    NAME,
    "Asks a person of this community to come into this voice room. They are called by a message, and may come or not.",
    {
        "type": "object",
        "properties": {"username": {"type": "string", "description": "The person's user name"}},
        "required": ["username"],
    },
)


class Fetches(Protocol):
    """The outgoing guard."""

    async def fetch(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes, deadline_s: float, max_bytes: int
    ) -> FetchResult:
        """Sends a request and reads its answer."""
        ...


def fetch_person_tool(chat_url: str, token: str, guard: Fetches) -> Tool:
    """The tool of an agent that is in a room.

    Args:
        chat_url: of the chat server, which knows who may enter the room.
        token: the agent's own for the room.
        guard: sends requests.
    """
    url = f"{chat_url.rstrip('/')}/api/v1/voice/fetch"
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    async def run(_call: ToolCall, arguments: Mapping[str, Any]) -> dict[str, str]:
        username = arguments.get("username")
        if not isinstance(username, str) or not 0 < len(username) <= MAX_NAME:
            raise UsageError("name the person by their user name", code="person_unnamed")
        body = msgspec.json.encode({"username": username})
        answer = await guard.fetch(
            "POST", url, headers=headers, body=body, deadline_s=DEADLINE_S, max_bytes=_MAX_ANSWER_BYTES
        )
        if answer.status in _DONE:
            return {"status": f"{username} was asked to come"}
        if answer.status == _NOT_FOUND:
            return {"error": f"there is no person named {username}"}
        if answer.status == _FORBIDDEN:
            return {"error": f"{username} may not enter this room"}
        return {"error": f"the chat server answered HTTP {answer.status}"}

    return Tool(_SPEC, run)
