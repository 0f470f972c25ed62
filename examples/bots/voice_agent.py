"""Brings a voice agent into the conversation: `/call` answers with a button to the page where the agent is talked to.

    python examples/bots/voice_agent.py http://localhost:8000 --token-file bot.token --agent-url http://localhost:8080

For each call the bot asks the agent server for a session (`POST /start`), which holds who calls and what about: the agent's prompt
has them as {{member}} and {{topic}}.
"""

import argparse
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2

from vox.clients.chat import Client, Interaction, Option, link_button

UNKNOWN = 404
DEADLINE_S = 8.0
"""An interaction lives 15 seconds."""


class Summoner:
    """Answers `/call`.

    Args:
        client: the bot's.
        agent_url: of the agent server, as the bot reaches it.
        page_url: of the agent server, as members reach it; by default the same.
        api_key: of the agent server, where it asks for one.
    """

    def __init__(self, client: Client, agent_url: str, *, page_url: str = "", api_key: str = "") -> None:
        self.client = client
        self._agent_url = agent_url.rstrip("/")
        self._page_url = (page_url or agent_url).rstrip("/")
        self._headers = {"X-API-Key": api_key} if api_key else {}
        client.command()(self.call)

    async def call(
        self,
        interaction: Interaction,
        agent: Annotated[str | None, Option("which agent; the first one by itself")] = None,
        topic: Annotated[str, Option("what you want to talk about", max=200)] = "",
    ) -> None:
        """Calls a voice agent."""
        member = (await self.client.people.user(interaction.user_id)).display_name
        try:
            page = await self._start(interaction.id, agent, {"member": member, "topic": topic})
        except httpx2.HTTPStatusError as refused:
            text = (
                f"There is no agent {agent!r}."
                if refused.response.status_code == UNKNOWN
                else "The agent cannot take a call now; try again."
            )
            await interaction.respond(text, ephemeral=True)
        except httpx2.HTTPError:
            await interaction.respond("The agent does not answer; try again later.", ephemeral=True)
        else:
            button = link_button("Talk", page)
            await interaction.respond("Your agent is ready.", components=[button], ephemeral=True)

    async def _start(self, key: str, agent: str | None, variables: dict[str, str]) -> str:
        """The address of the page for one call. The key makes a repeated request the same session."""
        body: dict[str, Any] = {"transport": "websocket", "body": variables}
        if agent:
            body["agent"] = agent
        async with httpx2.AsyncClient(timeout=DEADLINE_S, headers=self._headers) as http:
            answer = await http.post(f"{self._agent_url}/start", json=body, headers={"Idempotency-Key": key})
            answer.raise_for_status()
        address: str = answer.json()["wsUrl"]
        query = [pair for pair in parse_qsl(urlsplit(address).query) if pair[0] in {"agent", "session"}]
        return f"{self._page_url}/?{urlencode(query)}"


def main() -> None:
    """Reads the command line and answers until it is stopped."""
    parser = argparse.ArgumentParser(description="Answers /call with a voice agent.")
    parser.add_argument("url", help="of the chat server, as http://localhost:8000")
    parser.add_argument("--token-file", type=Path, required=True, help="file with the bot's token")
    parser.add_argument("--agent-url", default="http://localhost:8080", help="of the agent server")
    parser.add_argument("--page-url", default="", help="of the agent server, as members reach it")
    parser.add_argument("--api-key-file", type=Path, help="file with the agent server's API key")
    asked = parser.parse_args()
    key = asked.api_key_file.read_text(encoding="utf-8").strip() if asked.api_key_file else ""
    client = Client(asked.url, asked.token_file.read_text(encoding="utf-8").strip())
    Summoner(client, asked.agent_url, page_url=asked.page_url, api_key=key)
    client.run()


if __name__ == "__main__":
    main()
