"""The variables with which systemd tells a process where to report, how often, and which sockets it was given.

Pure, and without a further import: the main process of a unit reads them too, and stays small.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FIRST_DESCRIPTOR: Final = 3
_USEC_PER_S: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ServiceEnvironment:
    """What systemd told a process when it started it.

    Args:
        notify_address: of the datagram socket for messages; "@" begins an abstract one, empty where there is none.
        watchdog_s: how long the process may be silent; None without a watchdog.
        descriptors: number and name of each socket that was handed over.
    """

    notify_address: str = ""
    watchdog_s: float | None = None
    descriptors: tuple[tuple[int, str], ...] = ()


def read_environment(environment: Mapping[str, str], pid: int) -> ServiceEnvironment:
    """What the variables of systemd say; those meant for another process, and those that are no numbers, say nothing."""
    watchdog_us = _number(environment.get("WATCHDOG_USEC"))
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        watchdog_us = 0
    count = _number(environment.get("LISTEN_FDS")) if environment.get("LISTEN_PID") == str(pid) else 0
    given = environment.get("LISTEN_FDNAMES", "")
    names = given.split(":") if given else []
    return ServiceEnvironment(
        environment.get("NOTIFY_SOCKET", ""),
        watchdog_us / _USEC_PER_S if watchdog_us else None,
        tuple((FIRST_DESCRIPTOR + at, names[at] if at < len(names) else "unknown") for at in range(count)),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0
