"""The calls of an agent server that a test moves by hand."""

from typing import Any

from vox.errors import DependencyError
from vox.fleet.worker.contract import LiveCall
from vox.fleet.worker.settings import WorkerOptions
from vox.fleet.worker.worker import Worker
from vox.runtime.lifecycle import Lifecycle
from vox.runtime.metrics import Metrics


class PlayedCalls:
    """Implements `vox.fleet.worker.contract.AgentCalls`."""

    def __init__(self, limit=5):
        self.limit = limit
        self.adaptive_limit = None
        self.frames: Any = (0, 0)
        self.running = []
        self.done = []

    @property
    def active(self):
        return len(self.running)

    def live(self):
        return list(self.running)

    def begin(self, call_id, began_at=0.0):
        self.running.append(LiveCall(call_id, began_at))

    def end(self, call_id):
        self.running = [one for one in self.running if one.call_id != call_id]

    def hang_up(self, call_id):
        self.done.append(("hang_up", call_id))
        return True

    def inject(self, call_id, text):
        self.done.append(("inject", call_id, text))
        return True

    async def transfer(self, call_id, to):
        self.done.append(("transfer", call_id, to))
        if to == "broken":
            raise DependencyError("the carrier refused", code="transfer_failed")
        return to != "impossible"


def played_worker(clock, calls, *, metrics=None, drain_s=600.0, is_ready=True, **settings):
    lifecycle = Lifecycle(clock, drain_s)
    if is_ready:
        lifecycle.ready()
    return Worker(
        WorkerOptions(**settings),
        calls,
        lifecycle,
        clock,
        metrics or Metrics(),
        worker_id="w-1",
        version="1.0",
    )
