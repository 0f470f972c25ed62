from vox.providers.flows.state import BUSY, State


def test_a_task_is_under_way_only_while_something_is_asked_of_it():
    assert {
        phase for phase in ("open", "offered", "filling", "confirming", "changing", "closed") if State(phase).is_busy
    } == BUSY
