"""Tasks: asking, refusing, completing, interrupting."""

from datetime import time

from tests.unit.providers.flows.flows import TODAY, script
from vox.providers.flows.details import Details
from vox.providers.flows.state import State
from vox.providers.flows.tasks import Tasks

TASKS = Tasks(script())


def test_a_task_asks_for_what_is_missing_in_order():
    state, reply = TASKS.begin(State(), "booking", Details({"day": TODAY}), TODAY)
    assert reply.say == ("How many?",)
    assert (state.phase, state.asking, state.question) == ("filling", "people", "How many?")
    state, reply = TASKS.filled(state, "booking", Details({"people": 2}), TODAY)
    assert state.asking == "time"


def test_a_value_refused_again_is_asked_for_in_other_words():
    state, _ = TASKS.begin(State(), "booking", Details(), TODAY)
    said: list[tuple[str, ...]] = []
    for _ in range(4):
        state, reply = TASKS.filled(state, "booking", Details(refused=frozenset({"people"})), TODAY)
        said.append(reply.say)
    assert said[0] == said[1] == ("One to twelve.", "How many?")
    assert said[2] != said[3]
    assert ("One to twelve.", "How many?") not in said[2:]


def test_a_task_that_interrupts_another_gives_way_to_it_afterwards():
    state, _ = TASKS.begin(State(), "booking", Details({"people": 2}), TODAY)
    state, _ = TASKS.begin(state, "wine", Details({"colour": "red"}), TODAY)
    assert state.suspended is not None
    state, reply = TASKS.filled(state, "wine", Details({"chilled": True}), TODAY)
    assert reply.say == ("red it is, chilled yes.", "Which day?")
    assert (state.intent, dict(state.slots), state.suspended) == ("booking", {"people": 2}, None)


def test_a_tool_gets_the_values_and_what_follows_its_outcome():
    known = Details({"people": 2, "day": TODAY, "time": time(19)})
    state, _ = TASKS.begin(State(), "booking", known, TODAY)
    state, reply = TASKS.completed(state, "booking", TODAY)
    assert reply.call is not None
    assert reply.call.arguments == {"people": 2, "day": "2026-11-20", "time": "19:00"}
    assert reply.call.follow_up == ("Anything else?",)
    assert state.phase == "offered"


def test_what_is_dropped_is_forgotten_with_what_waits_behind_it():
    state, _ = TASKS.begin(State(), "booking", Details({"people": 2}), TODAY)
    state, _ = TASKS.begin(state, "wine", Details(), TODAY)
    state, reply = TASKS.dropped(state, ("Gone.",))
    assert reply.say == ("Gone.", "What can I do?")
    assert (state.phase, dict(state.slots), state.suspended) == ("open", {}, None)


def test_an_open_question_has_other_words():
    state, _ = TASKS.begin(State(), "booking", Details({"people": 2}), TODAY)
    assert TASKS.open_question(state) == ("Which day?",)
    assert TASKS.open_question(state, in_other_words=True) == ("Please say a day, for example tomorrow.",)
