"""What bridges hear of a call while it runs: the keys pressed, and the words of both sides.

The one thing to know: nothing is sent that a bridge has not asked for. It asks for keys when it reserves the slot of a campaign's call
(`reports` in the metadata), and for the words of one call with `watch`, each time for less than a minute. What was said before is
kept for that, bounded; a line is known by its time, which no other line of the call has.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vox.runtime.clock import Clock

TRANSCRIPT: Final = "transcript"
DIGITS: Final = "digits"
MAX_LINES: Final = 200
MAX_TEXT: Final = 1_000
"""Characters of one line; the result of the call has them all."""
MAX_ENTRIES: Final = 64
MAX_WATCH_S: Final = 60.0

Send = Callable[[str, str, Mapping[str, Any]], None]
"""Takes the call's id, the event, and its data."""


@dataclass(slots=True)
class _Call:
    reports: frozenset[str]
    sessions: int = 1
    watched_until: float = float("-inf")
    last_ms: int = 0
    lines: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_LINES))
    digits: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_ENTRIES))


class CallReports:
    """The calls of one worker, as far as bridges hear of them.

    Args:
        clock: for the ends of watches.
        send: tells the bridges.
    """

    def __init__(self, clock: Clock, send: Send) -> None:
        self._clock = clock
        self._send = send
        self._calls: dict[str, _Call] = {}

    def began(self, call_id: str, reports: Iterable[str] = ()) -> None:
        """A call runs, or goes on with another stream; `reports` are the events that its bridge wants of it from the beginning."""
        if (call := self._calls.get(call_id)) is not None:
            call.sessions += 1  # the earlier stream may end after the later one has begun
            call.reports |= frozenset(reports)
        else:
            self._calls[call_id] = _Call(frozenset(reports))

    def spoken(self, call_id: str, role: str, text: str, at_ms: int) -> None:
        """One side has said something: `user` or `assistant`."""
        call = self._calls.get(call_id)
        if call is None:
            return
        at_ms = call.last_ms = max(at_ms, call.last_ms + 1)
        line = {"at_ms": at_ms, "role": role, "text": text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"}
        call.lines.append(line)
        if TRANSCRIPT in call.reports or self._is_watched(call):
            self._send(call_id, TRANSCRIPT, line)

    def pressed(self, call_id: str, digits: str) -> None:
        """The caller has pressed keys: one entry, such as `9` or `1234`."""
        call = self._calls.get(call_id)
        if call is None:
            return
        call.digits.append(digits)
        if DIGITS in call.reports or self._is_watched(call):
            self._send(call_id, DIGITS, {"digits": digits})

    def watch(self, call_id: str, ttl_s: float, after_ms: int) -> None:
        """Tells of a call's words from now on, and at once of those after `after_ms`; a call that is not here is left alone."""
        call = self._calls.get(call_id)
        if call is None:
            return
        call.watched_until = self._clock.now() + min(ttl_s, MAX_WATCH_S)
        for line in call.lines:
            if line["at_ms"] > after_ms:
                self._send(call_id, TRANSCRIPT, line)

    def ended(self, call_id: str) -> tuple[str, ...]:
        """A call is over, or one stream of it; the entries of keys so far, in order."""
        call = self._calls.get(call_id)
        if call is None:
            return ()
        call.sessions -= 1
        if not call.sessions:
            del self._calls[call_id]
        return tuple(call.digits)

    def _is_watched(self, call: _Call) -> bool:
        return self._clock.now() < call.watched_until
