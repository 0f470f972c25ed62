"""What a telephone caller in a room does by keys. Pure.

`*1` mutes and opens the microphone, `*2` raises and lowers the hand, `#` leaves. A `*` waits for its second key for `STAR_S`; other
keys are no command and go to the room as they are.
"""

from enum import StrEnum
from typing import Final

STAR_S: Final = 3.0


class KeyCommand(StrEnum):
    """What was asked for."""

    MUTE = "mute"
    HAND = "hand"
    LEAVE = "leave"


_COMMANDS: Final = {"1": KeyCommand.MUTE, "2": KeyCommand.HAND}


class RoomKeys:
    """The keys of one caller in a room."""

    def __init__(self) -> None:
        self._star_at: float | None = None

    def press(self, digit: str, now: float) -> KeyCommand | str:
        """The command that this key completes, else the keys that go to the room, which may be none yet."""
        star_at, self._star_at = self._star_at, None
        is_open = star_at is not None and now - star_at <= STAR_S
        before = "*" if star_at is not None and not is_open else ""
        if digit == "#":
            return KeyCommand.LEAVE
        if is_open and digit in _COMMANDS:
            return _COMMANDS[digit]
        if digit == "*" and not is_open:
            self._star_at = now
            return before
        return ("*" if is_open else before) + digit


class CodeEntry:
    """The digits of a code as they come.

    Args:
        max_digits: a code is complete at so many; `#` completes it before.
    """

    def __init__(self, max_digits: int) -> None:
        self._max = max_digits
        self._digits = ""

    def press(self, digit: str) -> str:
        """The code once it is complete; empty before. `*` begins it anew."""
        if digit == "*":
            self._digits = ""
        elif digit != "#":
            self._digits += digit
        if not self._digits or (digit != "#" and len(self._digits) < self._max):
            return ""
        code, self._digits = self._digits, ""
        return code

    def take(self) -> str:
        """What there is, because the caller has stopped."""
        code, self._digits = self._digits, ""
        return code
