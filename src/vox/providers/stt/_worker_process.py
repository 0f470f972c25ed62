"""The worker's side of a recogniser that runs in processes of its own: one thread that reads what has come, then does one piece of work.

It ends when its stdin does, so that it never outlives its parent; signals that are meant for the parent, which drains its calls
first, it ignores.
"""

import os
import select
import signal
from collections.abc import Callable
from typing import Protocol

from vox.providers.stt._worker_frames import FromWorker, Ready, ToWorker, Unframer, frame, to_worker

READ_BYTES = 1 << 20
NICENESS = 5  # the parent's 20 ms grid goes first


class Requests(Protocol):
    """The orders of all utterances, worked off piece by piece."""

    @property
    def has_work(self) -> bool:
        """Whether `work` would do something."""
        ...

    def take(self, order: ToWorker) -> None:
        """Notes an order."""
        ...

    def work(self) -> None:
        """Does one piece of work."""
        ...


def serve(make_requests: Callable[[Callable[[FromWorker], None]], Requests]) -> int:
    """Runs a worker on its stdin and stdout until its stdin ends; 0, as an exit code.

    Args:
        make_requests: loads the models, and is given what sends a message to the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = "1"
    target = os.dup(1)
    os.dup2(2, 1)  # nothing that a library prints may get into the stream
    try:
        _run(make_requests, 0, target)
    except BrokenPipeError:
        return 0  # the parent is gone
    return 0


def _run(make_requests: Callable[[Callable[[FromWorker], None]], Requests], source: int, target: int) -> None:
    unframer = Unframer()

    def send(message: FromWorker) -> None:
        data = memoryview(frame(message))
        while data:
            data = data[os.write(target, data) :]

    requests = make_requests(send)
    send(Ready())
    while True:
        readable, _, _ = select.select([source], [], [], 0 if requests.has_work else None)
        if readable:
            data = os.read(source, READ_BYTES)
            if not data:
                return
            for body in unframer.feed(data):
                requests.take(to_worker.decode(body))
        if requests.has_work:
            requests.work()
