"""The stage between model and voice: what of a written piece is spoken, and how far that is in what is shown.

Shown text keeps its marks. Written text is what is left without Markdown, emoji and code blocks, and with addresses spelled as people
say them. Spoken text says numbers, dates, times, money and codes in words besides (`vox.text.normalisation`). Plain text passes
unchanged, and what is speakable already too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import regex

from vox.text.language_guess import guess
from vox.text.normalisation.rewriting import Rewrite, rewrites

_Part = str | int | tuple[int, int]
"""In what a mark is replaced by: a literal, a group's number, or a span of the text."""
_Rule = tuple["regex.Pattern[str]", Callable[["regex.Match[str]"], Sequence[_Part]] | Sequence[_Part]]

_PLAIN: Final = regex.compile(
    r"(?V1)(?:[\p{L}\p{M}\p{Nd}'’,;%€$£--\uFE0E\uFE0F\u20E3]|[!?](?![!?])|(?<=\S)[ ](?=\S)|(?<!\.)\.(?!\.)(?=\s|$)|(?<=\p{L})-(?=\p{L}))*"
)
_FENCE: Final = regex.compile(r"^\s*(```|~~~)(?!.*\1)", regex.DOTALL)
_HAS_WORDS: Final = regex.compile(r"[\p{L}\p{N}]")
_MAX_ROUNDS: Final = 8
_LONGEST_PATH: Final = 24
"""Characters of an address behind its host that are still spoken."""

_DOT_SLASH_AT: Final = {
    "en": ("dot", "slash", "at", "dash", "underscore"),
    "de": ("Punkt", "Schrägstrich", "at", "Minus", "Unterstrich"),
    "fr": ("point", "barre oblique", "arobase", "tiret", "tiret bas"),
    "es": ("punto", "barra", "arroba", "guion", "guion bajo"),
    "it": ("punto", "barra", "chiocciola", "trattino", "trattino basso"),
    "pt": ("ponto", "barra", "arroba", "hífen", "sublinhado"),
    "nl": ("punt", "schuine streep", "apenstaartje", "streepje", "liggend streepje"),
    "pl": ("kropka", "ukośnik", "małpa", "myślnik", "podkreślenie"),
    "ru": ("точка", "слэш", "собака", "дефис", "подчёркивание"),
    "sv": ("punkt", "snedstreck", "snabel-a", "bindestreck", "understreck"),
    "tr": ("nokta", "eğik çizgi", "et", "tire", "alt çizgi"),
    "ja": ("ドット", "スラッシュ", "アットマーク", "ハイフン", "アンダーバー"),
    "zh": ("点", "斜杠", "艾特", "横杠", "下划线"),
}
_TOP_LEVEL: Final = (
    "com|org|net|edu|gov|int|io|co|dev|app|ai|info|biz|eu|uk|ca|au|de|ch|fr|nl|es|pt|pl|se|dk|fi|cz|ru|jp|cn|br|mx"
)
_LABEL: Final = r"[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?"
_HOST: Final = rf"(?:{_LABEL}\.)+\p{{L}}{{2,}}"
_PATH: Final = r"(?:[/?#][^\s<>\"'()\[\]{}|*`]*[^\s<>\"'()\[\]{}|*`.,;:!?…。，！？])?/?"
_EMAIL: Final = regex.compile(
    rf"(?:mailto:)?(?P<user>[\p{{L}}\p{{N}}][\p{{L}}\p{{N}}.+_-]*)@(?P<host>{_HOST})(?![\p{{L}}\p{{N}}])",
    regex.IGNORECASE,
)
_URL: Final = regex.compile(
    rf"(?:https?://|ftp://|wss?://)(?:www\.)?(?P<host>[^\s/?#<>\"'()\[\]{{}}|*`]*[\p{{L}}\p{{N}}])(?P<path>{_PATH})",
    regex.IGNORECASE,
)
_BARE_HOST: Final = regex.compile(
    rf"(?<![\p{{L}}\p{{N}}@./-])(?:(?:www\.)(?P<host>{_HOST})|(?P<host>(?:{_LABEL}\.)+(?:{_TOP_LEVEL})))(?![\p{{L}}\p{{N}}-]|\.[\p{{L}}\p{{N}}])(?P<path>{_PATH})"
)  # fmt: skip


