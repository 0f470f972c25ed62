"""Compares sentences by their words, without a model: stems, synonyms, misspellings, and what tells one topic from another.

A word counts by the number of topics it occurs in, so no list of stop words decides; words that no topic has count against
a match. Pure, and built once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from math import log, sqrt
from typing import Final

import numpy as np

from vox.providers.flows.classifier import Floats, KernelClassifier
from vox.providers.flows.synonyms import SYNONYMS
from vox.providers.flows.wording import heard_words

GLUE: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "i",
        "you",
        "we",
        "it",
        "is",
        "are",
        "am",
        "was",
        "be",
        "been",
        "do",
        "does",
        "did",
        "can",
        "could",
        "would",
        "will",
        "shall",
        "should",
        "may",
        "might",
        "must",
        "have",
        "has",
        "had",
        "to",
        "of",
        "in",
        "on",
        "at",
        "for",
        "with",
        "from",
        "by",
        "as",
        "that",
        "this",
        "these",
        "those",
        "there",
        "here",
        "and",
        "or",
        "but",
        "if",
        "so",
        "me",
        "my",
        "your",
        "our",
        "us",
        "them",
        "they",
        "her",
        "its",
        "not",
        "no",
        "any",
        "some",
        "get",
        "got",
        "like",
        "want",
        "need",
        "please",
        "just",
        "well",
        "too",
        "also",
        "very",
        "really",
        "one",
    ]
)
"""Words of grammar: they count, but less than the words that carry meaning."""

_GLUE_WEIGHT: Final = 0.25
_PAIR_WEIGHT: Final = 0.35
_UNKNOWN_WEIGHT: Final = 0.9
_ALIKE: Final = 0.62
_SHORTEST_MISSPELT: Final = 4
_ENDINGS: Final = ("ing", "ed", "ly")
_SHORTEST_STEM: Final = 3


class Lexicon:
    """The examples of topics, as weighted words."""

    def __init__(self, examples: Mapping[str, Sequence[str]]) -> None:
        parsed = {topic: [features_of(heard_words(text)) for text in texts] for topic, texts in examples.items()}
        spread = Counter(feature for texts in parsed.values() for feature in {one for text in texts for one in text})
        self._topics = tuple(parsed)
        self._weights = {feature: self._weight(feature, count) for feature, count in spread.items()}
        self._stems = {
            feature: _pieces(feature)
            for feature in self._weights
            if " " not in feature and len(feature) > _SHORTEST_STEM
        }
        rows = [self._weighed(text) for texts in parsed.values() for text in texts]
        self._places: dict[str, list[tuple[int, float]]] = {}
        for place, row in enumerate(rows):
            for feature, weight in row.items():
                self._places.setdefault(feature, []).append((place, weight))
        labels = [label for label, texts in enumerate(parsed.values()) for _ in texts]
        self._count = len(rows)
        self._classifier = KernelClassifier(self._gram(), labels)

    def scores(self, words: Sequence[str]) -> dict[str, float]:
        """How surely the words are about each topic: about 1 where they are, about 0 or less where not."""
        likeness = np.zeros(self._count, np.float32)
        for feature, weight in self._weighed(features_of(words)).items():
            for place, other in self._places.get(feature, ()):
                likeness[place] += weight * other
        return dict(zip(self._topics, self._classifier.scores(likeness), strict=True))

    def _gram(self) -> Floats:
        """How like each other the examples are."""
        gram = np.zeros((self._count, self._count), np.float32)
        for found in self._places.values():
            places = np.array([place for place, _ in found])
            weights = np.array([weight for _, weight in found], np.float32)
            gram[places[:, None], places] += weights[:, None] * weights
        return gram

    def _weight(self, feature: str, count: int) -> float:
        weight = log(1 + len(self._topics) / count)
        if " " in feature:
            return weight * _PAIR_WEIGHT
        return weight * _GLUE_WEIGHT if feature in GLUE else weight

    def _weighed(self, features: Iterable[str]) -> dict[str, float]:
        """The features with their weights, of length one; a misspelt word is taken for the known one it is most like."""
        found: dict[str, float] = {}
        for feature in features:
            known = feature if feature in self._weights else self._nearest(feature)
            if known is not None:
                found[known] = self._weights[known]
            elif " " not in feature:
                found[feature] = log(1 + len(self._topics)) * (_GLUE_WEIGHT if feature in GLUE else _UNKNOWN_WEIGHT)
        length = sqrt(sum(weight * weight for weight in found.values())) or 1.0
        return {feature: weight / length for feature, weight in found.items()}

    def _nearest(self, word: str) -> str | None:
        if " " in word or len(word) < _SHORTEST_MISSPELT:
            return None
        pieces = _pieces(word)
        score, known = max(((_dice(pieces, theirs), known) for known, theirs in self._stems.items()), default=(0.0, ""))
        return known if score >= _ALIKE else None


def features_of(words: Sequence[str]) -> tuple[str, ...]:
    """Each stem once, and each two that follow each other."""
    stems = [stem(word) for word in words]
    pairs = (f"{first} {second}" for first, second in pairwise(stems))
    return tuple(dict.fromkeys([*stems, *pairs]))


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """The word without its ending, and as its synonyms' first word; figures stand for each other."""
    if word[:1].isdecimal():
        return "0"
    bare = _bare(word)
    return _SYNONYM.get(bare, bare)


def _bare(word: str) -> str:
    if len(word) <= _SHORTEST_STEM:
        return word
    if word.endswith("ies") and len(word) > len("ties"):
        return word[:-3] + "y"
    if word.endswith(("ses", "xes", "ches", "shes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "lse":
                word = word[:-1]
            break
    return word[:-1] if word.endswith("e") and len(word) > _SHORTEST_STEM else word


_SYNONYM: Final = {_bare(word): _bare(line[0]) for line in SYNONYMS for word in line}


def _pieces(word: str) -> frozenset[str]:
    """What misspellings leave of a word: its pairs and triples of letters, and where it begins and ends."""
    padded = f"^{word}$"
    return frozenset(padded[at : at + size] for size in (2, 3) for at in range(len(padded) - size + 1))


def _dice(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))
