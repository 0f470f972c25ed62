"""Sessions for one request at a time, kept for the next one: a new one costs the service's connection to its vendor."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from vox.providers import _failures
from vox.providers.pipecat.host import Host, size_of
from vox.providers.pipecat.messages import Begun, Failed, Finished, Interrupt, Interrupted, OfSession, ToWorker

MAX_WAITING_BYTES = 32 << 20
"""What a request's answer may hold before it is taken: eleven minutes of speech at 24 kHz."""


class Request:
    """What is asked of a session, and its answers."""

    def __init__(self, session: "_Session") -> None:
        self.number = session.number
        self._session = session
        self._answers: asyncio.Queue[OfSession] = asyncio.Queue()  # bounded by MAX_WAITING_BYTES
        self._waiting_bytes = 0

    def send(self, message: ToWorker) -> None:
        """Asks."""
        self._session.ask(message)

    async def answers(self) -> AsyncGenerator[OfSession, None]:
        """What comes until the request is answered.

        Raises:
            DependencyError: the service failed.
        """
        while not isinstance(message := await self._answers.get(), Finished):
            self._waiting_bytes -= size_of(message)
            if isinstance(message, Failed):
                raise self._session.failure(message)
            yield message

    def came(self, message: OfSession) -> bool:
        """Takes an answer; False where there are more than can be kept."""
        self._waiting_bytes += size_of(message)
        self._answers.put_nowait(message)
        return self._waiting_bytes <= MAX_WAITING_BYTES


class SessionPool:
    """Gives each request a session of its own, a used one where there is one.

    Args:
        host: runs the sessions.
        most: how many there may be; further requests wait.
        wait_s: how long a request waits for one.
        idle_s: how long an unused one is kept.
    """

    def __init__(self, host: Host, *, most: int, wait_s: float, idle_s: float) -> None:
        self._host = host
        self._wait_s = wait_s
        self._most = most
        self._idle_s = idle_s
        self._sessions: set[_Session] = set()
        self._idle: list[_Session] = []
        self._slots = asyncio.Semaphore(most)

    def close(self) -> None:
        """Ends the sessions that are not in use."""
        for session in tuple(self._idle):
            session.close()

    @asynccontextmanager
    async def request(self, *, voice: str = "", language: str = "") -> AsyncGenerator[Request, None]:
        """A request to a session with this voice and language; leaving it early interrupts the session.

        Raises:
            DependencyError: no worker runs, or too many requests are under way.
        """
        try:
            async with asyncio.timeout(self._wait_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise _failures.of_connection(error, self._host.name) from error
        try:
            session = self._session(voice, language)
        except BaseException:
            self._slots.release()
            raise
        request = session.begin()
        try:
            yield request
        finally:
            session.leave()

    def _session(self, voice: str, language: str) -> "_Session":
        for session in reversed(self._idle):
            if (session.voice, session.language) == (voice, language):
                self._idle.remove(session)
                return session
        if len(self._sessions) >= self._most:
            self._idle[0].close()
        session = _Session(self._host, voice, language, self._rest, self._over)
        self._sessions.add(session)
        return session

    def _rest(self, session: "_Session") -> None:
        """A session has done with its request."""
        self._slots.release()
        self._idle.append(session)
        session.close_in(self._idle_s)

    def _over(self, session: "_Session") -> None:
        self._sessions.discard(session)
        if session in self._idle:
            self._idle.remove(session)
        else:
            self._slots.release()


class _Session:
    """A session of the pool: it answers a request, is being interrupted, rests, or is over."""

    def __init__(
        self,
        host: Host,
        voice: str,
        language: str,
        on_rest: "Callable[[_Session], None]",
        on_over: "Callable[[_Session], None]",
    ) -> None:
        self.voice = voice
        self.language = language
        self.failure = host.failure
        self._on_rest = on_rest
        self._on_over = on_over
        self._request: Request | None = None
        self._is_asked = False
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        self._session = host.begin(self._came, voice=voice, language=language)

    @property
    def number(self) -> int:
        """Its number in the worker."""
        return self._session.number

    def begin(self) -> Request:
        """A new request."""
        if self._timer is not None:
            self._timer.cancel()
        self._request = Request(self)
        return self._request

    def ask(self, message: ToWorker) -> None:
        """Sends the request."""
        self._is_asked = True
        self._session.send(message)

    def leave(self) -> None:
        """The request is answered, or given up."""
        self._request = None
        if self._is_over:
            return
        if self._is_asked:
            self._session.send(Interrupt(self.number))
        else:
            self._on_rest(self)

    def close(self) -> None:
        """Ends it."""
        self._session.close()
        self._end()

    def close_in(self, seconds: float) -> None:
        """Ends it after so long without a request."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self.close)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._is_over:
            self._is_over = True
            self._on_over(self)

    def _came(self, message: OfSession) -> None:
        match message:
            case Begun():
                return
            case Interrupted():
                self._is_asked = False
                self._on_rest(self)
                return
            case Finished() if self._request is not None:
                self._is_asked = False
            case Failed():
                self._end()
            case _:
                pass
        if self._request is not None and not self._request.came(message):
            self._request.came(Failed(self.number, 0, "more came than can be kept"))
            self.close()
