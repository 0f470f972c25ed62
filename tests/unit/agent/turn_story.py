"""A turn machine under test: events at given times, and every deadline between them."""

from vox.agent.turns.events import Action, BotAudible, BotThinking, Event, Notify, TurnPolicy
from vox.agent.turns.machine import TurnMachine

STOP_S = 0.5


class Story:
    """Plays events at given times, letting every deadline before them pass at its own time."""

    def __init__(self, policy: TurnPolicy | None = None) -> None:
        self.machine = TurnMachine(policy or TurnPolicy(turn_stop_s=STOP_S))
        self.now = 0.0

    def at(self, when: float, event: Event | None = None) -> list[Action]:
        actions: list[Action] = []
        while (deadline := self.machine.next_deadline()) is not None and deadline <= when:
            self.now = deadline
            actions += self.machine.handle_timeout(deadline)
        self.now = when
        if event is not None:
            actions += self.machine.handle(event, when)
        return actions

    def bot_speaks(self, when: float) -> None:
        self.at(when, BotThinking())
        self.at(when, BotAudible())


def without_notices(actions: list[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, Notify)]
