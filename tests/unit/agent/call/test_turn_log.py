"""At level debug the turn machine tells what it was given and what it decided, and decides the same."""

import io
import json
from collections.abc import Iterator

import pytest

from vox.agent.call.turn_log import turn_machine
from vox.agent.turns.events import DigitEntered, TurnPolicy
from vox.agent.turns.machine import TurnMachine
from vox.runtime.logging import configure


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    configure("info")


def test_above_debug_the_machine_is_bare():
    configure("info", stream=io.StringIO())
    assert type(turn_machine(TurnPolicy())) is TurnMachine


def test_at_debug_events_and_decisions_are_lines():
    stream = io.StringIO()
    configure("debug", json=True, stream=stream)
    logged, bare = turn_machine(TurnPolicy()), TurnMachine(TurnPolicy())
    decided = logged.handle(DigitEntered("4"), 1.0)
    assert decided == bare.handle(DigitEntered("4"), 1.0)
    assert logged.next_deadline() == bare.next_deadline()
    assert logged.handle_timeout(60.0) == bare.handle_timeout(60.0)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["msg"], first["event_kind"]) == ("turn", "DigitEntered")
    assert first["actions"] == [type(action).__name__ for action in decided]
    assert second["event_kind"] == "timeout"
