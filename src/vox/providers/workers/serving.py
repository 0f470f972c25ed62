"""The worker's end of the pipe: what every worker process does before and around its own work.

A worker ends when its stdin does, so that it never outlives its parent; signals that are meant for the parent, which drains
its calls first, it ignores.
"""

import os
import select
import signal
import threading
from collections.abc import Callable

import msgspec

from vox.providers.workers.framing import Unframer, frame

READ_BYTES = 1 << 20
NICENESS = 5  # the parent's 20 ms grid goes first


class Channel:
    """Messages from and to the parent, over two file descriptors. Any thread may send; `source` is readable when one has come."""

    def __init__(self, source: int, target: int) -> None:
        self.source = source
        self._target = target
        self._unframer = Unframer()
        self._sending = threading.Lock()

    def receive(self, timeout_s: float | None) -> list[bytes] | None:
        """The bodies of the messages that have come, waiting for the first as long as said; None when the parent is gone."""
        readable, _, _ = select.select([self.source], [], [], timeout_s)
        if not readable:
            return []
        data = os.read(self.source, READ_BYTES)
        return list(self._unframer.feed(data)) if data else None

    def send(self, message: msgspec.Struct) -> None:
        """Sends a message; raises `BrokenPipeError` when the parent is gone."""
        data = memoryview(frame(message))
        with self._sending:
            while data:
                data = data[os.write(self._target, data) :]


def serve(work: Callable[[Channel], None], *, niceness: int = NICENESS) -> int:
    """Makes this process a worker on its stdin and stdout, and runs `work` until it returns or the parent is gone.

    Args:
        work: imports its libraries itself, so that they find the environment set.
        niceness: added to the process's own.

    Returns:
        The process's exit status.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(niceness)
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = "1"
    target = os.dup(1)
    os.dup2(2, 1)  # nothing that a library prints may get into the stream
    try:
        work(Channel(0, target))
    except BrokenPipeError:
        return 0  # the parent is gone
    return 0
