"""A telephone caller without a network: the carrier's line, the chat server, the relay and the voice under the test's hand."""

import asyncio
import json
from typing import Any, Self

from tests.fakes.loop import VirtualClock
from tests.fakes.room_voice import PlayedVoice
from tests.unit.agent.call_harness import Ear, Line, Mind, Voice
from vox.agent.call.transport import CallInfo
from vox.agent.config.profile import AgentProfile
from vox.agent.config.resources import Agent, Resources
from vox.agent.config.rooms import RoomLine
from vox.agent.config.settings import AgentSettings
from vox.agent.rooms.caller import LineParts, RoomCaller
from vox.agent.rooms.room_codes import RoomCodes
from vox.runtime.metrics import Metrics
from vox.security.outbound import FetchResult
from vox.security.room_tokens import RoomKey, read_room_token

SECRET = "s" * 32
ASKED_S, WELCOMED_S = 0.1, 2.0
TEXTS = {
    "ask_code": "code", "wrong_code": "wrong", "welcome": "in {{room}}", "muted": "muted", "unmuted": "heard",
    "hand_raised": "up", "hand_lowered": "down", "encrypted": "encrypted", "closed": "closed", "removed": "removed",
    "unavailable": "later", "goodbye": "bye",
}  # fmt: skip


class PlayedChat:
    """The chat server as the guard reaches it: knows one number and one code."""

    def __init__(self, clock: VirtualClock) -> None:
        self.needs_code = True
        self.error: Exception | None = None
        self.wrong = 404
        self.asked: list[tuple[str, Any]] = []
        self._clock = clock

    async def fetch(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes = b"", **_limits: Any
    ) -> FetchResult:
        token = headers["authorization"].removeprefix("Bearer ")
        claims = read_room_token(token, {"key": SECRET}, now=self._clock.wall().timestamp())
        assert claims.sip.call
        if self.error is not None:
            raise self.error
        said = json.loads(body) if body else None
        self.asked.append((f"{method} {url.removeprefix('http://chat/api/v1/voice')}", said))
        if method == "GET":
            return self._answer(200, {"number": "+49301", "needs_code": self.needs_code})
        if self.needs_code and (said or {}).get("code") != "1234":
            return self._answer(self.wrong, {})
        return self._answer(200, {"room_id": "7", "room_name": "Lobby", "media_url": "ws://relay", "token": "t"})

    def _answer(self, status: int, body: Any) -> FetchResult:
        return FetchResult(status, {}, json.dumps(body).encode(), "192.0.2.1", 0.1, "")


class PlayedRelays:
    """Implements what a caller needs of `Relays`."""

    def __init__(self) -> None:
        self.voice = PlayedVoice()
        self.error: Exception | None = None
        self.asked: list[tuple[str, str]] = []

    def at(self, url: str) -> "PlayedRelays":
        self._url = url
        return self

    async def join(self, token: str) -> PlayedVoice:
        self.asked.append((self._url, token))
        if self.error is not None:
            raise self.error
        return self.voice


class PhoneWorld:
    """One caller. Enter it on a virtual loop; a word that is said takes half a second."""

    def __init__(self, *, line: dict[str, Any] | None = None, **profile: Any) -> None:
        clock = VirtualClock(asyncio.get_running_loop())
        self.metrics = Metrics()
        settings = AgentSettings.model_validate({"playout_lead_ms": 0})
        self.resources = Resources(settings, clock, self.metrics, {})
        self.chat, self.relays, self.tts = PlayedChat(clock), PlayedRelays(), Voice()
        self.room = self.relays.voice
        codes = RoomCodes("http://chat/", RoomKey("key", SECRET), self.chat, clock)
        chosen = RoomLine.model_validate({**TEXTS, **(line or {})})
        self.parts = LineParts(self.resources, chosen, codes, self.relays)  # type: ignore[arg-type]
        agent = Agent("test", AgentProfile.model_validate(profile), Ear(), Mind(), self.tts, "", "")
        self.line = Line(has_marks=False)
        info = CallInfo("call_1", "twilio", caller="+49171", callee="+49301")
        self.caller = RoomCaller(self.parts, agent, self.line, info, input_rate=8_000)
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.caller.run())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.caller.hang_up()
        assert self.task is not None
        await self.task

    async def enter(self) -> None:
        """Comes in with the right code, and hears the welcome out."""
        await asyncio.sleep(ASKED_S)
        self.press("1234#")
        await asyncio.sleep(WELCOMED_S)

    def press(self, keys: str) -> None:
        for key in keys:
            self.caller.digit(key)

    @property
    def is_over(self) -> bool:
        assert self.task is not None
        return self.task.done()

    def counted(self, metric: str) -> float:
        lines = self.metrics.render().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == metric)
