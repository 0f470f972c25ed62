"""The fenced blocks of a document, and what its text says about each: the file it belongs into, what it shows.

The rules are those that a reader follows without being told:

- A block belongs into the file that the paragraph below it begins with (`bakery.py`: …), else into the one that the paragraph
  above it names, else, for JSON, into the first `*.json` that the page names, else into `config.json`.
- A block `text` directly behind commands is what the last of them prints; elsewhere it is a message of the product.
- A block without a language is a diagram.
- A quotation of lines such as `> **Caller:** Three.` is a conversation.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
SHELL = "sh"
SUFFIX_OF = {"json": "json", "yaml": "yaml", "python": "py", "toml": "toml"}
DIAGRAM = re.compile(r"[│┌┐└┘├┤▲▼◀▶─]")

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+|~~~+) *(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
_LINE_OF_CONVERSATION = re.compile(r"^> \*\*(?P<who>[^:*]+):\*\* (?P<what>.+)$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `line` is where its text begins, `file` where the page says that it belongs, "" where nowhere."""

    page: str
    line: int
    language: str
    text: str
    file: str = ""

    @property
    def place(self) -> str:
        """How a failure names it."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A quoted conversation: who says what, in order."""

    page: str
    line: int
    said: tuple[tuple[str, str], ...]

    @property
    def place(self) -> str:
        """How a failure names it."""
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """The documents whose blocks have to work, relative to the root."""
    documents = sorted((ROOT / "docs").rglob("*.md"))
    return ["README.md", "CONTRIBUTING.md", "SECURITY.md", *(str(page.relative_to(ROOT)) for page in documents)]


def read(page: str) -> list[Block | Conversation]:
    """What can be tried of a page, in its order."""
    return parse(page, (ROOT / page).read_text(encoding="utf-8"))


def parse(page: str, markdown: str) -> list[Block | Conversation]:
    """What can be tried of a document with this text."""
    blocks = list(_blocks(page, markdown))
    return sorted([*blocks, *_conversations(page, _without_fences(markdown))], key=lambda one: one.line)


def commands(text: str) -> list[str]:
    """The commands of a shell block: continued lines joined, comments gone."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [bare for line in lines if (bare := re.sub(r"(^|\s)#\s.*$", "", line).strip())]


def _blocks(page: str, markdown: str) -> Iterator[Block]:
    for match in _FENCE.finditer(markdown):
        language, indent = match["language"], match["indent"]
        text = "".join(line.removeprefix(indent) for line in match["text"].splitlines(keepends=True))
        line = markdown.count("\n", 0, match.start("text")) + 1
        above = markdown[: match.start()].rstrip().rpartition("\n\n")[2]
        below = markdown[match.end() :].lstrip().partition("\n\n")[0]
        yield Block(page, line, language, text, _file(language, above, below, markdown))


def _file(language: str, above: str, below: str, markdown: str) -> str:
    suffix = SUFFIX_OF.get(language)
    if suffix is None:
        return ""
    name = rf"`([\w.-]+\.{suffix})`"
    for pattern, text in ((f"^{name}[:,]", below), (name, above)):
        if found := re.search(pattern, text):
            return found[1]
    if language != "json":
        return ""
    named = re.search(r"`([\w.-]+\.json)`|--config ([\w.-]+\.json)", markdown)
    return (named[1] or named[2]) if named else "config.json"


def _without_fences(markdown: str) -> str:
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), markdown)


def _conversations(page: str, markdown: str) -> Iterator[Conversation]:
    said: list[tuple[str, str]] = []
    begins = 0
    for number, line in enumerate([*markdown.splitlines(), ""], start=1):
        if match := _LINE_OF_CONVERSATION.match(line):
            begins = begins or number
            said.append((match["who"], match["what"]))
        elif said:
            yield Conversation(page, begins, tuple(said))
            said, begins = [], 0
