"""Questions and bookings typed to the real server, as the talk page does: RTVI over `/ws`, no audio."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date

from bench.conversation.admission import admitted
from bench.conversation.answers import AnswerTable
from bench.conversation.booking_caller import BookingCaller, BookingOutcome, BookingScript
from bench.conversation.questions import Judge
from bench.conversation.scoring import Asked, Question

from vox.http.websocket import Socket, open_socket
from vox.protocols.media_stream import WireMessage
from vox.protocols.rtvi import client_message

_GREETING_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 10.0
_QUIET_S = 0.15  # an answer with a tool in it is several responses


@dataclass(slots=True)
class TypedCall:
    """One connection of `/ws?rtvi=1`."""

    texts: list[str] = field(default_factory=list[str])
    is_open: bool = True
    _socket: Socket | None = None
    _is_responding: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def opened(self, socket: Socket) -> None:
        """The connection is there."""
        self._socket = socket
        about = {"version": "2.0.0", "about": {"library": "vox-bench"}}
        socket.send(client_message("client-ready", about, id_="1"))

    def received(self, message: WireMessage) -> None:
        """One event of the agent."""
        event = json.loads(message)
        match event.get("type"):
            case "bot-llm-started":
                self._is_responding = True
            case "bot-llm-text":
                self.texts.append(event["data"]["text"])
            case "bot-llm-stopped":
                self._is_responding = False
            case _:
                return
        self._changed.set()

    def closed(self, code: int, reason: str) -> None:
        """The agent has hung up, or we have."""
        self.is_open = False
        self._changed.set()

    async def answer(self, timeout_s: float) -> list[str]:
        """The texts of the next answer, once it is complete; empty where none came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.is_open and (self._is_responding or not self.texts):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        await asyncio.sleep(_QUIET_S)
        texts, self.texts = self.texts, []
        return texts

    async def say(self, text: str) -> tuple[list[str], float | None]:
        """Types a line; the answer, and after how many seconds it began."""
        if self._socket is None or not self.is_open:
            return [], None
        self.texts = []
        began = time.monotonic()
        self._changed.clear()
        options = {"run_immediately": True, "audio_response": False}
        self._socket.send(client_message("send-text", {"content": text, "options": options}))
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                while self.is_open and not self.texts:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return [], None
        waited = time.monotonic() - began
        return await self.answer(_ANSWER_TIMEOUT_S), waited


@asynccontextmanager
async def typed_call(address: str, today: date) -> AsyncGenerator[TypedCall]:
    """A call whose greeting is over."""
    call = TypedCall()
    url = f"{address}/ws?rtvi=1&var.today={today.isoformat()}"
    socket = await admitted(lambda: open_socket(url, call))
    try:
        await call.answer(_GREETING_TIMEOUT_S)
        yield call
    finally:
        socket.close(1000, "")


async def ask_typed(
    address: str, today: date, questions: Sequence[Question], judge: Judge, *, calls: int
) -> list[Asked]:
    """Asks each question in a call of its own."""
    limit = asyncio.Semaphore(calls)

    async def ask(question: Question) -> Asked:
        async with limit, typed_call(address, today) as call:
            texts, waited = await call.say(question.text)
        return judge.asked(question, texts, heard=question.text, response_s=waited, condition="typed")

    return list(await asyncio.gather(*(ask(question) for question in questions)))


async def book_typed(
    address: str, today: date, scripts: Sequence[BookingScript], table: AnswerTable
) -> list[tuple[BookingScript, BookingOutcome, list[str]]]:
    """Plays each booking in a call of its own; what was said comes along."""
    return [await _book(address, today, script, table) for script in scripts]


async def _book(
    address: str, today: date, script: BookingScript, table: AnswerTable
) -> tuple[BookingScript, BookingOutcome, list[str]]:
    caller, said = BookingCaller(script, today), list[str]()
    async with typed_call(address, today) as call:
        line: str | None = caller.first_line()
        while line is not None and call.is_open:
            texts, _ = await call.say(line)
            said += [f"caller: {line}", f"agent: {' '.join(texts)}"]
            line = caller.next_line(table.read(texts))
    return script, caller.outcome, said
