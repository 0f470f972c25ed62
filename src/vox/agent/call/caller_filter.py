"""What the agent hears of its caller under plugins: louder or softer audio, silence while it is deaf, only what follows a wake phrase.

A call without such plugins has no filter.
"""

from collections.abc import Callable
from typing import Protocol

from vox.agent.config.plugins import Plugins
from vox.agent.turns.wake_phrase import WakePhrase
from vox.media.levels import amplified
from vox.runtime.clock import Clock


class Hearing(Protocol):
    """What changes or withholds what is heard of one caller."""

    def audio(self, pcm: bytes) -> bytes:
        """What is heard of a piece of s16le audio: as long as that, in time with it."""
        ...

    def is_for_agent(self) -> bool:
        """Whether a text that is not complete yet may be for the agent."""
        ...

    def text(self, text: str) -> str:
        """What of a final text is for the agent; empty where nothing is."""
        ...


class CallerFilter:
    """The filter of one call.

    Args:
        plugins: what to do.
        clock: the call's.
        is_speaking: whether the agent has anything to say or is saying it.
    """

    def __init__(self, plugins: Plugins, clock: Clock, is_speaking: Callable[[], bool]) -> None:
        self._gain = plugins.gain
        self._mutes = plugins.mutes
        self._clock = clock
        self._is_speaking = is_speaking
        wake = plugins.wake
        self._wake = WakePhrase(wake.wake_phrases, wake.keepalive_secs) if wake is not None else None
        self._has_begun = self._has_spoken = False

    def audio(self, pcm: bytes) -> bytes:
        """What is heard of a piece of s16le audio: as long as that, in time with it."""
        if self._mutes and self._is_deaf():
            return bytes(len(pcm))
        return pcm if self._gain == 1.0 else amplified(pcm, self._gain)

    def is_for_agent(self) -> bool:
        """Whether a text that is not complete yet may be for the agent."""
        return self._wake is None or self._wake.is_awake(self._clock.now())

    def text(self, text: str) -> str:
        """What of a final text is for the agent; empty where nothing is."""
        return text if self._wake is None else self._wake.passed(text, self._clock.now())

    def _is_deaf(self) -> bool:
        is_speaking = self._is_speaking()
        if is_speaking:
            self._has_begun = True
        elif self._has_begun:
            self._has_spoken = True
        if not self._has_spoken:
            if "mute_until_first_bot_complete" in self._mutes:
                return True
            if is_speaking and "first_speech" in self._mutes:
                return True
        return is_speaking and "always" in self._mutes


def caller_filter(plugins: Plugins, clock: Clock, is_speaking: Callable[[], bool]) -> CallerFilter | None:
    """The filter of a call; None where nothing is to be filtered."""
    return CallerFilter(plugins, clock, is_speaking) if plugins.changes_hearing else None
