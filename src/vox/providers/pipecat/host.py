"""The worker processes of one driver, and the sessions in them as the driver sees them."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import msgspec

from vox.errors import DependencyError, UsageError
from vox.providers import _failures
from vox.providers.pipecat.interpreter import check_interpreter
from vox.providers.pipecat.messages import (
    LOST,
    Begin,
    Close,
    Configure,
    Failed,
    OfSession,
    Ready,
    Refused,
    Started,
    ToWorker,
    from_worker,
)
from vox.providers.pipecat.options import ServiceOptions
from vox.providers.workers.process import WorkerProcess
from vox.runtime.logging import get_logger
from vox.runtime.tasks import cancel_and_wait

MODULE = "vox.providers.pipecat.worker.main"

_log = get_logger(__name__)


class Session:
    """One service in a worker.

    Args:
        worker: where it runs.
        number: its number there.
        on_message: gets what it says, the last being `Failed` where it ends by itself.
    """

    def __init__(self, worker: "_Worker", number: int, on_message: Callable[[OfSession], None]) -> None:
        self.number = number
        self.is_open = True
        self._worker = worker
        self._on_message = on_message

    def send(self, message: ToWorker) -> None:
        """Asks it for something; nothing happens where it is closed."""
        if self.is_open:
            self._worker.process.send(message)

    def close(self) -> None:
        """Ends it; nothing is told any more."""
        if self.is_open:
            self._worker.process.send(Close(self.number))
            self._end()

    def came(self, message: OfSession) -> None:
        """What it says."""
        if isinstance(message, Failed):
            self._end()
        self._on_message(message)

    def _end(self) -> None:
        self.is_open = False
        self._worker.sessions.pop(self.number, None)


class Host:
    """Runs services of one class; `async with` opens it.

    Args:
        options: where they run.
        configure: what they are.
    """

    def __init__(self, options: ServiceOptions, configure: Configure) -> None:
        self.name = f"Pipecat's {options.class_name}"
        self._options = options
        self._configure = configure
        self._workers: list[_Worker] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await check_interpreter(self._options.python, self._options.open_timeout_s)
        self._workers = [_Worker(self._configure, self._options.python) for _ in range(self._options.workers)]
        try:
            for worker in self._workers:
                await self._stack.enter_async_context(worker)
            async with asyncio.timeout(self._options.open_timeout_s):
                for worker in self._workers:
                    await worker.until_ready()
        except TimeoutError:
            await self._stack.aclose()
            raise DependencyError(
                f"the worker of {self.name} does not come up",
                code="provider_timeout",
                hint="its own words are on stderr; raise the option open_timeout_s where it only takes long",
            ) from None
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def check(self) -> None:
        """Returns where a worker runs.

        Raises:
            DependencyError: none does.
        """
        self._least_busy()

    def begin(self, on_message: Callable[[OfSession], None], *, voice: str = "", language: str = "") -> Session:
        """Starts a service in the worker that has the fewest; `Begun` says that it is up.

        Raises:
            DependencyError: no worker runs.
        """
        return self._least_busy().begin(on_message, voice, language)

    def failure(self, failed: Failed) -> DependencyError:
        """The error for a session that ended by itself."""
        if failed.status == LOST:
            return _failures.of_connection(ConnectionError(failed.reason), self.name)
        return _failures.of_status(failed.status, failed.reason, self.name, retry_after_s=failed.retry_after_s)

    def _least_busy(self) -> "_Worker":
        up = [worker for worker in self._workers if worker.process.ready.is_set()]
        if not up:
            raise DependencyError(
                f"the worker of {self.name} does not run",
                code="provider_unreachable",
                hint="it is started again by itself; its own words are on stderr",
                retryable=True,
            )
        return min(up, key=lambda worker: len(worker.sessions))


class _Worker:
    """One process with its sessions."""

    def __init__(self, configure: Configure, python: str) -> None:
        self.sessions: dict[int, Session] = {}
        self.process = WorkerProcess(MODULE, (), on_message=self._take, on_down=self._fail_all, python=python)
        self._configure = configure
        self._last = 0
        self._refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.process.run(), name="pipecat worker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.close()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def until_ready(self) -> None:
        """Returns once the service could be made.

        Raises:
            UsageError: it cannot.
        """
        ready = asyncio.create_task(self._ready())
        try:
            await asyncio.wait((ready, self._refused), return_when=asyncio.FIRST_COMPLETED)
            if self._refused.done():
                self._refused.result()
            self._refused.cancel()
        finally:
            await cancel_and_wait(ready)

    def begin(self, on_message: Callable[[OfSession], None], voice: str, language: str) -> Session:
        """Starts a service."""
        self._last += 1
        session = self.sessions[self._last] = Session(self, self._last, on_message)
        self.process.send(Begin(session.number, voice, language))
        return session

    async def _ready(self) -> None:
        await self.process.ready.wait()

    def _take(self, body: bytes) -> None:
        message: Any = from_worker.decode(body)
        match message:
            case Started():
                self.process.send(self._configure)
            case Ready():
                self.process.mark_ready()
            case Refused(code, reason, hint):
                if self._refused.done():  # after a restart
                    _log.error("worker cannot use its configuration", reason=reason, hint=hint)
                else:
                    self._refused.set_exception(UsageError(reason, code=code, hint=hint))
            case _:
                if (session := self.sessions.get(message.number)) is not None:
                    session.came(message)

    def _fail_all(self) -> None:
        for session in tuple(self.sessions.values()):
            session.came(Failed(session.number, LOST, "the worker process ended"))


def size_of(message: msgspec.Struct) -> int:
    """About how many bytes of memory a message needs while it waits."""
    return sum(len(value) for value in msgspec.structs.astuple(message) if isinstance(value, bytes | str))
