"""What callers say that matters to turn taking, as tables per language: English, German, French and Spanish.

Words are in lower case without punctuation, as `spoken_words` gives them.
"""

import re

from vox.agent.turns.phrase_table import Phrases
from vox.agent.turns.phrases_english import ENGLISH
from vox.agent.turns.phrases_french import FRENCH
from vox.agent.turns.phrases_german import GERMAN
from vox.agent.turns.phrases_spanish import SPANISH

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")  # noqa: RUF001  the typographic apostrophe is meant
_MARKS = str.maketrans({"’": "'"})  # noqa: RUF001
_NONE = Phrases()
_TABLES = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}


def spoken_words(text: str) -> list[str]:
    """The words of a transcript, in lower case, without punctuation."""
    return _WORD.findall(text.casefold().translate(_MARKS))


def phrases_of(language: str) -> Phrases:
    """The table of a language (BCP-47, empty: English); an empty one where there is none."""
    primary = language.replace("_", "-").partition("-")[0].casefold()
    return _TABLES.get(primary or "en", _NONE)
