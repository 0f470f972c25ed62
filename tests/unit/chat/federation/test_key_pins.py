"""Which keys are believed: the first, those beside a believed one, and those that have stood for a day."""

from hypothesis import given
from hypothesis import strategies as st

from vox.chat.federation.key_pins import TRUSTED_AFTER_S, judge

NOW = 1_700_000_000


def test_the_first_keys_are_believed():
    assert judge(["a", "b"], {}, NOW).trusted == ("a", "b")


def test_a_key_beside_a_believed_one_is_believed_at_once():
    first = judge(["a"], {}, NOW)
    second = judge(["a", "b"], first.stored, NOW + 10)
    assert second.trusted == ("a", "b")
    assert judge(["b"], second.stored, NOW + 20).trusted == ("b",)


def test_a_swap_of_all_keys_waits_for_a_day():
    first = judge(["a"], {}, NOW)
    swapped = judge(["x"], first.stored, NOW + 10)
    assert (swapped.trusted, swapped.has_waiting) == ((), True)
    assert judge(["x"], swapped.stored, NOW + 10 + TRUSTED_AFTER_S - 1).trusted == ()
    assert judge(["x"], swapped.stored, NOW + 10 + TRUSTED_AFTER_S).trusted == ("x",)


def test_a_swap_that_is_undone_leaves_the_old_key_believed():
    swapped = judge(["x"], judge(["a"], {}, NOW).stored, NOW + 10)
    assert judge(["a"], swapped.stored, NOW + 20).trusted == ("a",)
    again = judge(["a"], swapped.stored, NOW + 20)
    assert judge(["x"], again.stored, NOW + 2 * TRUSTED_AFTER_S).trusted == ()


def test_no_records_believe_and_change_nothing():
    stored = judge(["a"], {}, NOW).stored
    assert judge([], stored, NOW + 10).trusted == ()
    assert judge([], stored, NOW + 10).stored == stored


@given(
    st.lists(st.tuples(st.lists(st.sampled_from("abcx"), max_size=3, unique=True), st.integers(0, 80_000)), max_size=12)
)
def test_a_key_is_never_believed_without_overlap_or_a_day(history: list[tuple[list[str], int]]):
    stored: dict[str, int] = dict(judge(["a"], {}, NOW).stored)
    now, shown_since = NOW, dict[str, int]()
    believed = {"a"}
    for shown, step in history:
        now += step
        shown_since = {key: shown_since.get(key, now) for key in shown}
        pins = judge(shown, stored, now)
        for key in pins.trusted:
            is_overlap = bool(believed & set(shown))
            assert key in believed or is_overlap or any(now - shown_since[k] >= TRUSTED_AFTER_S for k in pins.trusted)
        believed = set(pins.trusted) or believed
        stored = dict(pins.stored)
        assert len(stored) <= 16
