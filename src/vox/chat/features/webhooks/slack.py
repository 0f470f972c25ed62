"""Messages in the shape of Slack's incoming webhooks, as monitoring and build servers send them. Pure.

Slack's own markup is rewritten: `<url|label>`, `*bold*`, `~struck~` and the three entities; `_italic_`, code and quotes are the same here.
The names of fields without a counterpart are returned, so that the sender is told.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, cast
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta

from vox.chat.features.messages.schemas import Embed, EmbedField
from vox.chat.features.webhooks.posts import Post

MAX_ATTACHMENTS: Final = 10
MAX_BLOCKS: Final = 50
FORM: Final = "application/x-www-form-urlencoded"

_COLORS: Final = {"good": 0x2EB67D, "warning": 0xECB22E, "danger": 0xE01E5A}
_KNOWN: Final = frozenset({"text", "username", "icon_url", "attachments", "blocks"})
_KNOWN_OF_ATTACHMENT: Final = frozenset({
    "fallback", "color", "pretext", "author_name", "title", "title_link", "text", "fields", "image_url", "thumb_url", "footer",
    "blocks", "mrkdwn_in",
})  # fmt: skip
_LINK: Final = re.compile(r"<([^<>|\n]{1,2048})(?:\|([^<>\n]{0,1024}))?>")
_BOLD: Final = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*])\*(?![\w*])")
_STRUCK: Final = re.compile(r"(?<![\w~])~(?=[^\s~])([^~\n]*[^\s~])~(?![\w~])")
_CODE: Final = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_ENTITIES: Final = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
_HEX: Final = re.compile(r"#?([0-9A-Fa-f]{6})")


class _Field(msgspec.Struct, frozen=True):
    title: str = ""
    value: str | int | float = ""
    short: bool | None = False


class _Attachment(msgspec.Struct, frozen=True):
    fallback: str | None = None
    color: str | None = None
    pretext: str | None = None
    author_name: str | None = None
    title: str | None = None
    title_link: str | None = None
    text: str | None = None
    fields: Annotated[list[_Field], Meta(max_length=25)] | None = None
    image_url: str | None = None
    thumb_url: str | None = None
    footer: str | None = None
    blocks: Annotated[list[dict[str, Any]], Meta(max_length=MAX_BLOCKS)] | None = None


class SlackMessage(msgspec.Struct, frozen=True):
    """The fields of Slack's message that have a counterpart."""

    text: str | None = None
    username: str | None = None
    icon_url: str | None = None
    attachments: Annotated[list[_Attachment], Meta(max_length=MAX_ATTACHMENTS)] | None = None
    blocks: Annotated[list[dict[str, Any]], Meta(max_length=MAX_BLOCKS)] | None = None


def from_slack(body: bytes, content_type: str) -> Post:
    """What a request posts.

    Args:
        body: JSON, or a form whose field `payload` has the JSON.
        content_type: of the request.

    Raises:
        msgspec.DecodeError: it is not of the shape.
    """
    if content_type.partition(";")[0].strip().lower() == FORM:
        try:
            values = parse_qs(body.decode(), max_num_fields=8)
        except ValueError as error:
            raise msgspec.DecodeError(str(error)) from None
        body = (values.get("payload") or [""])[0].encode()
    given = msgspec.json.decode(body)
    message = msgspec.convert(given, SlackMessage)
    ignored = list(_ignored(given))
    lines, embeds = _from_blocks(message.blocks or (), ignored)
    if not lines and message.text:  # with blocks the text is what notifications show, as in Slack
        lines = [from_mrkdwn(message.text)]
    for attachment in message.attachments or ():
        if attachment.pretext:
            lines.append(from_mrkdwn(attachment.pretext))
        embeds.extend(_from_attachment(attachment, ignored))
    return Post(
        body="\n".join(line for line in lines if line) or None,
        embeds=embeds,
        name=message.username or None,
        avatar=message.icon_url or None,
        ignored=tuple(dict.fromkeys(ignored)),
    )


def from_mrkdwn(text: str) -> str:
    """Slack's markup as ours; what is in code stays."""
    parts = _CODE.split(text)
    return "".join(_entities(part) if index % 2 else _prose(part) for index, part in enumerate(parts))


def _prose(text: str) -> str:
    text = _BOLD.sub(r"**\1**", text)
    text = _STRUCK.sub(r"~~\1~~", text)
    return _entities(_LINK.sub(_link, text))


