"""What a slot of each type understands, allows, takes unasked and takes from keys."""

from datetime import date, time, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.unit.providers.flows.flows import TODAY
from vox.providers.flows.patterns import match_at
from vox.providers.flows.schema import Slot
from vox.providers.flows.slots import (
    accept,
    frames_of,
    is_certain,
    keyed_value,
    named_values,
    read_slot,
    spoken_value,
)
from vox.providers.flows.wording import heard_words

ADAPTER: TypeAdapter[Any] = TypeAdapter(Slot)


def slot(kind: str, **more: Any) -> Any:
    return ADAPTER.validate_python({"type": kind, "prompt": "?", **more})


COLOURS = slot("choice", options={"red": ["burgundy"], "white": []})


PEOPLE = slot("number", named={1: ["just me"], 2: ["me and my wife"]})


def understood(one: Any, text: str) -> Any:
    """The value of the longest reading at the beginning, as the slot keeps it."""
    readings = read_slot(one, named_values(one), heard_words(text), 0, TODAY)
    return accept(one, readings[0][1], TODAY) if readings else None


@pytest.mark.parametrize(
    ("one", "text", "value"),
    [
        (slot("number", min=1, max=12), "twelve", 12),
        (slot("number", min=1, max=12), "thirteen", None),
        (slot("number", min=1, max=12), "zero", None),
        (slot("digits", min_length=4, max_length=4), "four seven one one", "4711"),
        (slot("digits", min_length=4, max_length=4), "four seven one", None),
        (slot("phone"), "plus four nine one two three four five", "+4912345"),
        (slot("phone", max_length=7), "plus four nine one two three four five six", None),
        (slot("date"), "tomorrow", TODAY + timedelta(days=1)),
        (slot("date", max_days=0), "tomorrow", None),
        (slot("time", earliest="12:00", latest="21:30"), "half past seven", time(19, 30)),
        (slot("time", earliest="12:00", latest="21:30"), "eleven a m", None),
        (slot("yes_no"), "yes please", True),
        (slot("yes_no"), "no", False),
        (COLOURS, "burgundy", "red"),
        (COLOURS, "white", "white"),
        (COLOURS, "green", None),
        (PEOPLE, "just me", 1),
        (PEOPLE, "me and my wife", 2),
        (PEOPLE, "me and my wife and two kids", None),
        (PEOPLE, "four or five", None),
        (PEOPLE, "four and a baby", None),
        (slot("text"), "anything at all", "anything at all"),
    ],
)
def test_what_is_said(one, text, value):
    assert understood(one, text) == value


def test_nothing_is_read_beyond_the_words_or_where_one_was_taken():
    assert read_slot(slot("number"), (), ("four",), 1, TODAY) == []
    assert read_slot(slot("number"), (), ("",), 0, TODAY) == []


def test_the_longest_option_comes_first():
    one = slot("choice", options={"red": [], "red wine": []})
    assert [value for _, value in read_slot(one, named_values(one), ("red", "wine"), 0, TODAY)] == [
        "red wine",
        "red",
    ]


def test_a_day_of_the_past_is_not_taken():
    assert accept(slot("date"), TODAY - timedelta(days=1), TODAY) is None


@pytest.mark.parametrize(
    ("one", "raw", "framed", "certain"),
    [
        (slot("date"), TODAY, False, True),
        (COLOURS, "red", False, True),
        (slot("number"), 4, False, False),
        (slot("number"), 4, True, True),
        (slot("yes_no"), True, False, False),
        (slot("text"), "x", True, False),
        (slot("digits"), "47", False, False),
        (slot("digits"), "471", False, True),
        (slot("digits", min_length=4), "471", False, False),
        (slot("digits"), "4", True, True),
    ],
)
def test_what_may_be_taken_unasked(one, raw, framed, certain):
    assert is_certain(one, raw, framed=framed) is certain


@pytest.mark.parametrize(("text", "certain"), [("seven", False), ("seven p m", True)])
def test_an_hour_alone_is_no_time_unless_asked_for(text, certain):
    raw = read_slot(slot("time"), (), heard_words(text), 0, TODAY)[0][1]
    assert is_certain(slot("time"), raw, framed=False) is certain
    assert is_certain(slot("time"), raw, framed=True)


@pytest.mark.parametrize(
    ("one", "keys", "value"),
    [
        (slot("number"), "12", 12),
        (slot("digits"), "0471", "0471"),
        (slot("phone"), "0471", "0471"),
        (slot("yes_no"), "1", True),
        (slot("yes_no"), "2", False),
        (slot("yes_no"), "3", None),
        (COLOURS, "2", "white"),
        (COLOURS, "3", None),
        (COLOURS, "0", None),
        (COLOURS, "0001", None),
        (slot("time"), "99", None),
        (slot("date"), "2411", date(2026, 11, 24)),
        (slot("date"), "2413", None),
        (slot("date"), "24", None),
        (slot("date"), "3202", None),
        (slot("text"), "7", "7"),
    ],
)
def test_what_keys_mean(one, keys, value):
    assert keyed_value(one, keys, TODAY) == value


@pytest.mark.parametrize(("keys", "at"), [("0730", time(7, 30)), ("1930", time(19, 30)), ("19", time(19))])
def test_a_time_is_keyed_in_by_hours_or_hours_and_minutes(keys, at):
    assert accept(slot("time"), keyed_value(slot("time"), keys, TODAY), TODAY) == at


def test_digits_are_said_one_by_one_and_numbers_whole():
    assert spoken_value(slot("digits"), "47", TODAY) == "four seven"
    assert spoken_value(slot("number"), 47, TODAY) == "forty seven"


def test_a_slots_own_frames_replace_the_usual_ones():
    usual = frames_of("day", slot("date"))
    [own] = frames_of("day", slot("date", phrases=["come {day}"]))
    words = ("on", "tomorrow")

    def parse(_name: str, at: int) -> Any:
        return read_slot(slot("date"), (), words, at, TODAY)

    assert any(list(match_at(node, words, 0, parse)) for node in usual)
    assert not list(match_at(own, words, 0, parse))
    assert frames_of("people", slot("number")) == ()
