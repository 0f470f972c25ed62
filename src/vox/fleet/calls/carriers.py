"""The carriers that calls go out by: their diallers, made when first needed, and how fast and how many calls each takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vox.errors import UsageError
from vox.providers.carriers.contract import Dialler
from vox.runtime.clock import Clock

CARRIERS: Final = ("twilio", "telnyx", "plivo", "exotel", "livekit_sip")


@dataclass(frozen=True, slots=True)
class CarrierLimits:
    """What a carrier lets one do.

    Args:
        calls_per_second: calls that may be begun in a second.
        max_concurrent: calls at the same time; 0 for no limit.
        from_number: caller id of calls that name none.
    """

    calls_per_second: float = 1.0
    max_concurrent: int = 0
    from_number: str = ""


class DialRate:
    """How fast calls may be begun, as a token bucket; time comes in.

    A second's worth of tokens may be saved up, at least one.

    Args:
        per_s: tokens that come in a second.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._burst = max(per_s, 1.0)
        self._tokens = self._burst
        self._at = 0.0
        self._closed_until = 0.0
        self._share = 1.0

    def share(self, count: int) -> None:
        """Leaves the rate of a carrier to this many bridges in equal parts."""
        self._share = 1.0 / max(count, 1)

    def wait_s(self, now: float) -> float:
        """How long until a token is there; 0 for now."""
        self._refill(now)
        if now < self._closed_until:
            return self._closed_until - now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / (self._per_s * self._share)

    def take(self, now: float) -> bool:
        """Takes a token where there is one."""
        if self.wait_s(now) > 0:
            return False
        self._tokens -= 1
        return True

    def give_back(self) -> None:
        """Returns a token whose call was not begun."""
        self._tokens = min(self._tokens + 1, self._burst)

    def close(self, now: float, seconds: float) -> None:
        """Gives no tokens for a while: the carrier has refused a call as one too many."""
        self._closed_until = max(self._closed_until, now + seconds)
        self._tokens = min(self._tokens, 1.0)

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self._tokens + (now - self._at) * self._per_s * self._share, self._burst)
            self._at = now


@dataclass(frozen=True, slots=True)
class Carrier:
    """One carrier in use."""

    name: str
    dialler: Dialler
    limits: CarrierLimits
    rate: DialRate


class Carriers:
    """All carriers, by name.

    Args:
        limits: of those that the configuration names; others have the defaults.
        make: makes a dialler by its name.
        clock: for the rates.
    """

    def __init__(self, limits: Mapping[str, CarrierLimits], make: Callable[[str], Dialler], clock: Clock) -> None:
        self._limits = limits
        self._make = make
        self._clock = clock
        self._open: dict[str, Carrier] = {}
        self._sharers = 1

    def limits(self, name: str) -> CarrierLimits:
        """What a carrier lets one do."""
        return self._limits.get(name, CarrierLimits())

    def get(self, name: str) -> Carrier:
        """A carrier by its name.

        Raises:
            UsageError: there is none (provider_unknown).
        """
        check_carrier(name)
        carrier = self._open.get(name)
        if carrier is None:
            limits = self.limits(name)
            carrier = Carrier(name, self._make(name), limits, DialRate(limits.calls_per_second))
            carrier.rate.share(self._sharers)
            self._open[name] = carrier
        return carrier

    def share(self, count: int) -> None:
        """Leaves the rates to this many bridges in equal parts."""
        self._sharers = count
        for carrier in self._open.values():
            carrier.rate.share(count)


def check_carrier(name: str) -> None:
    """Refuses a carrier that does not exist.

    Raises:
        UsageError: provider_unknown.
    """
    if name not in CARRIERS:
        raise UsageError(
            f"there is no provider {name!r}", code="provider_unknown", hint=f"use one of {', '.join(CARRIERS)}"
        )
