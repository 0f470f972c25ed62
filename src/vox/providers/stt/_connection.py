"""One connection to a vendor's streaming recogniser: opened with a deadline, its messages turned into events."""

import asyncio
from collections.abc import Callable, Iterable

from vox.errors import DependencyError, UsageError
from vox.http.sockets import Socket
from vox.http.websocket import UpgradeRefusedError
from vox.providers import _failures
from vox.providers.stt._dialect import Event, Failed, Flushed, Heard, Message, Ready, Reply, Session, Vendor


class Connection:
    """A vendor's socket with its dialect.

    Args:
        vendor: whose.
        session: what for.
        on_event: gets this connection and what happened, on the event loop; never before `open` runs, nor after `close`.
    """

    def __init__(self, vendor: Vendor, session: Session, on_event: Callable[["Connection", Event], None]) -> None:
        self.session = session
        self.is_ready = False
        self.is_spent = False
        self.sent_bytes = 0
        self._vendor = vendor
        self._dialect = vendor.dialect(session)
        self._on_event = on_event
        self._socket: Socket | None = None
        self._ready = asyncio.Event()
        self._is_closed = False

    async def open(self, timeout_s: float) -> None:
        """Connects and waits until the vendor takes audio; a failure is told as an event."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._vendor.connect(self.session, self)
                await self._ready.wait()
        except DependencyError as error:
            self._fail(self._refusal(error))
        except (
            UsageError
        ) as error:  # what the operator has to set right, such as a wrong address or credentials that are not there
            self._fail(error)
        except TimeoutError as error:
            self._fail(_failures.of_connection(error, self._vendor.traits.name))

    def push(self, pcm: bytes) -> None:
        """Sends audio."""
        self.sent_bytes += len(pcm)
        self._send((self._dialect.audio(pcm),))

    def flush(self) -> None:
        """Asks for the final text of what was sent."""
        self.is_spent = self._dialect.ends_at_flush
        self._send(self._dialect.flush())

    def keep_alive(self) -> None:
        """Tells the vendor that the connection is still wanted."""
        self._send(self._dialect.keep_alive())

    def close(self) -> None:
        """Ends the connection; nothing is told any more."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._socket is not None:
            if not self.is_spent:
                self._send(self._dialect.end())
            self._socket.close()

    def opened(self, socket: Socket) -> None:
        """The vendor is there; its first messages may come before `open` goes on."""
        if self._is_closed:
            socket.close()
            return
        self._socket = socket
        self._send(self._dialect.begin())
        if not self._dialect.needs_ready:
            self._tell(Ready())

    def received(self, message: Message) -> None:
        """A message of the vendor."""
        if self._is_closed:
            return
        try:
            events = tuple(self._dialect.receive(message))
        except ValueError:
            error = DependencyError(
                f"{self._vendor.traits.name} sent a message that Vox cannot read", code="provider_bad_answer"
            )
            self._fail(error)
            return
        for event in events:
            self._tell(event)

    def closed(self, code: int, reason: str) -> None:
        """The vendor has gone."""
        event = None if self._is_closed else self._dialect.closed(code, reason)
        why = f"it closed with {code}{f' ({reason[:100]})' if reason else ''}"
        self._tell(event or Failed(_failures.of_connection(ConnectionError(why), self._vendor.traits.name)))
        self._ready.set()

    def _tell(self, event: Event) -> None:
        if self._is_closed:
            return
        match event:
            case Ready():
                self.is_ready = True
                self._ready.set()
            case Failed():
                self._ready.set()
            case Reply(message):
                self._send((message,))
                return
            case Heard() | Flushed():
                pass
        self._on_event(self, event)

    def _fail(self, error: DependencyError | UsageError) -> None:
        self._tell(Failed(error))

    def _refusal(self, error: DependencyError) -> DependencyError:
        traits = self._vendor.traits
        if isinstance(error, UpgradeRefusedError):
            words = error.body.decode("utf-8", "replace") or "no reason given"
            after = _failures.retry_after_s(error.headers)
            return _failures.of_status(error.status, words, traits.name, key=traits.key, retry_after_s=after)
        if error.code in {"connect_timed_out", "connect_failed"}:
            cause = TimeoutError() if error.code == "connect_timed_out" else error
            return _failures.of_connection(cause, traits.name)
        return error

    def _send(self, messages: Iterable[Message]) -> None:
        if self._socket is not None:
            for message in messages:
                self._socket.send(message)
