"""Which call goes how: rules by the called number, the first that fits decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from vox.clients.carrier_simulator.behaviour import Behaviour
from vox.clients.carrier_simulator.carriers.exotel import Flow


@dataclass(frozen=True, slots=True)
class Rule:
    """A behaviour for every number that fits a pattern.

    Args:
        to: the called number; `*` stands for any digits, `?` for one.
        behaviour: how those calls go.
    """

    to: str
    behaviour: Behaviour


@dataclass(frozen=True, slots=True)
class Scenario:
    """How calls go.

    Args:
        rules: asked in order.
        default: where no rule fits.
        calls_per_second: by carrier, how fast calls leave its queue; carriers without one dial at once.
        calls_per_minute: by carrier, how many requests for calls it takes before it answers 429.
        telnyx_webhook_url: what is set at Telnyx's connection, for orders without an address of their own.
        exotel_flows: the apps of Exotel's dashboard, by their number.
    """

    rules: Sequence[Rule] = ()
    default: Behaviour = field(default_factory=Behaviour)
    calls_per_second: Mapping[str, float] = field(default_factory=dict[str, float])
    calls_per_minute: Mapping[str, int] = field(default_factory=dict[str, int])
    telnyx_webhook_url: str = ""
    exotel_flows: Mapping[str, Flow] = field(default_factory=dict[str, Flow])

    def behaviour_of(self, number: str) -> Behaviour:
        """How a call to that number goes."""
        return next((rule.behaviour for rule in self.rules if fnmatchcase(number, rule.to)), self.default)

    def behaviours(self) -> list[Behaviour]:
        """Every behaviour that may come up."""
        return [self.default, *(rule.behaviour for rule in self.rules)]
