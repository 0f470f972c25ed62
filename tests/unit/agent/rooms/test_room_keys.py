from hypothesis import given
from hypothesis import strategies as st

from vox.agent.rooms.room_keys import STAR_S, CodeEntry, KeyCommand, RoomKeys


def pressed(*keys: tuple[str, float]) -> list[KeyCommand | str]:
    machine = RoomKeys()
    return [machine.press(key, at) for key, at in keys]


def test_a_star_and_a_number_are_a_command():
    assert pressed(("*", 0), ("1", 1), ("*", 2), ("2", 3)) == ["", KeyCommand.MUTE, "", KeyCommand.HAND]


def test_the_hash_leaves_also_behind_a_star():
    assert pressed(("#", 0)) == [KeyCommand.LEAVE]
    assert pressed(("*", 0), ("#", 1)) == ["", KeyCommand.LEAVE]


def test_what_is_no_command_goes_to_the_room():
    assert pressed(("5", 0), ("*", 1), ("9", 2), ("1", 3)) == ["5", "", "*9", "1"]


def test_a_star_waits_for_a_while_only():
    assert pressed(("*", 0), ("1", STAR_S + 0.1)) == ["", "*1"]
    assert pressed(("*", 0), ("*", STAR_S + 0.1), ("1", STAR_S + 0.2)) == ["", "*", KeyCommand.MUTE]


@given(st.lists(st.tuples(st.sampled_from("0123456789*"), st.floats(0, 1))))
def test_no_key_is_lost_or_made_up(keys: list[tuple[str, float]]):
    now, machine, out = 0.0, RoomKeys(), ""
    for key, wait_s in keys:
        now += wait_s
        found = machine.press(key, now)
        out += (
            {KeyCommand.MUTE: "*1", KeyCommand.HAND: "*2"}.get(found, found) if isinstance(found, KeyCommand) else found
        )
    typed = "".join(key for key, _ in keys)
    assert typed in {out, f"{out}*"}


def test_a_code_ends_with_the_hash_or_at_its_length_and_a_star_begins_it_anew():
    entry = CodeEntry(4)
    assert [entry.press(key) for key in "12#"] == ["", "", "12"]
    assert [entry.press(key) for key in "9876"] == ["", "", "", "9876"]
    assert [entry.press(key) for key in "9*12#"] == ["", "", "", "", "12"]
    assert [entry.press(key) for key in "#1"] == ["", ""]
    assert entry.take() == "1"
    assert entry.take() == ""
