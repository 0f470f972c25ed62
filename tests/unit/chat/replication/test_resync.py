"""A gap that one event loop closes is waited for on every other."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

from tests.time_limits import WAIT_S, time_limit
from vox.chat.bus.memory import MemoryBus
from vox.chat.community import Community, State
from vox.chat.config.runtime_config import Config
from vox.chat.config.settings import load_chat_settings
from vox.chat.replication.resync import StateResync
from vox.runtime.clock import SystemClock


async def test_another_loop_waits_until_the_gap_is_closed_and_no_longer():
    begun, release = threading.Event(), threading.Event()
    community = Community()

    async def read(_unit: Any) -> State:
        begun.set()
        await asyncio.to_thread(release.wait, WAIT_S)
        return State(version=1)

    async def rechecked() -> None:
        await asyncio.sleep(0)

    hub = SimpleNamespace(lock=threading.RLock(), on_access_changed=lambda *_: None, publish=lambda _: None)
    catching_up = StateResync(
        community,
        Config(load_chat_settings({}, {}).settings),
        MemoryBus(SystemClock()),
        cast("Any", hub),
        read=cast("Any", read),
        on_invalidated=lambda: None,
        on_reloaded=rechecked,
    )

    async def notice() -> None:
        catching_up.request(1)
        await catching_up.wait()

    elsewhere = threading.Thread(target=lambda: asyncio.run(notice()))
    elsewhere.start()
    await asyncio.to_thread(begun.wait, WAIT_S)
    waiting = asyncio.create_task(catching_up.wait(60))
    await asyncio.sleep(0)
    assert not waiting.done()
    release.set()
    async with time_limit():
        await waiting
    assert community.version == 1
    await asyncio.to_thread(elsewhere.join, WAIT_S)
    await catching_up.close()  # what another loop has ended needs no ending
