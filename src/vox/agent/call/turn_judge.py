"""Asks a model whether the caller has finished, each time they pause; the answer that comes too late is of no consequence."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from vox.agent.turns import events
from vox.agent.turns.completeness import Completeness
from vox.providers.turns.contract import TurnEnd
from vox.runtime.logging import get_logger

log = get_logger(__name__)

COMPLETE: Final = 0.5
UNFINISHED: Final = 0.3
"""Between the two the model is in doubt, and the turn ends after the usual silence."""
TIMEOUT_S: Final = 1.0
BEFORE_S: Final = 0.7
"""Of what was heard before a turn is its beginning."""


class TurnJudge:
    """One call's turns and the model.

    Args:
        model: what is asked.
        sample_rate: of the audio that `push` gets, in Hz, s16le mono.
        feed: takes the judgement as an event of the turn machine.
        spawn: starts a coroutine as a task of the call.
    """

    def __init__(
        self,
        model: TurnEnd,
        sample_rate: int,
        feed: Callable[[events.Event], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
    ) -> None:
        self._model = model
        self._sample_rate = sample_rate
        self._feed = feed
        self._spawn = spawn
        self._audio: deque[bytes] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None

    def push(self, pcm: bytes) -> None:
        """The caller's audio; only moves bytes."""
        self._audio.append(pcm)
        self._bytes += len(pcm)
        self._keep(self._model.context_s)

    def start(self) -> None:
        """A turn begins."""
        self._keep(BEFORE_S)

    def paused(self) -> None:
        """The caller fell silent: the model is asked about what was said so far."""
        if self._task is not None:
            self._task.cancel()
        self._task = self._spawn(self._ask(b"".join(self._audio)), "turn judge")

    def cancel(self) -> None:
        """What was asked last no longer matters."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _ask(self, pcm: bytes) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                probability = await self._model.probability(pcm, self._sample_rate)
        except TimeoutError:
            log.debug("the turn model takes too long")
            return
        except Exception:  # whatever a driver raises, the turn ends by silence
            log.exception("the turn model failed")
            return
        if probability is None:
            return
        log.debug("turn judged", probability=round(probability, 3))
        if probability >= COMPLETE:
            self._feed(events.TurnJudged(Completeness.COMPLETE))
        elif probability < UNFINISHED:
            self._feed(events.TurnJudged(Completeness.UNFINISHED))

    def _keep(self, seconds: float) -> None:
        most = int(seconds * self._sample_rate) * 2
        while self._audio and self._bytes - len(self._audio[0]) >= most:
            self._bytes -= len(self._audio.popleft())
