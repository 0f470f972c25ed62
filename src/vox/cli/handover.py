"""The store that calls are handed over by, for the commands that serve agents."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vox.agent.config.settings import AgentSettings
    from vox.fleet.handover.contract import HandoverStore
    from vox.runtime.clock import Clock


def handover_store(settings: "AgentSettings", clock: "Clock") -> "HandoverStore | None":
    """The store that the settings name; None where calls end with their server.

    Raises:
        UsageError: they name none that there is.
    """
    from vox.fleet.handover.opening import make_store

    address = settings.handover_store.get_secret_value()
    return make_store(address, settings.folder, clock) if address else None
