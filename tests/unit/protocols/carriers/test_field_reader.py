"""Required fields refuse, optional ones are left out and counted."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vox.errors import PeerError
from vox.protocols.carriers.field_reader import MAX_NAMES, Audio, DroppedFields, FieldReader


class Inner(msgspec.Struct):
    needed: str
    size: int | str = 8


class Sound(msgspec.Struct):
    payload: Audio = b""
    track: str = "inbound"


class Outer(msgspec.Struct, rename="camel"):
    event: str
    inner_part: Inner | None = None
    sound: Sound | None = None
    items: list[Inner] = msgspec.field(default_factory=list[Inner])
    free: dict[str, Any] | None = None


READER = FieldReader(Outer)


def read(message: object) -> tuple[Outer, DroppedFields]:
    dropped = DroppedFields()
    return READER.read(msgspec.json.encode(message), 1000, dropped), dropped


def test_what_has_the_documented_form_is_read_as_it_is():
    found, dropped = read({"event": "a", "innerPart": {"needed": "x", "size": "9"}, "sound": {"payload": "AAAA"}})
    assert found == Outer("a", Inner("x", "9"), Sound(bytes(3)))
    assert dropped.count == 0


@pytest.mark.parametrize("other", [5, [1], "x", True])
def test_an_optional_part_of_another_form_is_left_out_and_counted(other):
    found, dropped = read({"event": "a", "innerPart": other})
    assert found == Outer("a")
    assert (dropped.count, list(dropped.names)) == (1, ["$.innerPart"])


def test_inside_a_part_only_the_wrong_field_is_left_out():
    found, dropped = read({"event": "a", "innerPart": {"needed": "x", "size": None}, "free": {"k": 1}})
    assert found == Outer("a", Inner("x"), free={"k": 1})
    assert list(dropped.names) == ["$.innerPart.size"]


def test_of_a_list_only_the_wrong_items_are_left_out():
    found, dropped = read({"event": "a", "items": [{"needed": "x"}, 5, {"size": 1}, {"needed": "y", "size": []}]})
    assert found.items == [Inner("x"), Inner("y")]
    assert dropped.count == 3


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({}, "event"),
        ({"event": None}, "event"),
        ({"event": "a", "innerPart": {"size": 1}}, "needed"),
        ({"event": "a", "sound": {"payload": None}}, "payload"),
        ({"event": "a", "sound": {"payload": "no base64"}}, "payload"),
        ([], "object"),
    ],
)
def test_what_is_required_refuses_the_message_and_is_named(message, named):
    with pytest.raises(PeerError, match=named) as caught:
        read(message)
    assert caught.value.code == "malformed_message"


def test_names_are_bounded_and_the_count_goes_on():
    dropped = DroppedFields()
    for number in range(100):
        dropped.add(f"field-{number}")
    assert (dropped.count, len(dropped.names)) == (100, MAX_NAMES)


@pytest.mark.parametrize("message", ["", "{", "\ud800", b"\xff", "[" * 100_000, '{"event":' + "[" * 100_000])
def test_what_is_no_json_is_refused(message):
    with pytest.raises(PeerError) as caught:
        READER.read(message, 1 << 20, DroppedFields())
    assert caught.value.code == "malformed_message"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["needed", "size", "k"]), inner),
    max_leaves=5,
)


@given(inner=JSON, items=JSON, free=JSON)
def test_anything_in_an_optional_place_keeps_the_message_or_names_what_it_needs(inner, items, free):
    try:
        found, dropped = read({"event": "a", "innerPart": inner, "items": items, "free": free})
    except PeerError as error:
        is_without_what_it_needs = isinstance(inner, dict) and not isinstance(inner.get("needed"), str)
        if error.code != "message_too_large" and not is_without_what_it_needs:
            raise
    else:
        assert found.event == "a"
        assert dropped.count >= (not isinstance(free, dict | None))
