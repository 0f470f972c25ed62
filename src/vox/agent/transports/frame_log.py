"""At level debug every message of a call's socket is a line of the log: its kind and size, never what it says.

At every other level nothing of this exists: the transport is the socket's listener itself.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from vox.http.sockets import Socket, SocketListener
from vox.protocols.media_stream import WireMessage
from vox.runtime.logging import get_logger, is_debug

_KIND: Final = re.compile(r'"(?:type|event)"\s*:\s*"([\w.:-]{1,64})"')
_SEARCHED_CHARACTERS: Final = 512
"""The kind stands near the beginning; behind it there may be a second of audio."""

_log = get_logger(__name__)


def frames_logged(listener: SocketListener, route: str) -> SocketListener:
    """The listener, and at level debug one that logs what passes it.

    Args:
        listener: the call's transport.
        route: the socket's route, for the lines.
    """
    return _FrameLog(listener, route) if is_debug() else listener


class _FrameLog:
    def __init__(self, listener: SocketListener, route: str) -> None:
        self._listener = listener
        self._route = route

    def opened(self, socket: Socket) -> None:
        _log.debug("socket opened", route=self._route)
        self._listener.opened(cast("Socket", _LoggedSocket(socket, self._route)))

    def received(self, message: WireMessage) -> None:
        _log.debug("frame", route=self._route, direction="in", kind=_kind(message), size=len(message))
        self._listener.received(message)

    def closed(self, code: int, reason: str) -> None:
        _log.debug("socket closed", route=self._route, code=code)
        self._listener.closed(code, reason)


class _LoggedSocket:
    def __init__(self, socket: Socket, route: str) -> None:
        self._socket = socket
        self._route = route

    def send(self, message: WireMessage) -> None:
        _log.debug("frame", route=self._route, direction="out", kind=_kind(message), size=len(message))
        self._socket.send(message)

    @property
    def write_frames(self) -> Callable[[bytes], None] | None:
        write = self._socket.write_frames
        return None if write is None else partial(self._write, write)

    def _write(self, write: Callable[[bytes], None], frames: bytes) -> None:
        _log.debug("frame", route=self._route, direction="out", kind="joined", size=len(frames))
        write(frames)

    def __getattr__(self, name: str) -> object:
        return getattr(self._socket, name)


def _kind(message: WireMessage) -> str:
    if isinstance(message, bytes):
        return "binary"
    found = _KIND.search(message, 0, _SEARCHED_CHARACTERS)
    return found[1] if found else "text"
