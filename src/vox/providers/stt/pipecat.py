"""Any recogniser that Pipecat has, hosted in a process of its own.

One session serves one call. Expected phrases do not reach the service, because Pipecat's recognisers have no common way to be told.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from pydantic import Field

from vox.http.sockets import Socket, SocketListener
from vox.providers._failures import Key
from vox.providers.contract import Deps
from vox.providers.pipecat import messages as wire
from vox.providers.pipecat.host import Host
from vox.providers.pipecat.host import Session as HostedSession
from vox.providers.pipecat.options import ServiceOptions, configuration
from vox.providers.stt._dialect import (
    Event,
    Failed,
    Flushed,
    Heard,
    Message,
    PlainDialect,
    Session,
    StreamingOptions,
    Traits,
)
from vox.providers.stt._streaming import StreamingRecogniser

FLUSH, KEEP_ALIVE = "flush", "keep alive"
NORMAL = 1000


class Config(ServiceOptions, StreamingOptions):
    """Options of a hosted recogniser."""

    connect_timeout_s: float = Field(default=15.0, gt=0, le=300, description="Longest wait for the service to start")
    idle_s: float = Field(
        default=600.0, ge=0, le=3600, description="How long a service is kept without speech; 0: one an utterance"
    )
    settle_s: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="How long the last text may be late where the service does not say that it was the last; 0: as Pipecat measured",
    )


class Dialect(PlainDialect):
    """What a session says.

    Args:
        failure: the error for a session that ended.
    """

    def __init__(self, failure: Callable[[wire.Failed], Any]) -> None:
        self._failure = failure

    def audio(self, pcm: bytes) -> Message:
        """Audio goes as it is."""
        return pcm

    def flush(self) -> Iterable[Message]:
        """The caller fell silent."""
        return (FLUSH,)

    def keep_alive(self) -> Iterable[Message]:
        """A little silence, before the vendor takes the line for dead."""
        return (KEEP_ALIVE,)

    def receive(self, message: Message) -> Iterable[Event]:
        """Texts, the end of a flush, and the end of the session."""
        match wire.from_worker.decode(message if isinstance(message, bytes) else message.encode()):
            case wire.Heard(_, text, is_final, language):
                yield Heard(text, is_final, language=language or None)
            case wire.Flushed():
                yield Flushed()
            case wire.Failed() as failed:
                yield Failed(self._failure(failed))
            case _:
                return


class SessionSocket:
    """A session in the shape of a socket: audio and commands go out by `send`, texts come in by a listener."""

    write_frames = None
    backlog_bytes = 0

    def __init__(self, host: Host, language: str, listener: SocketListener) -> None:
        self._listener = listener
        self._session: HostedSession = host.begin(self._came, language=language)

    @property
    def is_open(self) -> bool:
        """Whether messages still go out."""
        return self._session.is_open

    def send(self, message: str | bytes) -> None:
        """Sends audio (bytes) or a command (str)."""
        number = self._session.number
        if isinstance(message, bytes):
            self._session.send(wire.Audio(number, message))
        else:
            self._session.send(wire.Flush(number) if message == FLUSH else wire.KeepAlive(number))

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Ends the session."""
        self._session.close()

    def pause_reading(self) -> None:
        """Texts are too few to wait."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def _came(self, message: wire.OfSession) -> None:
        if isinstance(message, wire.Begun):
            self._listener.opened(self)
        else:
            self._listener.received(msgspec.msgpack.encode(message))


class Recogniser:
    """Hosts the service."""

    def __init__(self, config: Config, deps: Deps) -> None:
        configure = configuration(
            "stt",
            config,
            deps,
            model=config.model,
            base_url=config.base_url,
            sample_rate=config.sample_rate,
            settle_s=config.settle_s,
        )
        self._host = Host(config, configure)
        self.traits = Traits(self._host.name, Key("pipecat"), keep_alive_s=3.0)

    async def open(self) -> None:
        """Starts the worker; raises `UsageError` for what the operator has to set right."""
        await self._host.__aenter__()

    async def close(self) -> None:
        """Ends it."""
        await self._host.__aexit__(None, None, None)

    async def connect(self, session: Session, listener: SocketListener) -> Socket:
        """Starts a service for a call."""
        return SessionSocket(self._host, session.language, listener)

    def dialect(self, session: Session) -> Dialect:
        """The messages of one session."""
        return Dialect(self._host.failure)

    async def check(self) -> None:
        """Returns where the worker runs; raises `DependencyError` where not."""
        await self._host.check()


class HostedRecogniser(StreamingRecogniser):
    """A recogniser that can tell whether its worker runs."""

    def __init__(self, recogniser: Recogniser, config: Config) -> None:
        super().__init__(recogniser, config)
        self._recogniser = recogniser

    async def check(self) -> None:
        """Returns where the worker runs; raises `DependencyError` where not."""
        await self._recogniser.check()


def create(config: Config, deps: Deps) -> HostedRecogniser:
    """The driver; raises `UsageError` (`missing_api_key`)."""
    return HostedRecogniser(Recogniser(config, deps), config)
