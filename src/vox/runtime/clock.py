"""Time, identifiers and randomness, passed in as arguments so that tests can hold them still."""

import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds for deadlines, wall time for records."""

    def now(self) -> float:
        """Seconds on the monotonic clock (the event loop's own)."""
        ...

    def wall(self) -> datetime:
        """The present time in UTC."""
        ...

    def unix(self) -> float:
        """The present time in Unix seconds with their fraction."""
        return self.wall().timestamp()

    def unix_s(self) -> int:
        """The present time in whole Unix seconds."""
        return int(self.unix())

    def unix_ms(self) -> int:
        """The present time in whole Unix milliseconds."""
        return int(self.unix() * 1000)


class SystemClock(Clock):
    """The machine's clocks."""

    def now(self) -> float:
        """Seconds on the monotonic clock; the same that asyncio and uvloop use for `loop.time()`."""
        return time.monotonic()

    def wall(self) -> datetime:
        """The present time in UTC."""
        return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """A fresh identifier such as `call_3f9a…`: 96 random bits in hex behind a readable prefix."""
    return f"{prefix}_{secrets.token_hex(12)}"


def new_uuid() -> str:
    """A fresh UUID of version 4, where a protocol asks for one."""
    return str(uuid.uuid4())
