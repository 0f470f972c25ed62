"""What the observed server has written of its calls, read while it is being written."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO


@dataclass(slots=True)
class CallEvents:
    """One call: the agent's sentences and the caller's words as the recogniser took them, in order.

    `answers` says for each sentence to which answer it belongs.
    """

    agent: list[str] = field(default_factory=list[str])
    answers: list[str] = field(default_factory=list[str])
    caller: list[str] = field(default_factory=list[str])
    errors: list[str] = field(default_factory=list[str])


class EventLog:
    """Follows the file; `of` brings it up to date first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._calls: defaultdict[str, CallEvents] = defaultdict(CallEvents)
        self._rest = ""

    def of(self, call: str) -> CallEvents:
        """What is known of a call by now."""
        if self._file is None and self._path.exists():
            self._file = self._path.open(encoding="utf-8")
        if self._file is not None:
            *lines, self._rest = (self._rest + self._file.read()).split("\n")
            for line in lines:
                self._add(json.loads(line))
        return self._calls[call]

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            self._file.close()

    def _add(self, event: dict[str, str]) -> None:
        call = self._calls[event["call"]]
        {"agent": call.agent, "caller": call.caller, "error": call.errors}[event["who"]].append(event["text"])
        if event["who"] == "agent":
            call.answers.append(event["answer"])