class Speakable:
    """A piece of an answer as it is shown and as it is spoken.

    Attributes:
        shown: the text with its marks.
        written: the text without marks, numbers as they are written.
        spoken: the text for the voice; empty where nothing of it can be spoken.
    """

    __slots__ = ("_ends", "_rewritten", "_starts", "shown", "spoken", "written")

    def __init__(
        self, shown: str, written: str, starts: Sequence[int], ends: Sequence[int], rewritten: Sequence[Rewrite] = ()
    ) -> None:
        self.shown = shown
        self.written = written
        self.spoken = _rewritten(written, rewritten)
        self._starts = starts
        self._ends = ends
        self._rewritten = rewritten

    @classmethod
    def plain(cls, text: str) -> "Speakable":
        """A text that is spoken as it is shown."""
        return cls(text, text, range(len(text)), range(1, len(text) + 1))

    def saying(self, rewritten: Sequence[Rewrite]) -> "Speakable":
        """The same, with parts of what is written said in other words."""
        return Speakable(self.shown, self.written, self._starts, self._ends, rewritten) if rewritten else self

    def shown_until(self, length: int) -> str:
        """The part of what is shown that so many characters of what is spoken stand for."""
        if length >= len(self.spoken):
            return self.shown
        length = len(self.written_until(length).rstrip())
        if not length:
            return ""
        end = self._ends[length - 1]
        closing = self.shown[end : max(end, self._starts[length])]
        marks = "" if not closing or closing[0].isspace() else closing.split(None, 1)[0]
        return (self.shown[:end] + marks).rstrip()

    def written_until(self, length: int) -> str:
        """The part of what is written that so many characters of what is spoken stand for; a number counts once all of it was said."""
        if length >= len(self.spoken):
            return self.written
        shift = 0  # of what is spoken against what is written
        for rewrite in self._rewritten:
            if length <= rewrite.start + shift:
                break
            if length < rewrite.start + shift + len(rewrite.spoken):
                return self.written[: rewrite.start]
            shift += len(rewrite.spoken) - (rewrite.end - rewrite.start)
        return self.written[: length - shift]


@dataclass(slots=True)
class SpeakableText:
    """Makes the pieces of one answer speakable, in order: a block of code goes over several.

    Attributes:
        language: BCP 47; decides the words for signs in addresses, English where it is not known.
        says_numbers: whether numbers and the like are said in words, in languages whose words are known.
    """

    language: str = ""
    says_numbers: bool = False
    _is_code: bool = False
    _language: str = ""

    def piece(self, shown: str) -> Speakable:
        """The next piece."""
        is_fence = _FENCE.match(shown) is not None
        if is_fence:
            self._is_code = not self._is_code
        if is_fence or self._is_code:
            return Speakable(shown, "", (), ())
        text = Speakable.plain(shown) if _PLAIN.fullmatch(shown) else _speakable(shown, self.language)
        if not self.says_numbers:
            return text
        self._language = self.language or guess(text.written) or self._language
        return text.saying(rewrites(text.written, self._language))


