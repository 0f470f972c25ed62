"""One realtime session over a WebSocket of JSON messages, for every vendor: the codec knows the vendor, this the socket.

What comes waits in a bounded queue for the call to read; what is sent before the vendor has taken the setup waits too.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from typing import Final, cast

import msgspec

from vox.errors import DependencyError, UsageError
from vox.http.websocket import Socket, UpgradeRefusedError, open_socket
from vox.providers import _failures
from vox.providers._failures import Key
from vox.providers.realtime._codec import Codec, Json
from vox.providers.realtime.contract import RealtimeEvent, SessionReady

MAX_RECEIVED: Final = 8192
"""Messages that may wait to be read: about a quarter of an hour of speech."""
MAX_UNSENT: Final = 1024
"""Messages that may wait for the vendor to take the setup; the oldest go first."""
MAX_MESSAGE_BYTES: Final = 8 << 20
CONNECT_TIMEOUT_S: Final = 10.0
_REFUSALS: Final = frozenset({1007, 1008, 3000})
"""Close codes of a vendor that will not have this session."""


class VendorSession:
    """A session of one call.

    Args:
        codec: the vendor's messages.
        vendor: named in errors.
        key: where its key stands.
        url: of the WebSocket; named in no error, because some vendors want the key in it.
        headers: of the upgrade request.
        timeout_s: how long the vendor may take for the setup.
    """

    def __init__(
        self, codec: Codec, vendor: str, key: Key, url: str, headers: Mapping[str, str], timeout_s: float
    ) -> None:
        self._codec = codec
        self._vendor = vendor
        self._key = key
        self._url = url
        self._headers = headers
        self._timeout_s = timeout_s
        self._socket: Socket | None = None
        self._received: asyncio.Queue[str | bytes | None] = asyncio.Queue(MAX_RECEIVED)
        self._unsent: deque[Json] = deque(maxlen=MAX_UNSENT)
        self._is_ready = False
        self._ending = ""
        self._close_code = 0
        self.push = codec.push
        self.commit = codec.commit
        self.clear = codec.clear
        self.respond = codec.respond
        self.cancel = codec.cancel
        self.truncate = codec.truncate
        self.add = codec.add
        self.add_result = codec.add_result
        codec.send = self._send
        codec.post = self._post

    async def events(self) -> AsyncGenerator[RealtimeEvent, None]:
        """Connects, and gives what the vendor says until the generator is closed, which hangs up."""
        try:
            await self._open()
            loop = asyncio.get_running_loop()
            deadline: float | None = loop.time() + self._timeout_s
            while True:
                message = await self._next(deadline)
                for event in self._codec.receive(message):
                    if isinstance(event, SessionReady):
                        deadline = None
                        self._is_ready = True
                        self._codec.resume()
                        self._flush()
                    yield event
        finally:
            if self._socket is not None:
                self._socket.close(1000, "")

    async def _open(self) -> None:
        try:
            self._socket = await open_socket(
                self._url,
                self,
                headers=self._headers.items(),
                connect_timeout_s=min(CONNECT_TIMEOUT_S, self._timeout_s),
                max_message_bytes=MAX_MESSAGE_BYTES,
                max_backlog_bytes=MAX_MESSAGE_BYTES,
            )
        except UpgradeRefusedError as refused:
            raise _failures.of_response(
                refused.status, refused.body, refused.headers, self._vendor, self._key
            ) from None
        except UsageError as error:
            raise DependencyError(
                f"the address of {self._vendor} is unusable",
                code="provider_unreachable",
                hint="check the option base_url",
            ) from error
        except DependencyError as error:
            cause = TimeoutError() if error.code == "connect_timed_out" else error
            raise _failures.of_connection(cause, self._vendor) from error
        self._is_ready = True
        self._codec.begin()
        self._is_ready = False

    async def _next(self, deadline: float | None) -> Json:
        try:
            async with asyncio.timeout_at(deadline):
                data = await self._received.get()
        except TimeoutError as error:
            raise _failures.of_connection(error, self._vendor) from error
        if data is None:
            raise self._ended()
        try:
            message: object = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise DependencyError(f"{self._vendor} sent data that is no JSON object", code="provider_bad_answer")
        return cast("Json", message)

    def _ended(self) -> DependencyError:
        """Why the vendor hung up; a policy violation and data that it cannot take are refusals."""
        if self._close_code in _REFUSALS:
            is_key = "api key" in self._ending.lower() or "api_key" in self._ending.lower()
            return _failures.of_status(401 if is_key else 400, self._ending, self._vendor, key=self._key)
        return DependencyError(
            f"{self._vendor} closed the connection{self._ending}", code="provider_unreachable", retryable=True
        )

    # The socket's listener

    def opened(self, socket: Socket) -> None:
        """The upgrade is done."""

    def received(self, message: str | bytes) -> None:
        """One message of the vendor."""
        if self._received.full():
            self._ending = ": its answers were not read"
            self._hang_up()
        else:
            self._received.put_nowait(message)

    def closed(self, code: int, reason: str) -> None:
        """The socket is gone."""
        self._close_code = code
        self._ending = self._ending or f" ({code}{f' {reason[:100]}' if reason else ''})"
        self._hang_up()

    def _hang_up(self) -> None:
        if self._received.full():
            self._received.get_nowait()
        self._received.put_nowait(None)

    def _send(self, message: Json) -> None:
        if not self._is_ready:
            self._unsent.append(message)
        elif self._socket is not None:
            self._socket.send(msgspec.json.encode(message).decode())

    def _post(self, message: Json) -> None:
        self.received(msgspec.json.encode(message))

    def _flush(self) -> None:
        while self._unsent:
            self._send(self._unsent.popleft())
