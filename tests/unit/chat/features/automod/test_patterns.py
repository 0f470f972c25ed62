"""Regular expressions: through RE2 or not at all."""

import time
from importlib.util import find_spec

import pytest

from tests.require import require
from vox.chat.features.automod import patterns
from vox.chat.features.automod.patterns import Pattern


@pytest.fixture
def _engine() -> None:
    require(find_spec("re2") is not None, "google-re2", "uv pip install google-re2")


@pytest.mark.usefixtures("_engine")
def test_a_pattern_matches_and_never_explodes():
    assert Pattern("(?i)buy +now").matches("please BUY  now")
    assert not Pattern("buy").matches("BUY")
    before = time.process_time()
    assert not Pattern("(a+)+$").matches("a" * 20_000 + "b")
    assert time.process_time() - before < 1, "Python's own engine takes longer than the age of the universe"


@pytest.mark.usefixtures("_engine")
@pytest.mark.parametrize("text", ["(", "(?=a)", r"(a)\1", "a*", "", "((a{100}){100}){100}", "(a?){900}a{900}"])
def test_what_is_no_pattern(text: str):
    with pytest.raises(ValueError, match="pattern"):
        Pattern(text)


def test_without_the_engine_patterns_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patterns, "_re2", None)
    assert not patterns.is_available()
    with pytest.raises(ValueError, match="google-re2"):
        Pattern("a")
