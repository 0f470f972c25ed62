"""The whole application without a network: requests and upgrades as an ASGI server hands them in."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.fakes.clock import FakeClock
from tests.unit.agent.call_harness import Detector, Ear, Mind, Voice
from vox.agent.app import AgentApp, create_app
from vox.agent.config.resources import Agent
from vox.agent.config.settings import AgentSettings
from vox.agent.server import AgentServer
from vox.media.rooms.contract import FindRelay


@dataclass(slots=True)
class Answered:
    """What the application said: an HTTP response, or of an upgrade what it refused it with (101: accepted)."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    close: tuple[int, str] | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Site:
    """An application with silent providers; `server` is what stands behind it, `client` the address that asks."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, *, local_relay: FindRelay | None = None, **config: Any
    ) -> None:
        self.clock = FakeClock()
        self.client = "192.0.2.1"
        settings = AgentSettings.model_validate(config)
        given: dict[str, Any] = {"environment": environment or {}, "clock": self.clock, "local_relay": local_relay}
        self.app: AgentApp = create_app(settings, **given)
        self.server: AgentServer = self.app.server
        self.server.resources.voice_activity = Detector()  # type: ignore[assignment]
        for name, profile in settings.profiles().items():
            self.server.resources.agents[name] = Agent(name, profile, Ear(), Mind(), Voice(), "", "")
        self.server.lifecycle.ready()

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answered:
        """One request; `target` is path and query as they stand on the wire."""
        answered = Answered()
        messages: list[dict[str, Any]] = [{"type": "http.request", "body": body}]

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else await asyncio.Future()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answered.status = message["status"]
                answered.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answered.body += message.get("body", b"")

        scope = {**self._scope(target, headers or {}), "type": "http", "method": method, "scheme": "http"}
        await self.app(scope, receive, send)  # type: ignore[arg-type]
        return answered

    async def upgrade(
        self, target: str, *, headers: Mapping[str, str] | None = None, says: tuple[str | bytes, ...] = ()
    ) -> Answered:
        """One WebSocket that says something, if it is let in, and leaves."""
        answered = Answered()
        messages: list[dict[str, Any]] = [{"type": "websocket.connect"}]
        for one in says:
            kind = "text" if isinstance(one, str) else "bytes"
            messages.append({"type": "websocket.receive", kind: one})
        messages.append({"type": "websocket.disconnect", "code": 1000})

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            return messages.pop(0) if messages else await asyncio.Future()

        async def send(message: Any) -> None:
            match message["type"]:
                case "websocket.accept":
                    answered.status = 101
                case "websocket.http.response.start":
                    answered.status = message["status"]
                    answered.headers = {name.decode(): value.decode() for name, value in message["headers"]}
                case "websocket.http.response.body":
                    answered.body += message.get("body", b"")
                case "websocket.close":
                    answered.close = (message["code"], message["reason"])
                case _:
                    pass

        extensions: dict[str, Any] = {"websocket.http.response": {}}
        scope = {**self._scope(target, headers or {}), "type": "websocket", "scheme": "ws", "extensions": extensions}
        await self.app(scope, receive, send)  # type: ignore[arg-type]
        return answered

    def _scope(self, target: str, headers: Mapping[str, str]) -> dict[str, Any]:
        path, _, query = target.partition("?")
        given = {"host": "voice.example", **{name.lower(): value for name, value in headers.items()}}
        return {
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "root_path": "",
            "query_string": query.encode("latin-1"),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()],
            "client": (self.client, 1234),
            "server": ("127.0.0.1", 8080),
        }
