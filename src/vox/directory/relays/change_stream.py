"""The change stream: all relays at first, then once a second what changed, as server-sent events.

What waits for a listener is the set of ids that changed since its last event, so it cannot grow beyond the number of relays
however slow the listener is; a relay that changed ten times is sent once, as it is then. Clients of a relay that is on its way
out learn where to go from an event `moving` of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from vox.directory.relays.registry import Registry
from vox.directory.relays.relay import Relay, whole_form
from vox.errors import VoxError
from vox.runtime.lifecycle import Lifecycle

MAX_LISTENERS = 200
MAX_PER_ADDRESS = 50
"""Listeners at one address, so that one client cannot take all places; a proxy that names its clients is not their address."""
EVERY_S = 1.0
KEEP_ALIVE_ROUNDS = 15
"""Rounds without a change after which a comment is sent, so that proxies keep the connection."""


class ChangeStream:
    """Follows the registry for listeners.

    Args:
        registry: what is followed.
        lifecycle: its drain ends all streams.
        moving: what users of a relay that is being drained are told.
    """

    def __init__(
        self, registry: Registry, lifecycle: Lifecycle, moving: Callable[[Relay], dict[str, Any]] | None = None
    ) -> None:
        self._registry = registry
        self._lifecycle = lifecycle
        self._moving = moving
        self._waiting: set[_Listener] = set()
        registry.subscribe(self._follow)

    def listen(self, address: str = "") -> AsyncGenerator[bytes, None]:
        """The events for one more listener, until it leaves or the directory is drained; `address` is where it is.

        Raises:
            VoxError: too_many_listeners.
        """
        there = sum(one.address == address for one in self._waiting) if address else 0
        if len(self._waiting) >= MAX_LISTENERS or there >= MAX_PER_ADDRESS:
            raise VoxError("Too many listeners", code="too_many_listeners", retryable=True, retry_after_s=30)
        return self._events(_Listener(address))

    async def _events(self, listener: "_Listener") -> AsyncGenerator[bytes, None]:
        self._waiting.add(listener)
        try:
            leaving = {relay.id for relay in self._registry if relay.is_draining}
            yield _event("relays", [whole_form(relay) for relay in self._registry if not relay.is_waiting])
            quiet = 0
            while not self._lifecycle.is_draining:
                await asyncio.sleep(EVERY_S)
                quiet += 1
                if listener.changed:
                    changed, listener.changed = listener.changed, {}
                    found = {relay_id: self._registry.get(relay_id) for relay_id in changed}
                    # Relays that wait for approval are not announced, not even by name.
                    here = [whole_form(relay) for relay in found.values() if relay is not None and not relay.is_waiting]
                    gone = [relay_id for relay_id, relay in found.items() if relay is None]
                    yield _event("changes", {"changed": here, "gone": gone})
                    now_leaving = {one["id"] for one in here if one["draining"]}
                    for relay in found.values():
                        if self._moving is not None and relay is not None and relay.id in now_leaving - leaving:
                            yield _event("moving", self._moving(relay))
                    leaving = (leaving - changed.keys()) | now_leaving
                    quiet = 0
                elif quiet >= KEEP_ALIVE_ROUNDS:
                    yield b": still here\n\n"
                    quiet = 0
        finally:
            self._waiting.discard(listener)

    def _follow(self, relay_id: str, _relay: Relay | None) -> None:
        for listener in self._waiting:
            listener.changed[relay_id] = None


class _Listener:
    def __init__(self, address: str) -> None:
        self.address = address
        self.changed: dict[str, None] = {}


def _event(name: str, data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))
