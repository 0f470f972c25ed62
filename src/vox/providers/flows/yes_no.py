"""Yes and no."""

from collections.abc import Sequence
from typing import Final

from vox.providers.flows import vocabulary
from vox.providers.flows.forms import Reading
from vox.providers.flows.patterns import match_at, parse_pattern

_YES: Final = parse_pattern(" | ".join(vocabulary.YES))
_NO: Final = parse_pattern(" | ".join(vocabulary.NO))


def read_yes_no(words: Sequence[str], at: int) -> Reading:
    """Yes (True) or no (False)."""
    found: Reading = [(end, True) for end, _ in match_at(_YES, words, at, _nothing)]
    found += [(end, False) for end, _ in match_at(_NO, words, at, _nothing)]
    return sorted(found, key=lambda reading: -reading[0])


def _nothing(_name: str, _at: int) -> Reading:
    return []
