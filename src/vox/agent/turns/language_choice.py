"""When an agent follows its caller into another language: pure rules on what the recogniser says it heard."""

from collections.abc import Sequence
from typing import Final

from vox.text.words import count_words

SURE_WORDS: Final = 3
"""Of so many words a recogniser tells the language well; of "okay" it does not."""
_TIMES: Final = 2


class LanguageChoice:
    """The language of a conversation, out of those that the agent has.

    Args:
        tags: the languages, BCP 47.
        language: the present one.

    Attributes:
        language: the present one.
    """

    def __init__(self, tags: Sequence[str], language: str) -> None:
        self.language = language
        self._tags = tuple(tags)
        self._candidate = ""

    def heard(self, text: str, language: str | None) -> str | None:
        """The language to go on in after a transcript in `language`; None: no other. Short ones count when two agree."""
        tag = self.tag_of(language or "")
        if tag is None or tag == self.language or not text.strip():
            self._candidate = "" if tag is not None and text.strip() else self._candidate
            return None
        if count_words(text) < SURE_WORDS and tag != self._candidate:
            self._candidate = tag
            return None
        return self.chosen(tag)

    def chosen(self, tag: str) -> str:
        """The language is this one from now on."""
        self.language, self._candidate = tag, ""
        return tag

    def tag_of(self, language: str) -> str | None:
        """Which of the agent's languages a tag means: the same one, else the present or first of its primary language."""
        asked = language.replace("_", "-").lower()
        primary = asked.partition("-")[0]
        alike = [tag for tag in self._tags if tag.lower().partition("-")[0] == primary]
        exact = [tag for tag in alike if tag.lower() == asked]
        if exact:
            return exact[0]
        return self.language if self.language in alike else (alike[0] if alike else None)