class _Marked:
    """A text under edit that knows where each of its characters came from."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts: list[int] = list(range(len(text)))
        self.ends: list[int] = list(range(1, len(text) + 1))

    def apply(self, rules: Sequence[_Rule]) -> None:
        """Replaces by each rule in turn."""
        for pattern, parts in rules:
            self.replace(pattern, parts if callable(parts) else partial(_constant, parts))

    def replace(self, pattern: "regex.Pattern[str]", parts: Callable[["regex.Match[str]"], Sequence[_Part]]) -> None:
        """Replaces each match by literals and by groups of it, which keep their origin."""
        matches = list(pattern.finditer(self.text))
        if not matches:
            return
        text, starts, ends = "", list[int](), list[int]()

        def keep(start: int, end: int) -> None:
            nonlocal text
            text += self.text[start:end]
            starts.extend(self.starts[start:end])
            ends.extend(self.ends[start:end])

        last = 0
        for match in matches:
            keep(last, match.start())
            for part in parts(match):
                if isinstance(part, int):
                    keep(*match.span(part))
                elif isinstance(part, tuple):
                    keep(*part)
                elif part and match.end() > match.start():
                    text += part
                    first = self.starts[match.start()]
                    starts += [first] * len(part)
                    ends += [first] * (len(part) - 1) + [self.ends[match.end() - 1]]
            last = match.end()
        keep(last, len(self.text))
        self.text, self.starts, self.ends = text, starts, ends


def _speakable(shown: str, language: str) -> Speakable:
    marked = _Marked(shown)
    words = _DOT_SLASH_AT.get(language.replace("_", "-").partition("-")[0].lower(), _DOT_SLASH_AT["en"])
    for _ in range(_MAX_ROUNDS):  # what one rule takes away may uncover what another takes
        before = marked.text
        marked.apply(_FRAMES)
        marked.replace(_EMAIL, partial(_spelled_email, words=words))
        marked.replace(_URL, partial(_spelled_url, words=words))
        marked.replace(_BARE_HOST, partial(_spelled_url, words=words))
        marked.apply(_MARKS)
        if marked.text == before:
            break
    if not _HAS_WORDS.search(marked.text):
        return Speakable(shown, "", (), ())
    return Speakable(shown, marked.text, marked.starts, marked.ends)


def _rewritten(text: str, rewritten: Sequence[Rewrite]) -> str:
    for one in reversed(rewritten):
        text = text[: one.start] + one.spoken + text[one.end :]
    return text


def _constant(parts: Sequence[_Part], match: "regex.Match[str]") -> Sequence[_Part]:
    return parts


def _spelled_email(match: "regex.Match[str]", words: Sequence[str]) -> Sequence[_Part]:
    user = "".join(_SIGN_WORDS[char](words) if char in _SIGN_WORDS else char for char in match["user"])
    return (f"{user} {words[2]} {_spelled_host(match['host'], words)}",)


def _spelled_url(match: "regex.Match[str]", words: Sequence[str]) -> Sequence[_Part]:
    path = match["path"].rstrip("/")
    is_short = len(path) <= _LONGEST_PATH and not regex.search(r"[?#%=&]", path)
    spelled = "".join(_SIGN_WORDS[char](words) if char in _SIGN_WORDS else char for char in path) if is_short else ""
    return (_spelled_host(match["host"].rpartition("@")[2].partition(":")[0], words) + spelled.rstrip(),)


def _spelled_host(host: str, words: Sequence[str]) -> str:
    return f" {words[0]} ".join(host.split("."))


_SIGN_WORDS: Final[dict[str, Callable[[Sequence[str]], str]]] = {
    ".": lambda words: f" {words[0]} ",
    "/": lambda words: f" {words[1]} ",
    "-": lambda words: f" {words[3]} ",
    "_": lambda words: f" {words[4]} ",
    "+": lambda _: " plus ",
}

_TAGS: Final = "b|i|u|s|em|strong|mark|small|big|sub|sup|code|pre|kbd|span|div|p|br|hr|ul|ol|li|a|h[1-6]|table|tr|td|th|font|speak|prosody|break"


def _cells(match: "regex.Match[str]") -> Sequence[_Part]:
    """A table's row as its cells with commas between them."""
    parts: list[_Part] = []
    for cell in _CELL.finditer(match.string, match.start(), match.end()):
        parts += [", ", cell.span()] if parts else [cell.span()]
    return parts


_CELL: Final = regex.compile(r"[^|\s](?:[^|]*[^|\s])?")

_ATTRIBUTES: Final = r"(?:\s+[\w:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s<>\"']+))*"
_EMOJI: Final = (
    r"(?:\p{RI}{2}|\p{Emoji_Presentation}|\p{Extended_Pictographic}(?=\uFE0F|\p{Emoji_Modifier}))"
    r"(?:\uFE0F|\p{Emoji_Modifier}|\u200D\p{Extended_Pictographic}|[\U000E0020-\U000E007F])*"
)

