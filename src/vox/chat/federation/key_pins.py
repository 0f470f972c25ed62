"""Which of the keys that the DNS shows for a server are believed. Pure.

DNS answers are not proven, so a key is pinned when it is first seen. A new key beside a pinned one is a rotation and is believed
at once; a server whose keys were all replaced is believed only after they have stood there for a day, or when an administrator
forgets the pins: taking over a server by a forged answer must last that long, and is visible.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

TRUSTED_AFTER_S: Final = 86_400
MAX_PINS: Final = 16


@dataclass(frozen=True, slots=True)
class Pins:
    """The keys of a server.

    Args:
        trusted: base64 keys whose signatures count now.
        stored: every key that is remembered, and when it came to be believed or first seen; negative while it waits.
    """

    trusted: tuple[str, ...]
    stored: Mapping[str, int]

    @property
    def has_waiting(self) -> bool:
        """Whether a key waits to be believed."""
        return any(since < 0 for since in self.stored.values())


def judge(shown: Sequence[str], stored: Mapping[str, int], now_s: int) -> Pins:
    """What the keys of the DNS are worth beside those remembered.

    Args:
        shown: the keys that the DNS has now.
        stored: as `Pins.stored`; empty for a server that is met for the first time.
        now_s: Unix seconds.
    """
    pinned = {key: since for key, since in stored.items() if since >= 0}
    if not pinned or any(key in pinned for key in shown):
        kept = {key: pinned.get(key, now_s) for key in shown}
        return Pins(tuple(shown), kept) if shown else Pins((), dict(stored))
    waiting = {key: stored.get(key, -now_s) for key in shown}
    ripe = {key for key, since in waiting.items() if 0 <= -since <= now_s - TRUSTED_AFTER_S}
    if ripe:
        kept = {key: now_s if key in ripe else waiting[key] for key in shown}
        return Pins(tuple(key for key in shown if key in ripe), kept)
    return Pins((), dict([*pinned.items(), *waiting.items()][-MAX_PINS:]))
