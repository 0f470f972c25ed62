"""The grammar of HTTP header values (RFC 9110), and of the names that forms and downloads carry (RFC 6266, 7578, 8187). Pure.

A value is taken apart here and nowhere else: comparing strings misses what the grammar allows, such as case, quotes and lists.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote_to_bytes

MAX_PARAMETERS: Final = 32

_PARAMETER: Final = re.compile(
    r"""[ \t]*;[ \t]*(?:([!#$%&'*+.^_`|~0-9a-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))[ \t]*(?=;|$))?""",
    re.IGNORECASE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r'\\(["\\])')
_ENTITY_TAG: Final = re.compile(r'[ \t]*(?:(W/)?("[\x21\x23-\x7e\x80-\U0010ffff]*")|(\*))[ \t]*(?:,|$)')
_NOT_IN_FALLBACK: Final = re.compile(r'[^\x20-\x7e]|["\\%]')
_FORM_ESCAPES: Final = {"%22": '"', "%0d": "\r", "%0a": "\n"}
_FORM_ESCAPE: Final = re.compile("%(?:22|0[da])", re.IGNORECASE)


def parameterised(value: str) -> tuple[str, dict[str, str]]:
    """A value and its parameters, as in `multipart/form-data; boundary="a b"`; both names in lower case.

    The first of two parameters with one name counts. What is malformed ends the list.
    """
    main, separator, _ = value.partition(";")
    parameters: dict[str, str] = {}
    position = len(main)
    while separator and len(parameters) < MAX_PARAMETERS and (found := _PARAMETER.match(value, position)):
        position = found.end()
        if found[1]:
            text = _ESCAPED.sub(r"\1", found[2]) if found[2] is not None else found[3].strip()
            parameters.setdefault(found[1].lower(), text)
    return main.strip().lower(), parameters


def media_type(value: str) -> str:
    """The media type of a Content-Type, in lower case and without parameters."""
    return value.partition(";")[0].strip().lower()


def extended_value(text: str) -> str:
    """A value in the form of RFC 8187, such as `UTF-8''na%C3%AFve`; empty where it is not."""
    charset, _, rest = text.partition("'")
    _language, found, encoded = rest.partition("'")
    if not found or charset.lower() not in {"utf-8", "iso-8859-1"}:
        return ""
    return unquote_to_bytes(encoded).decode(charset.lower(), "replace")


def form_filename(parameters: Mapping[str, str]) -> str:
    """The file name in a part of a form, decoded; empty where there is none.

    Browsers write a quotation mark and line ends as %22, %0D and %0A (the HTML standard), and nothing else in percent signs.
    """
    if name := parameters.get("filename", ""):
        return _FORM_ESCAPE.sub(lambda found: _FORM_ESCAPES[found.group().lower()], name)
    return extended_value(parameters.get("filename*", ""))


def content_disposition(kind: str, filename: str) -> str:
    """A Content-Disposition with a name for every client: in ASCII, and in UTF-8 (RFC 6266).

    Args:
        kind: `inline` or `attachment`.
        filename: the name; its control characters become underscores.
    """
    decomposed = unicodedata.normalize("NFKD", filename)
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    plain = _NOT_IN_FALLBACK.sub("_", plain)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def etag_matches(header: str, etag: str) -> bool:
    """Whether If-None-Match names the entity tag: in a list, as a weak one, or by `*`; the weak comparison of RFC 9110.

    Args:
        header: the value; empty where the header is missing.
        etag: ours, with its quotes.
    """
    ours = etag.removeprefix("W/")
    position = 0
    while position < len(header) and (found := _ENTITY_TAG.match(header, position)):
        if found[3] or found[2] == ours:
            return True
        position = found.end()
    return False