_FRAMES: Final[Sequence[_Rule]] = [
    (regex.compile(r"^\s*(?:[-*_=—–][ \t]*){3,}$"), ()),  # a rule, or the line below a heading
    (regex.compile(r"^\s*\|?(?:\s*:?-{2,}:?\s*\|)+(?:\s*:?-{2,}:?\s*)?$"), ()),  # the line below a table's head
    (regex.compile(r"^\s*\[[^\]\n]+\]:\s*\S+.*$"), ()),  # where a reference leads
    (regex.compile(r"^\s*\|.*\|\s*$|^[^|\n]+(?:\s\|\s[^|\n]+){2,}$"), _cells),
    (regex.compile(r"!?\[([^\[\]]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+[\"'(][^\"')]*[\"')])?\s*\)"), (1,)),  # a link
    (regex.compile(r"!?\[([^\[\]]+)\]\[[^\[\]]*\]"), (1,)),
    (regex.compile(r"\[\^[^\[\]]+\]|【[^【】]*】"), ()),  # a footnote
    (regex.compile(r"<((?:https?://|mailto:)[^<>\s]+|[^<>\s@]+@[^<>\s@]+)>", regex.IGNORECASE), (1,)),
    (regex.compile(rf"</?(?:{_TAGS}){_ATTRIBUTES}\s*/?>", regex.IGNORECASE), (" ",)),
    (regex.compile(r"&(?:nbsp|#160);"), (" ",)),
    (regex.compile(r"&(?:lt|gt|quot|#34|#60|#62);"), ()),
    (regex.compile(r"&(?:amp|#38);"), ("&",)),
    (regex.compile(r"&(?:apos|#39);"), ("'",)),
]
"""What stands around text, in the order in which it is taken away."""

_MARKS: Final[Sequence[_Rule]] = [
    (regex.compile(r"\\([\\`*_{}\[\]()#+.!|>~$-])"), (1,)),
    (regex.compile(r"([0-9#*])\uFE0F?\u20E3"), (1,)),  # a key's picture
    (regex.compile(_EMOJI), (" ",)),
    (regex.compile(r"[\uFE0E\uFE0F\u200B\uFEFF]+"), ()),
    (
        regex.compile(r"^(?:\s*(?:#{1,6}|>|[-*+•‣◦▪●○■□➤➢✓✔–](?:\s+\[[ xX]\])?)(?=\s))+\s*"),
        (),
    ),  # heading, quotation, bullet
    (regex.compile(r"(?<=\S)\s+#{1,6}\s*$"), ()),
    (regex.compile(r"`+|~{2,}|\*{2,}|(?<![\p{L}\p{N}])_{2,}|_{2,}(?![\p{L}\p{N}])"), ()),
    # A single star may be a telephone's key: only pairs, and what a cut between sentences left at an edge, are marks.
    (regex.compile(r"(?<![\p{L}\p{N}*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\p{L}\p{N}*])"), (1,)),
    (regex.compile(r"^\*(?=\p{L})|(?<=[\p{L}.!?…,;:)])\*$"), ()),
    (regex.compile(r"(?<![\p{L}\p{N}])_(?=\S)|(?<=\S)_(?![\p{L}\p{N}])"), ()),
    (regex.compile(r"(?<=[\p{L}\p{N}])_+(?=[\p{L}\p{N}])"), (" ",)),
    (regex.compile(r"(?<=\S)\s*(?:->|=>|→|⇒|➜)\s*(?=\S)"), (", ",)),
    (regex.compile(r"([!?])[!?]*\1[!?]*"), (1,)),
    (regex.compile(r"\s*(?>(?:\.\.|…)[.…]*)(?=\s*[,.;:!?])"), ()),
    (regex.compile(r"\s*(?>(?:\.\.|…)[.…]*)(?=\s*[)\"'”’»]*$)"), (".",)),
    (regex.compile(r"^(?>(?:\.\.|…)[.…]*)\s*"), ()),
    (regex.compile(r"\s*(?>(?:\.\.|…)[.…]*)\s*"), (", ",)),
    (regex.compile(r"\s{2,}|[^\S ]"), (" ",)),
    (regex.compile(r"^\s+|\s+$|[ ]+(?=[,.!?](?:\s|$))"), ()),
]
"""What stands among the words, in the order in which it is taken away."""
