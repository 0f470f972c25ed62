"""Several providers for one purpose, in the order of preference, and which of them is asked.

A provider whose circuit is open is passed over. Where all have failed and the last failure may pass, the preferred one is asked again if
the retry budget allows it. Where all circuits are open, the one that would be tried first is asked all the same: an answer may come.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from vox.errors import DependencyError, UsageError, VoxError
from vox.providers.failover.circuit import BreakerPolicy, CircuitBreaker, State
from vox.providers.failover.retry_budget import RetryBudget
from vox.runtime.clock import Clock
from vox.runtime.logging import get_logger
from vox.runtime.metrics import Counter, Gauge, Metrics, NullMetrics

StageKind = Literal["stt", "llm", "tts"]
_Driver = TypeVar("_Driver")
_Item = TypeVar("_Item")

_LABELS = ("session_id", "stage", "model")
STT_FALLBACKS = Counter("stt_fallback_total", "Utterances given to the next recogniser of a list", _LABELS)
LLM_FALLBACKS = Counter("llm_fallback_total", "Requests given to the next model of a list", _LABELS)
TTS_FALLBACKS = Counter("tts_fallback_total", "Sentences given to the next voice of a list", _LABELS)
LLM_RETRIES = Counter("llm_retries_total", "Requests repeated to the preferred model of a list", _LABELS)
_FALLBACKS: Mapping[StageKind, Counter] = {"stt": STT_FALLBACKS, "llm": LLM_FALLBACKS, "tts": TTS_FALLBACKS}
_RETRIES: Mapping[StageKind, Counter] = {"llm": LLM_RETRIES}
_LASTING = frozenset({"provider_refused_key", "provider_out_of_credit"})
"""Failures that the next request would meet, too."""
CIRCUIT_OPEN = Gauge(
    "vox_provider_circuit_open", "1 while a provider of a list is passed over because it failed", ("stage", "provider")
)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FailOverPolicy:
    """When the next provider is asked.

    Args:
        timeout_s: longest wait for an answer, or for the first part of one that streams.
        breaker: when a provider is left alone.
        retry_ratio: repeats for each request, in the long run.
    """

    timeout_s: float = 4.0
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    retry_ratio: float = 0.1


class Member(Generic[_Driver]):
    """One provider of the list."""

    def __init__(self, name: str, driver: _Driver, policy: FailOverPolicy) -> None:
        self.name = name
        self.driver = driver
        self.breaker = CircuitBreaker(policy.breaker)


class Members(Generic[_Driver]):
    """The providers of one stage.

    Args:
        kind: of the providers.
        drivers: opened, by name, the preferred first; at least one.
        policy: when the next one is asked.
        clock: for cool-downs.
        metrics: where changes of provider are counted.
    """

    def __init__(
        self,
        kind: StageKind,
        drivers: Sequence[tuple[str, _Driver]],
        policy: FailOverPolicy,
        clock: Clock,
        metrics: Metrics | NullMetrics,
    ) -> None:
        self.policy = policy
        self._kind: StageKind = kind
        self._clock = clock
        self._metrics = metrics
        self._budget = RetryBudget(policy.retry_ratio)
        self._all = [Member(name, driver, policy) for name, driver in drivers]

    @property
    def drivers(self) -> list[_Driver]:
        """All of them, the preferred first."""
        return [member.driver for member in self._all]

    @property
    def preferred(self) -> Member[_Driver]:
        """The one that a new request would go to."""
        now = self._clock.now()
        admitted = (member for member in self._all if member.breaker.admits(now))
        return next(admitted, min(self._all, key=lambda member: member.breaker.opens_again_at))

    def next(self, tried: Sequence[Member[_Driver]], last: VoxError | None) -> Member[_Driver] | None:
        """Which to ask, after these have failed, the last one with that error; None where it is to be told.

        The one that is returned has to be told how it went: by `succeeded`, `failed` or its breaker's `abandoned`.
        """
        now = self._clock.now()
        if not tried:
            self._budget.requested()
            chosen = self.preferred
        else:
            admitted = [member for member in self._all if member.breaker.admits(now)]
            chosen = next((member for member in admitted if member not in tried), None)
            if chosen is not None:
                self._count(_FALLBACKS)
            elif admitted and len(tried) <= len(self._all) and _may_pass(last) and self._budget.take():
                chosen = admitted[0]
                self._count(_RETRIES)
        if chosen is not None:
            chosen.breaker.began(now)
        return chosen

    def succeeded(self, member: Member[_Driver]) -> None:
        """It answered."""
        was_open = member.breaker.state(self._clock.now()) is not State.CLOSED
        member.breaker.succeeded()
        if was_open:
            self._tell(member, is_open=False)

    def failed(self, member: Member[_Driver], error: VoxError) -> None:
        """It did not answer, or wrongly. What the request itself was to blame for says nothing about the provider.

        A `UsageError` is what the operator has to set right, such as credentials or a voice: the other providers have their own.
        """
        _log.warning("provider failed", stage=self._kind, provider=member.name, code=error.code, error=str(error))
        if error.code == "provider_failed" and not error.retryable:
            member.breaker.abandoned()
            return
        now = self._clock.now()
        was = member.breaker.state(now)
        is_lasting = error.code in _LASTING or isinstance(error, UsageError)
        member.breaker.failed(now, is_lasting=is_lasting, retry_after_s=error.retry_after_s or 0.0)
        if was is State.CLOSED and member.breaker.state(now) is State.OPEN:
            self._tell(member, is_open=True)

    async def stream(
        self, ask: Callable[[Member[_Driver]], AsyncGenerator[_Item, None]]
    ) -> AsyncGenerator[_Item, None]:
        """What the first provider that begins to answer says; once it has begun, its failure is the request's.

        Raises:
            VoxError: none of them answered; the last one's failure.
        """
        tried: list[Member[_Driver]] = []
        last: VoxError | None = None
        while (member := self.next(tried, last)) is not None:
            tried.append(member)
            answer = ask(member)
            try:
                first, last = await self._first(member, answer)
                if last is None:
                    if first is not None:
                        yield first
                        async for item in self._rest(member, answer):
                            yield item
                    return
            finally:
                await answer.aclose()
        if last is not None:
            raise last

    async def _first(
        self, member: Member[_Driver], answer: AsyncGenerator[_Item, None]
    ) -> tuple[_Item | None, VoxError | None]:
        """The first part of an answer, None where it has no part; or why there is none."""
        error: VoxError | None = None
        item: _Item | None = None
        try:
            async with asyncio.timeout(self.policy.timeout_s):
                item = await anext(answer, None)
        except TimeoutError as cause:
            error = self.timed_out(member)
            error.__cause__ = cause
        except VoxError as failure:
            error = failure
            self.failed(member, failure)
        except BaseException:
            member.breaker.abandoned()
            raise
        else:
            self.succeeded(member)
        return item, error

    async def _rest(self, member: Member[_Driver], answer: AsyncGenerator[_Item, None]) -> AsyncGenerator[_Item, None]:
        try:
            async for item in answer:
                yield item
        except VoxError as error:
            self.failed(member, error)
            raise

    def timed_out(self, member: Member[_Driver]) -> DependencyError:
        """It did not answer in time; the error to tell."""
        error = DependencyError(
            f"{member.name} did not answer within {self.policy.timeout_s:g} s", code="provider_timeout", retryable=True
        )
        self.failed(member, error)
        return error

    def _count(self, counters: Mapping[StageKind, Counter]) -> None:
        if counter := counters.get(self._kind):
            self._metrics.counter(counter, "", self._kind, "").inc()

    def _tell(self, member: Member[_Driver], *, is_open: bool) -> None:
        self._metrics.gauge(CIRCUIT_OPEN, self._kind, member.name).set(int(is_open))
        _log.warning("provider circuit", stage=self._kind, provider=member.name, state="open" if is_open else "closed")


def _may_pass(error: VoxError | None) -> bool:
    return error is not None and error.retryable and error.retry_after_s is None
