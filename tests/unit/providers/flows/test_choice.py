from math import exp

from hypothesis import assume, given
from hypothesis import strategies as st

from vox.providers.flows.choice import (
    LEAST_CONFIDENCE,
    LEAST_SURENESS,
    LEAST_TRUSTED,
    MOST_UNLIKELY,
    SURE,
    Candidate,
    Understanding,
    choose,
    is_trusted,
)

confidences = st.floats(0, 1)
candidates = st.lists(
    st.builds(Candidate, confidences, st.builds(Understanding, st.floats(0, 1), st.booleans())), min_size=1, max_size=6
)


def candidate(confidence: float, sureness: float, *, has_consequences: bool = False) -> Candidate:
    return Candidate(confidence, Understanding(sureness, has_consequences))


def test_the_text_that_the_flow_understands_is_taken_among_those_that_sound_alike():
    assert choose([candidate(0.61, 0), candidate(0.60, 0), candidate(0.58, 0.9)]) == 2


def test_among_texts_that_are_understood_the_likelier_one_is_taken():
    assert choose([candidate(0.60, 0), candidate(0.59, 0.6), candidate(0.48, 0.62)]) == 1


@given(candidates)
def test_the_chosen_text_is_one_of_those_offered(offered: list[Candidate]):
    assert 0 <= choose(offered) < len(offered)


@given(candidates)
def test_what_is_understood_surely_is_never_replaced(offered: list[Candidate]):
    assume(offered[0].understanding.sureness >= SURE)
    assert choose(offered) == 0


@given(candidates)
def test_a_text_that_is_much_less_likely_is_never_taken(offered: list[Candidate]):
    number = choose(offered)
    if number:
        assert offered[number].confidence >= max(LEAST_CONFIDENCE, 0.999 * offered[0].confidence * exp(-MOST_UNLIKELY))


@given(candidates)
def test_no_text_with_consequences_takes_the_place_of_one_without(offered: list[Candidate]):
    chosen = offered[choose(offered)].understanding
    assert not chosen.has_consequences or offered[0].understanding.has_consequences


@given(candidates)
def test_a_text_is_only_replaced_by_one_that_is_understood_better(offered: list[Candidate]):
    number = choose(offered)
    assert number == 0 or offered[number].understanding.sureness > offered[0].understanding.sureness


@given(candidates)
def test_what_is_understood_only_just_replaces_nothing(offered: list[Candidate]):
    number = choose(offered)
    assert number == 0 or offered[number].understanding.sureness >= LEAST_SURENESS


@given(candidates)
def test_texts_that_may_not_be_taken_change_nothing(offered: list[Candidate]):
    assume(not offered[0].understanding.has_consequences)
    hopeless = candidate(0.0, 1.0, has_consequences=True)
    assert choose([*offered, hopeless]) == choose(offered)


def test_what_is_neither_clear_nor_surely_understood_is_not_answered():
    assert is_trusted(Candidate(LEAST_TRUSTED, Understanding(0.0)))
    assert is_trusted(Candidate(0.0, Understanding(SURE)))
    assert not is_trusted(Candidate(LEAST_TRUSTED - 0.01, Understanding(SURE - 0.01)))