def _link(found: "re.Match[str]") -> str:
    target, label = found[1], found[2]
    if target.startswith("!"):  # <!here>, <!channel>, <!date^…|label>
        return label or "@" + target[1:].partition("^")[0]
    if target.startswith(("@", "#")):
        return (target[0] + label) if label else target
    if not label or label == target:
        return target
    return f"[{label}]({target})"


def _entities(text: str) -> str:
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def _from_attachment(attachment: _Attachment, ignored: list[str]) -> Iterator[Embed]:
    lines, further = _from_blocks(attachment.blocks or (), ignored)
    text = attachment.text or (
        attachment.fallback if not lines and not attachment.title and not attachment.pretext else None
    )
    if text:
        lines.insert(0, from_mrkdwn(text))
    fields = [EmbedField(one.title, from_mrkdwn(str(one.value)), bool(one.short)) for one in attachment.fields or ()]
    if attachment.footer:
        fields.append(EmbedField("", from_mrkdwn(attachment.footer)))
    embed = Embed(
        title=from_mrkdwn(attachment.title) if attachment.title else None,
        description="\n".join(lines) or None,
        url=attachment.title_link,
        site_name=attachment.author_name,
        image=attachment.image_url,
        color=_color(attachment.color),
        fields=fields or None,
        thumbnail=attachment.thumb_url,
    )
    if embed != Embed(color=embed.color):
        yield embed
    yield from further


def _color(text: str | None) -> int | None:
    if text is None:
        return None
    found = _HEX.fullmatch(text)
    return int(found[1], 16) if found else _COLORS.get(text)


def _from_blocks(blocks: Any, ignored: list[str]) -> tuple[list[str], list[Embed]]:
    """The texts of blocks in order, and the images as embeds."""
    lines: list[str] = []
    embeds: list[Embed] = []
    for block in blocks:
        kind = block.get("type")
        reads = _BLOCKS.get(kind) if isinstance(kind, str) else None
        if reads is not None:
            lines.extend(reads(block, ignored))
        elif kind == "image" and isinstance(block.get("image_url"), str):
            title = _text(block.get("title")) or block.get("alt_text")
            embeds.append(Embed(title=title if isinstance(title, str) and title else None, image=block["image_url"]))
        else:
            ignored.append(f"blocks.{kind}" if isinstance(kind, str) else "blocks")
    return lines, embeds


def _section(block: Mapping[str, Any], ignored: list[str]) -> Iterator[str]:
    if text := _text(block.get("text")):
        yield text
    yield from filter(None, map(_text, _listed(block.get("fields"))))
    if block.get("accessory"):
        ignored.append("blocks.section.accessory")


def _header(block: Mapping[str, Any], _ignored: list[str]) -> Iterator[str]:
    if text := _text(block.get("text")):
        yield f"**{text}**"


def _context(block: Mapping[str, Any], ignored: list[str]) -> Iterator[str]:
    elements = _listed(block.get("elements"))
    if line := " ".join(filter(None, map(_text, elements))):
        yield line
    if any(isinstance(one, dict) and cast("dict[str, Any]", one).get("type") == "image" for one in elements):
        ignored.append("blocks.context.image")


def _divider(_block: Mapping[str, Any], _ignored: list[str]) -> Iterator[str]:
    yield "---"


_Reads = Callable[[Mapping[str, Any], list[str]], Iterator[str]]
_BLOCKS: Final[Mapping[str, _Reads]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "divider": _divider,
}


def _text(value: Any) -> str:
    """A text object of Slack: plain, or with its markup."""
    if not isinstance(value, dict):
        return ""
    part = cast("dict[str, Any]", value)
    text = part.get("text")
    if not isinstance(text, str):
        return ""
    return from_mrkdwn(text) if part.get("type") == "mrkdwn" else _entities(text)


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _ignored(given: Any) -> Iterator[str]:
    if not isinstance(given, dict):
        return
    message = cast("dict[str, Any]", given)
    yield from (name for name, value in message.items() if name not in _KNOWN and value)
    for one in _listed(message.get("attachments")):
        if isinstance(one, dict):
            attachment = cast("dict[str, Any]", one)
            names = (name for name, value in attachment.items() if name not in _KNOWN_OF_ATTACHMENT and value)
            yield from (f"attachments.{name}" for name in names)
