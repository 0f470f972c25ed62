"""Which workers a command is about: `8001-8004`, `10.0.0.2:8001-8004`, `https://calls.example.com`; pure."""

import re
from collections.abc import Iterable
from typing import Final

from vox.errors import UsageError

LOCAL: Final = "127.0.0.1"
MOST_WORKERS: Final = 1024
_HIGHEST_PORT: Final = 65535
_WRITTEN: Final = re.compile(
    r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):)?(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?"
)


def worker_addresses(written: Iterable[str]) -> list[str]:
    """HOST:PORT of every worker that is named, in order and once; a host that is left out is this machine.

    Raises:
        UsageError: something names no worker (bad_worker_address), or all together too many.
    """
    found: dict[str, None] = {}
    for text in written:
        match = _WRITTEN.fullmatch(text.strip())
        first = int(match["first"]) if match else 0
        last = int(match["last"] or first) if match else 0
        if match is None or not 0 < first <= last <= _HIGHEST_PORT or len(found) + last - first >= MOST_WORKERS:
            raise UsageError(
                f"{text!r} names no worker",
                code="bad_worker_address",
                hint=f"write 8001-8004, or HOST:8001-8004; {MOST_WORKERS} workers at most",
            )
        found |= dict.fromkeys(f"{match['host'] or LOCAL}:{port}" for port in range(first, last + 1))
    if not found:
        raise UsageError("no worker is named", code="bad_worker_address", hint="write 8001-8004, or HOST:8001-8004")
    return list(found)
