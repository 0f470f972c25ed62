"""`.env` files: `NAME=value` lines that stand for variables of the environment, as dotenv tools and systemd's `EnvironmentFile` read them.

A variable of the process wins over the file, so that what is set for one start only still can be.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vox.errors import UsageError

MAX_FILE_BYTES: Final = 1 << 18
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES: Final[Mapping[str, str]] = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$", "`": "`"}
_COMMENT: Final = re.compile(r"\s#.*")


def parse_env(text: str, name: str = ".env") -> dict[str, str]:
    r"""The variables of a file's text; of a name that stands there twice the last one holds.

    Blank lines and lines that begin with `#` are skipped; `export` before a name is too. A value may stand in single quotes, where
    everything is literal, or in double quotes, where `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are escapes. Behind an unquoted value a
    comment may follow after a blank. Nothing is expanded.

    Args:
        text: of the file.
        name: of the file, for errors.

    Raises:
        UsageError: env_malformed, naming the line but never its value.
    """
    found: dict[str, str] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        left, sign, right = line.partition("=")
        key = left.strip().removeprefix("export ").strip()
        if not sign:
            raise _malformed(name, number, "it has no `=`")
        if not _NAME.fullmatch(key):
            raise _malformed(name, number, "what stands before `=` is not the name of a variable")
        found[key] = _value(right, name, number)
    return found


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file; none where there is no such file.

    Raises:
        UsageError: env_unreadable or env_malformed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(path, error.strerror or "it cannot be opened") from error
    if len(data) > MAX_FILE_BYTES:
        raise _unreadable(path, f"it is longer than {MAX_FILE_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not UTF-8 text") from None
    return parse_env(text, path.name)


def with_env_file(environment: Mapping[str, str], path: Path) -> dict[str, str]:
    """The environment with what only the file sets; an empty variable of the process counts as set.

    Raises:
        UsageError: env_unreadable or env_malformed.
    """
    return {**read_env_file(path), **environment}


def _value(text: str, name: str, number: int) -> str:
    text, quote = text.rstrip(), text.lstrip()[:1]
    if quote not in {'"', "'"}:
        return _COMMENT.sub("", text).strip()
    text = text.lstrip()
    value, end = _quoted(text, quote)
    if end < 0:
        raise _malformed(name, number, f"the quote {quote} is not closed")
    rest = text[end:].strip()
    if rest and not rest.startswith("#"):
        raise _malformed(name, number, f"something follows the closing quote {quote}")
    return value


def _quoted(text: str, quote: str) -> tuple[str, int]:
    """The value between the quotes, and where the text goes on; -1 where the second one is missing."""
    parts: list[str] = []
    at = 1
    while at < len(text):
        character = text[at]
        if character == quote:
            return "".join(parts), at + 1
        if character == "\\" and quote == '"' and text[at + 1 : at + 2] in _ESCAPES:
            at += 1
            character = _ESCAPES[text[at]]
        parts.append(character)
        at += 1
    return "", -1


def _malformed(name: str, number: int, why: str) -> UsageError:
    return UsageError(
        f"line {number} of {name} is not NAME=value: {why}",
        code="env_malformed",
        hint="correct the line, or begin it with # to leave it out",
    )


def _unreadable(path: Path, why: str) -> UsageError:
    return UsageError(f"cannot read {path}: {why}", code="env_unreadable", hint="check the file and its permissions")
