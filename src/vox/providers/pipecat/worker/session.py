"""What sessions of all kinds do: begin and end with their service, take messages in order, report failures."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from vox.providers.pipecat.messages import LOST, Begun, Configure, Failed, Interrupt, Interrupted, OfSession, ToWorker
from vox.providers.pipecat.worker import library
from vox.providers.pipecat.worker.chain import Chain
from vox.providers.pipecat.worker.loading import RefusedError, ServiceFactory

MAX_WAITING = 2000
"""Messages that wait for a service: two minutes of speech."""
INTERRUPT_TIMEOUT_S = 5.0
STATUS = {
    "authentication": 401,
    "authorization": 403,
    "invalid_request": 400,
    "application": 400,
    "rate_limit": 429,
    "quota": 402,
    "connectivity": LOST,
    "server": 500,
}
"""Pipecat's categories of errors, as HTTP statuses."""


class Kind(Protocol):
    """What one kind of service makes of requests and frames."""

    async def take(self, message: ToWorker) -> None:
        """A message of the driver."""
        ...

    def came(self, frame: Any) -> None:
        """A frame of the service."""
        ...

    def close(self) -> None:
        """The session is over."""
        ...


class Session:
    """One service at work.

    Args:
        number: the session's.
        configure: what is configured.
        send: sends to the driver.
        on_over: is called once the session is over.
    """

    def __init__(
        self,
        number: int,
        configure: Configure,
        send: Callable[[OfSession], None],
        on_over: Callable[["Session"], None],
    ) -> None:
        self.number = number
        self.configure = configure
        self.chain: Chain | None = None
        self._send = send
        self._on_over = on_over
        self._kind: Kind | None = None
        self._inbox: asyncio.Queue[ToWorker] = asyncio.Queue(MAX_WAITING)
        self._is_interrupted = False
        self._is_over = False
        self._late: asyncio.TimerHandle | None = None
        self._reason_of: Callable[[object], str] = str

    def send(self, message: OfSession) -> None:
        """Tells the driver, unless what it asked for was interrupted."""
        if not self._is_over and not self._is_interrupted:
            self._send(message)

    async def queue(self, *frames: Any) -> None:
        """Gives frames to the service."""
        if self.chain is not None:
            await self.chain.queue(*frames)

    async def run(self, factory: ServiceFactory, make: Callable[[], Any], kind: Kind) -> None:
        """Runs the service until the session is over.

        Args:
            factory: of the service.
            make: makes it.
            kind: what becomes of its frames.
        """
        self._kind = kind
        self._reason_of = factory.reason_of
        chain: Chain | None = None
        try:
            async with asyncio.timeout(self.configure.open_timeout_s):
                chain = self.chain = Chain(make(), self.configure.sample_rate, self._came, self._ended)
                await chain.open()
            self.send(Begun(self.number))
            while True:
                await self._take(await self._inbox.get())
        except RefusedError as error:
            self.fail(400, f"{error.message.reason}")
        except TimeoutError:
            self.fail(LOST, "the service did not start in time")
        except Exception as error:  # noqa: BLE001  whatever a service raises ends its session, not the worker
            self.fail(0, factory.reason_of(error))
        finally:
            self._finish()
            kind.close()
            if chain is not None:
                await chain.close()

    def take(self, message: ToWorker) -> None:
        """A message of the driver."""
        try:
            self._inbox.put_nowait(message)
        except asyncio.QueueFull:
            self.fail(LOST, "the service does not keep up")

    def fail(self, status: int, reason: str, retry_after_s: float | None = None) -> None:
        """Ends the session with an error."""
        if not self._is_over:
            self._send(Failed(self.number, status, reason, retry_after_s))
            self._finish()

    def _finish(self) -> None:
        if self._late is not None:
            self._late.cancel()
        if not self._is_over:
            self._is_over = True
            self._on_over(self)

    async def _take(self, message: ToWorker) -> None:
        if isinstance(message, Interrupt):
            self._is_interrupted = True
            loop = asyncio.get_running_loop()
            self._late = loop.call_later(INTERRUPT_TIMEOUT_S, self.fail, LOST, "the service cannot be interrupted")
            await self.queue(library.InterruptionFrame())
        elif self._kind is not None:
            await self._kind.take(message)

    def _came(self, frame: Any) -> None:
        if isinstance(frame, library.ErrorFrame):
            self._report(frame)
        elif self._is_interrupted:
            if isinstance(frame, library.InterruptionFrame):
                self._is_interrupted = False
                if self._late is not None:
                    self._late.cancel()
                self.send(Interrupted(self.number))
        elif self._kind is not None:
            self._kind.came(frame)

    def _report(self, frame: Any) -> None:
        category = str(getattr(frame.category, "value", ""))
        self.fail(STATUS.get(category, 0), self._reason_of(frame.error), _retry_after_s(frame.exception))

    def _ended(self) -> None:
        self.fail(LOST, "the service ended by itself")


def _retry_after_s(error: object) -> float | None:
    """Seconds from a `Retry-After` header, wherever the service's HTTP library keeps it."""
    for holder in (getattr(error, "response", None), error):
        headers: Any = getattr(holder, "headers", None)
        try:
            return max(0.0, float(headers["retry-after"]))
        except (KeyError, TypeError, ValueError):
            continue
    return None
