"""Replaces what differs from run to run by placeholders that keep identity: the same id is the same placeholder everywhere.

Whole numbers are recognised by their size: what lies near the present is a time, in seconds or milliseconds, and what holds
the present in its upper bits is an id that was made from it. Everything else that varies is learnt by name, as it is made.
A placeholder tells the type: `<id:1>` is a number, `<id:1 as text>` is a string.

People's texts (messages, hints, details) may be worded anew, so only that they are there is kept. Codes, keys, numbers and
every other string are exact.
"""

import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

TEXT_KEYS = frozenset({"message", "detail", "hint", "error", "note"})
"""Fields whose string is written for people. An `error` that is an object, and a `message` that is one, are looked into."""
OWN_NOTES = frozenset({"for the wire recording"})
"""Notes that the recording itself wrote, and that must come back as they were."""

SPANS_S = {
    "now": 0,
    "5 min": 300,
    "1 h": 3600,
    "1 day": 86_400,
    "7 days": 7 * 86_400,
    "30 days": 30 * 86_400,
    "365 days": 365 * 86_400,
}
PAST_TOLERANCE_S = 900.0
"""How long ago something of this run may have happened; the start of the slowest machine's run."""
FUTURE_TOLERANCE_S = 45.0
NEAR_S = 500 * 86_400

FILE_ID_LENGTH = 22
NUMBER_KEYS = frozenset({"retry_after_ms"})
"""Numbers that depend on how much time has passed."""

_STREAM_TOKEN = re.compile(r"\b\d{10}\.[0-9a-f]{32}\b")
_FILE = re.compile(r"(?<=/files/)[\w-]{22}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_NUMBER = re.compile(r"\d{9,20}")


class Values:
    """What one run has made, and the placeholders for it.

    Args:
        hosts: names for the addresses of the processes, such as {"127.0.0.1:1234": "host"}.
    """

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._known: dict[str, str] = {host: f"<{name}>" for host, name in hosts.items()}
        self._numbers: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def learn(self, kind: str, text: str) -> str:
        """Has a text replaced by a placeholder of that kind from now on."""
        assert len(text) >= 4, f"{text!r} is too short to be told from other texts"
        if text not in self._known:
            self._known[text] = self._next(kind)
        return self._known[text]

    def text(self, text: str) -> str:
        """A string with its variable parts replaced."""
        for known in sorted(self._known, key=len, reverse=True):
            text = text.replace(known, self._known[known])
        text = _STREAM_TOKEN.sub("<stream token>", text)
        text = _ISO.sub(lambda found: self._iso(found[0]), text)
        text = _UUID.sub(lambda found: self.learn("uuid", found[0]), text)
        text = _FILE.sub(lambda found: self.learn("file", found[0]), text)
        return _NUMBER.sub(lambda found: self._digits(found[0]), text)

    def value(self, value: Any, key: str = "") -> Any:
        """A JSON value with its variable parts replaced.

        Args:
            value: what `json.loads` gave.
            key: the name under which it stands.
        """
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            return {self.text(name): self.value(inner, name) for name, inner in fields.items()}
        if isinstance(value, list):
            return [self.value(inner, key) for inner in cast("list[Any]", value)]
        if isinstance(value, str):
            if key == "requestId" and _UUID.fullmatch(value):
                return "<a new request id>"
            if key == "file_id" and len(value) == FILE_ID_LENGTH:
                self.learn("file", value)
            return "<text>" if key in TEXT_KEYS and value and value not in OWN_NOTES else self.text(value)
        if key in NUMBER_KEYS and isinstance(value, int):
            return "<number>"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return self._number(value)

    def _number(self, value: float) -> float | str:
        if isinstance(value, float):
            span = _span(value - time.time())
            return f"<{span} s, fraction>" if span else value
        found = self._time_or_id(value)
        return f"<{found}>" if found else value

    def _digits(self, text: str) -> str:
        found = self._time_or_id(int(text))
        return f"<{found} as text>" if found else text

    def _time_or_id(self, value: int) -> str:
        now = time.time()
        if span := _span(value - now):
            return f"{span} s"
        if span := _span(value / 1000 - now):
            return f"{span} ms"
        if value > 1 << 60 and _span((value >> 22) / 1000 - now):
            if str(value) not in self._numbers:
                self._numbers[str(value)] = self._next("id")[1:-1]
            return self._numbers[str(value)]
        return ""

    def _iso(self, text: str) -> str:
        span = _span(datetime.fromisoformat(text).timestamp() - time.time())
        return f"<{span} iso>" if span else text

    def _next(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"<{kind}:{self._counts[kind]}>"


def _span(delta_s: float) -> str:
    """How far a moment is from now, in words; empty for what is no moment of this run."""
    if abs(delta_s) > NEAR_S:
        return ""
    for name, span_s in SPANS_S.items():
        past_s = min(PAST_TOLERANCE_S, 60 + span_s / 10) if span_s else PAST_TOLERANCE_S
        if -past_s < delta_s - span_s < FUTURE_TOLERANCE_S:
            return name
    return "near"
