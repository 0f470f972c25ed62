"""A slice of the fuzz run in every test run; the whole is `python -m tests.fuzz.fuzz --inputs 1000000`."""

import pytest

from tests.fuzz.fuzz import fuzz, load_corpus, replay
from tests.fuzz.targets import targets

INPUTS = 20_000
TARGETS = targets()
each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@each_target
def test_damaged_messages_are_refused_or_ignored_and_nothing_else(target):
    report = fuzz(target, inputs=INPUTS // len(TARGETS), seed=20_260)
    assert [str(failure) for failure in report.failures] == []
    assert report.outcomes["taken"] > report.inputs // 20  # or it only ever saw noise


@each_target
def test_what_was_found_once_is_tried_again(target):
    assert load_corpus(target.name), f"run: python -m tests.fuzz.fuzz --save --target {target.name}"
    assert [str(failure) for failure in replay(target).failures] == []
