"""WebSockets to a speech vendor, kept open between sentences: a new one costs two round trips and a TLS handshake before any audio.

One sentence has one socket at a time, so nothing has to be told apart but what a cut sentence still sends.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from vox.errors import DependencyError
from vox.http.sockets import Socket
from vox.http.websocket import UpgradeRefusedError, open_socket
from vox.providers import _failures
from vox.providers.tts._vendor import CONNECT_TIMEOUT_S, VendorSpeech
from vox.runtime.clock import Clock

MAX_WAITING_BYTES = 16 << 20
"""Of one sentence that has arrived and was not taken: four minutes of speech as base64."""
MAX_IDLE = 16
"""Sockets kept open without a sentence; as many sentences at once as there are need as many sockets."""


class VendorSocket:
    """One open socket; messages wait in it until they are taken."""

    def __init__(self, vendor: str, clock: Clock) -> None:
        self.idle_since_s = 0.0
        self.last_heard_s = clock.now()
        self._vendor = vendor
        self._clock = clock
        self._socket: Socket | None = None
        self._waiting: deque[str | bytes] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._end: DependencyError | None = None

    @property
    def is_open(self) -> bool:
        """Whether a sentence can be sent."""
        return self._end is None and self._socket is not None and self._socket.is_open

    def send(self, message: str) -> None:
        """Sends a message; one to a socket that is closing is lost, and `receive` says so."""
        if self._socket is not None:
            self._socket.send(message)

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            DependencyError: the vendor closed the connection.
        """
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._arrived.clear()
            await self._arrived.wait()
        message = self._waiting.popleft()
        self._waiting_bytes -= len(message)
        return message

    def close(self) -> None:
        """Ends the connection; repeated calls do nothing."""
        if self._socket is not None:
            self._socket.close()

    def opened(self, socket: Socket) -> None:
        """The connection is there."""
        self._socket = socket

    def received(self, message: str | bytes) -> None:
        """A message arrived."""
        if self._end is not None:
            return
        self.last_heard_s = self._clock.now()
        self._waiting.append(message)
        self._waiting_bytes += len(message)
        self._arrived.set()
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self._end = DependencyError(f"{self._vendor} sent too much at once", code="provider_bad_answer")
            self.close()

    def closed(self, code: int, reason: str) -> None:
        """The connection is gone."""
        why = ConnectionError(f"it closed with {code}{f' ({reason[:100]})' if reason else ''}")
        self._end = self._end or _failures.of_connection(why, self._vendor)
        self._arrived.set()


class SocketPool:
    """The sockets of one driver.

    Args:
        speech: whose they are; it names the vendor in errors.
        clock: the loop's time.
        url: where the vendor listens, with the query.
        headers: of the handshake.
        timeout_s: a socket that has not been heard of for so long in the middle of a sentence is not used again.
        idle_s: how long an idle socket may wait for the next sentence; less than the vendor's own limit.
    """

    def __init__(
        self,
        speech: VendorSpeech,
        clock: Clock,
        url: str,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
        idle_s: float = 60.0,
    ) -> None:
        self._speech = speech
        self._clock = clock
        self._url = url
        self._headers = headers
        self._timeout_s = timeout_s
        self._idle_s = idle_s
        self._idle: list[VendorSocket] = []

    @asynccontextmanager
    async def lease(self, on_cut: str = "") -> AsyncGenerator[VendorSocket, None]:
        """A socket for one sentence; afterwards it waits for the next one, unless the sentence failed.

        Args:
            on_cut: what ends a sentence at the vendor in the middle, if the socket can be used again then; without it, a cut
                sentence's socket is closed.

        Raises:
            DependencyError: the vendor refused the connection, or could not be reached.
        """
        socket = self._take() or await self._open()
        try:
            yield socket
        except (GeneratorExit, asyncio.CancelledError):
            # The deadline of a silent vendor looks like a cut; what it was not heard from is not kept.
            if on_cut:
                socket.send(on_cut)
            if on_cut and self._clock.now() - socket.last_heard_s < self._timeout_s / 2:
                self._give(socket)
            else:
                socket.close()
            raise
        except BaseException:
            socket.close()
            raise
        self._give(socket)

    def close(self) -> None:
        """Closes what is idle."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> VendorSocket | None:
        now = self._clock.now()
        while self._idle:
            socket = self._idle.pop()
            if socket.is_open and now - socket.idle_since_s < self._idle_s:
                socket.last_heard_s = now
                return socket
            socket.close()
        return None

    def _give(self, socket: VendorSocket) -> None:
        if not socket.is_open or len(self._idle) >= MAX_IDLE:
            socket.close()
            return
        socket.idle_since_s = self._clock.now()
        self._idle.append(socket)

    async def _open(self) -> VendorSocket:
        vendor = self._speech.vendor.name
        socket = VendorSocket(vendor, self._clock)
        try:
            await open_socket(
                self._url,
                socket,
                headers=self._headers.items(),
                connect_timeout_s=min(CONNECT_TIMEOUT_S, self._timeout_s),
                max_message_bytes=MAX_WAITING_BYTES,
            )
        except UpgradeRefusedError as error:
            raise self._speech.refusal(error.status, error.body, error.headers) from error
        except DependencyError as error:
            cause = TimeoutError() if error.code == "connect_timed_out" else error
            raise _failures.of_connection(cause, vendor) from error
        return socket
