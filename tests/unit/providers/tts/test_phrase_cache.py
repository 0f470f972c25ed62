"""What was spoken is kept, within its bytes."""

from hypothesis import given
from hypothesis import strategies as st

from vox.providers.tts._phrase_cache import Phrase, PhraseCache


def phrase(size: int) -> Phrase:
    return Phrase(bytes(size), ())


def test_the_phrase_that_was_not_used_for_longest_goes_first():
    cache = PhraseCache(100)
    for key in "abcd":
        cache.put(key, phrase(25))
    assert cache.get("a") is not None
    cache.put("e", phrase(25))
    assert ["a" in cache, "b" in cache, "e" in cache] == [True, False, True]
    assert cache.get("b") is None


def test_a_phrase_that_would_empty_the_cache_is_not_kept():
    cache = PhraseCache(100)
    cache.put("long", phrase(26))
    assert "long" not in cache
    off = PhraseCache(0)
    off.put("a", phrase(2))
    assert "a" not in off


def test_keeping_a_phrase_again_counts_it_once():
    cache = PhraseCache(100)
    cache.put("a", phrase(20))
    cache.put("a", phrase(10))
    assert cache.size == 10


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40))))
def test_it_never_holds_more_than_it_may(puts):
    cache = PhraseCache(100)
    for key, size in puts:
        cache.put(key, phrase(size))
        assert cache.size <= 100
        assert cache.size == sum(len(found.pcm) for key in range(10) if (found := cache.get(key)))
