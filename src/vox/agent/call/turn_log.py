"""At level debug the turn machine's events and decisions are lines of the log; at every other level it runs bare."""

from vox.agent.turns.events import Action, Event, TurnPolicy
from vox.agent.turns.machine import TurnMachine
from vox.runtime.logging import get_logger, is_debug

_log = get_logger(__name__)


def turn_machine(policy: TurnPolicy) -> TurnMachine:
    """The turn machine of a new call."""
    return _LoggedTurnMachine(policy) if is_debug() else TurnMachine(policy)


class _LoggedTurnMachine(TurnMachine):
    def handle(self, event: Event, now: float) -> list[Action]:
        return _logged(type(event).__name__, super().handle(event, now))

    def handle_timeout(self, now: float) -> list[Action]:
        return _logged("timeout", super().handle_timeout(now))


def _logged(event: str, actions: list[Action]) -> list[Action]:
    _log.debug("turn", event_kind=event, actions=[type(action).__name__ for action in actions])
    return actions
