"""The worker process that runs Pipecat services: one asyncio loop with a session for each call or request at a time.

It may run under another Python than Vox, with the packages that Pipecat pins: of Vox it uses what needs nothing but msgspec.
"""

import asyncio
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from vox.providers.pipecat.messages import Begin, Close, Configure, Ready, Refused, Started, to_worker
from vox.providers.workers.serving import Channel, serve


def work(channel: Channel) -> None:
    """Serves the parent until it is gone."""
    asyncio.run(_Worker(channel).run())


class _Worker:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._configure: Configure | None = None
        self._factory: Any = None
        self._sessions: dict[int, Any] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._http: Any = None
        self._is_parent_gone = asyncio.Event()

    async def run(self) -> None:
        """Reads messages as they come; ends with the parent."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel.source, self._read)
        self._channel.send(Started())
        await self._is_parent_gone.wait()
        loop.remove_reader(self._channel.source)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def _read(self) -> None:
        bodies = self._channel.receive(0)
        if bodies is None:
            self._is_parent_gone.set()
            return
        for body in bodies:
            self._take(to_worker.decode(body))

    def _take(self, message: Any) -> None:
        match message:
            case Configure():
                self._set_up(message)
            case Begin():
                self._begin(message)
            case Close(number):
                if (task := self._tasks.get(number)) is not None:
                    task.cancel()
            case _:
                if (session := self._sessions.get(message.number)) is not None:
                    session.take(message)

    def _set_up(self, configure: Configure) -> None:
        """Finds the service and makes one, so that a mistake in the configuration is told at once."""
        try:
            log: Any = import_module("loguru").logger
            log.remove()
            log.add(sys.stderr, level="WARNING")  # Pipecat tells each frame's story otherwise
            from vox.providers.pipecat.worker import loading  # noqa: PLC0415  takes a second
        except (ImportError, AttributeError) as error:
            hint = "install the release of pipecat-ai that docs/how-to/use-a-pipecat-service.md names"
            self._channel.send(Refused("provider_not_installed", f"Pipecat cannot be used: {error}", hint))
            return
        try:
            factory = loading.ServiceFactory(configure, {"aiohttp_session": self._client})
            factory.make()
        except loading.RefusedError as error:
            self._channel.send(error.message)
            return
        self._configure, self._factory = configure, factory
        self._channel.send(Ready())

    def _begin(self, begin: Begin) -> None:
        if self._configure is None:
            return
        from vox.providers.pipecat.worker.session import Session  # noqa: PLC0415  see above

        session = Session(begin.number, self._configure, self._channel.send, self._over)
        kind, make = self._kind(session, begin)
        self._sessions[begin.number] = session
        task = self._tasks[begin.number] = asyncio.create_task(session.run(self._factory, make, kind))
        task.add_done_callback(lambda _: self._forget(begin.number))

    def _kind(self, session: Any, begin: Begin) -> tuple[Any, Callable[[], Any]]:
        """What handles the session's frames, and what makes its service."""
        from vox.providers.pipecat.worker import llm, stt, tts  # noqa: PLC0415  see above

        factory = self._factory
        match session.configure.kind:
            case "stt":
                recognition = stt.Recognition(session)
                return recognition, lambda: recognition.make(factory, begin.language)
            case "tts":
                return tts.Synthesis(session), lambda: factory.make(begin.voice, begin.language)
            case _:
                return llm.Response(session), lambda: llm.model(factory)

    def _over(self, session: Any) -> None:
        self._sessions.pop(session.number, None)
        task = self._tasks.get(session.number)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _forget(self, number: int) -> None:
        self._tasks.pop(number, None)
        self._sessions.pop(number, None)

    def _client(self) -> Any:
        """The HTTP client of services that ask for one."""
        from vox.providers.pipecat.worker import library  # noqa: PLC0415  see above

        self._http = self._http or library.http_client()
        return self._http


if __name__ == "__main__":
    raise SystemExit(serve(work))
