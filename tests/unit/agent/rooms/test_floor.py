from hypothesis import given
from hypothesis import strategies as st

from vox.agent.rooms.floor import MAX_WAITING, MAX_WORDS, Floor


def test_the_floor_goes_to_who_begins_and_stays_theirs_until_it_is_released():
    floor = Floor()
    assert floor.take("anna", is_agent_silent=True, may_interrupt=False)
    assert not floor.take("bert", is_agent_silent=True, may_interrupt=True)
    assert floor.take("anna", is_agent_silent=True, may_interrupt=True)
    floor.release()
    assert floor.take("bert", is_agent_silent=True, may_interrupt=False)
    assert floor.answered == "bert"


def test_while_the_agent_speaks_only_who_may_interrupt_takes_the_floor():
    floor = Floor()
    assert not floor.take("anna", is_agent_silent=False, may_interrupt=False)
    assert floor.take("anna", is_agent_silent=False, may_interrupt=True)


def test_nobody_passes_those_who_wait_but_who_may_interrupt_still_does():
    floor = Floor()
    floor.wait("bert", "hello")
    assert not floor.take("anna", is_agent_silent=True, may_interrupt=True)
    assert floor.take("anna", is_agent_silent=False, may_interrupt=True)


def test_each_who_waits_is_answered_once_with_all_they_said():
    floor = Floor()
    floor.wait("anna", "one")
    floor.wait("bert", "two")
    floor.wait("anna", "three")
    assert floor.has_waiting
    assert [floor.next(), floor.next(), floor.next()] == [("anna", "one three"), ("bert", "two"), None]
    assert floor.answered == "bert"


def test_nobody_comes_next_while_somebody_holds_the_floor():
    floor = Floor()
    floor.wait("anna", "one")
    floor.holder = "bert"
    assert floor.next() is None
    floor.release()
    assert floor.next() == ("anna", "one")


@given(st.lists(st.tuples(st.integers(0, 60), st.text(min_size=1, max_size=50))))
def test_what_waits_is_bounded_and_nobody_waits_twice(said):
    floor = Floor()
    for number, text in said:
        floor.wait(str(number), text)
    floor.wait("long", "x" * (MAX_WORDS + 1))
    served = []
    while (one := floor.next()) is not None:
        served.append(one)
    assert len(served) <= MAX_WAITING
    assert len({identity for identity, _ in served}) == len(served)
    assert all(len(text) <= MAX_WORDS for _, text in served)
