"""Tells the clients of this process when events of other processes stop coming through, and when they come again."""

from contextlib import AbstractAsyncContextManager
from typing import Final

from vox.chat.bus.shared import SharedBus
from vox.chat.gateway import Hub
from vox.runtime.tasks import periodic

EVERY_S: Final = 0.5


def announcing_interruptions(hub: Hub, bus: SharedBus) -> AbstractAsyncContextManager[None]:
    """Compares twice a second, while the block runs, what clients were told with how it is."""

    async def compare() -> None:
        hub.set_interrupted(is_interrupted=bus.is_interrupted)

    return periodic(EVERY_S, compare, "chat interruptions")
