"""What the readers of spoken values share: what a reading is, and how a table of spoken forms is read.

A reader takes words (as `wording.heard_words` gives them) and an index, and returns every place where such a value may end
with what it then means, the longest first. What has the form of a value and cannot be one (the 30th of February) is read as
`IMPOSSIBLE`, so that no shorter part of it is taken for the whole.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Final

from vox.providers.flows.patterns import Node, match_at

Reading = list[tuple[int, object]]
Reader = Callable[[Sequence[str], int], Reading]
Form = tuple[Node, Callable[[Mapping[str, object]], object | None]]


class Unreal(Enum):
    """The one meaning of what has the form of a value and is none."""

    IMPOSSIBLE = "impossible"


IMPOSSIBLE: Final = Unreal.IMPOSSIBLE


def word_at(words: Sequence[str], at: int) -> str:
    """The word, empty beyond the ends."""
    return words[at] if 0 <= at < len(words) else ""


def may_begin(starts: frozenset[str], word: str) -> bool:
    """Whether a reading can begin with the word; spares trying every form on words that begin none."""
    return word in starts or word[:1].isdecimal()


def read_forms(forms: Sequence[Form], words: Sequence[str], at: int, parts: Mapping[str, Reader]) -> Reading:
    """Every form that fits, by where it ends; of two that end together the first one counts, if it is possible."""
    found: dict[int, object] = {}
    for node, meaning in forms:
        for end, bindings in match_at(node, words, at, lambda name, index: parts[name](words, index)):
            if found.get(end, IMPOSSIBLE) is IMPOSSIBLE:
                value = meaning(dict(bindings))
                found[end] = IMPOSSIBLE if value is None else value
    return sorted(found.items(), key=lambda reading: -reading[0])


def table(meanings: Mapping[str, object]) -> Reader:
    """A reader of single words."""

    def read(words: Sequence[str], at: int) -> Reading:
        word = word_at(words, at)
        return [(at + 1, meanings[word])] if word in meanings else []

    return read
