"""The worker's side of a recogniser that runs in processes of its own: one thread that reads what has come, then does one piece of work."""

from collections.abc import Callable
from typing import Protocol

from vox.providers.stt._worker_frames import FromWorker, Ready, ToWorker, to_worker
from vox.providers.workers import serving
from vox.providers.workers.serving import Channel


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
    return serving.serve(lambda channel: _run(make_requests, channel))


def _run(make_requests: Callable[[Callable[[FromWorker], None]], Requests], channel: Channel) -> None:
    requests = make_requests(channel.send)
    channel.send(Ready())
    while (bodies := channel.receive(0 if requests.has_work else None)) is not None:
        for body in bodies:
            requests.take(to_worker.decode(body))
        if requests.has_work:
            requests.work()
