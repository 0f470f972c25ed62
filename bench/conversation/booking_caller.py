"""A caller who books a table: answers what is asked, checks the read-back, changes their mind as the script says.

Pure: what the agent said goes in, the caller's next line comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from typing import Any

from bench.conversation.answers import Said, plain

from vox.providers.flows.rendering import Value, say

MAX_LINES = 18
MAX_FRUITLESS = 4
"""Misses in a row after which people hang up."""
_GIVING_UP_AGAIN = "Please cancel it. I don't want a table."


@dataclass(frozen=True, slots=True)
class Change:
    """What a caller says instead of an answer, once, when asked for `when`."""

    when: str
    line: str
    wants: Mapping[str, Any] = field(default_factory=dict[str, Any])
    says: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    ends: bool = False


@dataclass(frozen=True, slots=True)
class BookingScript:
    """One booking: `says` by what is asked (`open` is the first line), `wants` by slot as ISO values.

    Several wordings of one answer are used one after the other, the last one again; who is asked for a yes or no says yes.
    """

    name: str
    says: Mapping[str, Sequence[str]]
    wants: Mapping[str, Any]
    changes: tuple[Change, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "BookingScript":
        """Reads one of bookings.json."""
        changes = tuple(
            Change(
                one["when"], one["say"], one.get("wants", {}), _wordings(one.get("says", {})), one.get("ends", False)
            )
            for one in data.get("at", ())
        )
        return cls(data["name"], _wordings(data["says"]), data["wants"], changes)


class BookingOutcome(StrEnum):
    """What became of a booking. WRONG is a table that was not wanted, or not so."""

    AS_WANTED = "as wanted"
    FAILED = "failed"
    WRONG = "wrong"


class BookingCaller:
    """One call's caller.

    Args:
        script: what is wanted and said.
        today: the day of the call, for days that are read back as `tomorrow`.
        target: the flow's intent that books.
    """

    def __init__(self, script: BookingScript, today: date, target: str = "booking") -> None:
        self._script = script
        self._today = today
        self._target = target
        self._says = {asked: list(wordings) for asked, wordings in script.says.items()}
        self._wants = dict(script.wants)
        self._changes = list(script.changes)
        self._asked = "open"
        self._read_back: Mapping[str, str] | None = None
        self._booked: list[bool] = []
        self._has_given_up = False
        self._lines = 0
        self._fruitless = 0

    def first_line(self) -> str:
        """What the caller says after the greeting."""
        self._lines = 1
        return self._wording("open")

    def next_line(self, said: Sequence[Said]) -> str | None:
        """What the caller says to that; None hangs up."""
        self.hear(said)
        self._lines += 1
        is_fruitless = not said or all(one.target in {"fallback", "handoff"} for one in said)
        self._fruitless = self._fruitless + 1 if is_fruitless else 0
        if self._booked or self._lines > MAX_LINES or self._fruitless > MAX_FRUITLESS:
            return None
        if self._has_given_up:
            return self._give_up_again()
        if (change := self._due_change()) is not None:
            self._changes.remove(change)
            self._wants.update(change.wants)
            self._says.update({asked: list(wordings) for asked, wordings in change.says.items()})
            self._has_given_up = change.ends
            return change.line
        if self._asked == "confirm":
            return self._answer_read_back()
        if self._asked == "change":
            slot = next(iter(self._mismatches()), None)
            return "Nothing, that was right." if slot is None else self._wording(slot)
        return self._wording(self._asked if self._asked in self._says else "open")

    def hear(self, said: Sequence[Said]) -> None:
        """Takes note of what is asked now, read back or booked; the last words of a call need no reply."""
        if any(one.role == "done" and one.target == self._target for one in said):
            self._booked.append(not self._has_given_up and self._read_back is not None and not self._mismatches())
        for one in said:
            if one.role == "confirm" and one.target == self._target:
                self._asked, self._read_back = "confirm", one.values
            elif one.role == "slot" and one.target == self._target:
                self._asked = one.slot
            elif one.role == "change":
                self._asked = "change"
            elif one.target == "prompt":
                self._asked = "open"

    @property
    def outcome(self) -> BookingOutcome:
        """What has become of it."""
        if not self._booked:
            return BookingOutcome.AS_WANTED if self._has_given_up else BookingOutcome.FAILED
        return BookingOutcome.AS_WANTED if self._booked == [True] else BookingOutcome.WRONG

    def _due_change(self) -> Change | None:
        """The next change, where its moment has come: one at the read-back waits until that is right."""
        if not self._changes or self._changes[0].when != self._asked:
            return None
        return None if self._asked == "confirm" and self._mismatches() else self._changes[0]

    def _answer_read_back(self) -> str:
        wrong = self._mismatches()
        if not wrong:
            return "Yes." if self._fruitless else "Yes, that's right."
        wording = self._wording(wrong[0])
        return f"No, {wording[:1].lower()}{wording[1:]}"

    def _wording(self, asked: str) -> str:
        """The next wording of an answer; the last one remains."""
        wordings = self._says[asked]
        return wordings.pop(0) if len(wordings) > 1 else wordings[0]

    def _give_up_again(self) -> str | None:
        if self._asked == "open":
            return None
        self._asked = "open"  # once more, then the caller hangs up, and no table may have come of it
        return _GIVING_UP_AGAIN

    def _mismatches(self) -> list[str]:
        """Slots that were read back otherwise than wanted."""
        heard = self._read_back or {}
        return [
            slot for slot, value in self._wants.items() if plain(say(_value(value), self._today)) != heard.get(slot, "")
        ]


def _wordings(says: Mapping[str, str | Sequence[str]]) -> dict[str, Sequence[str]]:
    return {asked: [given] if isinstance(given, str) else given for asked, given in says.items()}


def _value(written: Any) -> Value:
    """A slot's value from JSON."""
    if not isinstance(written, str):
        return written
    return time.fromisoformat(written) if ":" in written else date.fromisoformat(written)
