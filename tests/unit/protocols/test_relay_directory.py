"""What directory and relays sign, and when a client should move."""

from hypothesis import given
from hypothesis import strategies as st

from vox.protocols.relay_directory import (
    MOVE_MS,
    challenge_message,
    is_worth_moving,
    key_change_message,
    snapshot_message,
)

TEXT = st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=40)
RTT = st.floats(0, 10_000, allow_nan=False)


@given(TEXT, TEXT)
def test_no_signed_text_can_stand_for_another(one, other):
    texts = {challenge_message(one, other), key_change_message(one, other), snapshot_message(f"{one}\n{other}")}
    assert len(texts) == 3


@given(st.tuples(TEXT, TEXT), st.tuples(TEXT, TEXT))
def test_different_contents_are_signed_differently(one, other):
    assert (challenge_message(*one) == challenge_message(*other)) is (one == other)
    assert (key_change_message(*one) == key_change_message(*other)) is (one == other)


def test_the_signed_texts_are_these():
    assert challenge_message("wss://a", "c") == b"vox relay health\nwss://a\nc"
    assert snapshot_message("{}") == b"vox directory snapshot\n{}"
    assert key_change_message("id", "key") == b"vox relay key\nid\nkey"


def test_both_the_share_and_the_milliseconds_must_be_won():
    assert is_worth_moving(90, 60)
    assert not is_worth_moving(90, 61), "less than a third"
    assert not is_worth_moving(15, 5), "ten milliseconds are not more than ten"
    assert is_worth_moving(30, 10)


@given(RTT, RTT)
def test_nobody_moves_back_and_forth(home, other):
    assert not (is_worth_moving(home, other) and is_worth_moving(other, home))
    if is_worth_moving(home, other):
        assert home - other > MOVE_MS
