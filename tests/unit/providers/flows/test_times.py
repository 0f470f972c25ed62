"""Times of day as people say and write them."""

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.flows.flows import TODAY, whole
from vox.providers.flows.rendering import say
from vox.providers.flows.times import SpokenTime, read_time, resolve_time

EVENING = (time(12), time(21, 30))


def spoken_time(text, *limits):
    said = whole(read_time, text)
    return resolve_time(said, *limits) if isinstance(said, SpokenTime) else None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("seven thirty p m", time(19, 30)), ("7:30 pm", time(19, 30)), ("half past seven", time(19, 30)),
        ("a quarter to eight in the evening", time(19, 45)), ("seven", time(19)), ("eleven", time(11)),
        ("eight o'clock in the morning", time(8)), ("noon", time(12)), ("midnight", time(0)), ("19:30", time(19, 30)),
        ("twelve thirty", time(12, 30)), ("twelve a m", time(0)), ("quarter to one", time(12, 45)), ("07:30", time(7, 30)),
        ("five past six", time(18, 5)), ("seven oh five", time(19, 5)), ("7.45", time(19, 45)),
        ("half seven", time(19, 30)), ("1930", time(19, 30)), ("eightish", time(8)), ("7pm", time(19)), ("8 p.m.", time(20)),
    ],
)  # fmt: skip
def test_times(text, at):
    assert spoken_time(text) == at


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("eight", time(20)),
        ("one", time(13)),
        ("eleven", None),
        ("nine in the morning", None),
        ("half past nine", time(21, 30)),
    ],
)
def test_an_open_time_falls_into_its_range_if_it_can(text, at):
    assert spoken_time(text, *EVENING) == at


@given(st.times())
def test_a_time_said_is_the_time_read(at):
    at = at.replace(second=0, microsecond=0, tzinfo=None)
    assert spoken_time(say(at, TODAY)) == at
