"""Whether what was said is meant for the agent: only what follows a wake phrase is, and what follows that without a long pause."""

import re
from collections.abc import Sequence
from typing import Final

MAX_KEPT: Final = 500
"""Characters of unanswered talk in which a phrase may begin that later words complete."""


class WakePhrase:
    """Follows the final texts of one caller.

    Args:
        phrases: each opens the agent's ear, in any case, as whole words, whatever punctuation the recogniser puts between them.
        keepalive_s: how long the ear stays open behind the last text that passed.
    """

    def __init__(self, phrases: Sequence[str], keepalive_s: float) -> None:
        spoken = [r"\W+".join(map(re.escape, re.findall(r"\w+", phrase))) for phrase in phrases]
        self._pattern = re.compile(rf"\b(?:{'|'.join(filter(None, spoken))})\b[^\w]*", re.IGNORECASE)
        self._keepalive_s = keepalive_s
        self._awake_until = float("-inf")
        self._said = ""

    def is_awake(self, now: float) -> bool:
        """Whether a text without the phrase would pass."""
        return now < self._awake_until

    def passed(self, text: str, now: float) -> str:
        """What of a final text is for the agent; empty for talk without the phrase, and for the phrase alone."""
        if self.is_awake(now):
            self._awake_until = now + self._keepalive_s
            return text
        self._said = f"{self._said} {text}"[-MAX_KEPT:]
        found = self._pattern.search(self._said)
        if found is None:
            return ""
        self._awake_until = now + self._keepalive_s
        passed, self._said = self._said[found.end() :], ""
        return passed.strip()
